#include "mesh/operator.h"

namespace fairlead::mesh {

Status Operator::CheckCurrent(const std::vector<Input>& inputs) {
  auto decisive = [](const Json& o) {
    return std::tuple(kube::Uid(o), kube::Generation(o), kube::IsDeleting(o), value::At(o, "metadata", "annotations"),
                      value::At(o, "status", "activeRevisionName"),
                      value::At(o, "status", "rollout", "undoneGeneration"));
  };
  for (const Input& input : inputs) {
    auto live = api.Get(input.resource, kube::Namespace(input.object), kube::Name(input.object));
    if (!live.ok() && live.error().code != Code::kNotFound) return live.error();
    if (!live.ok() || decisive(*live) != decisive(input.object))
      return MakeError(Code::kConflict, "the cache is behind: " + input.resource.kind + "/" + kube::Name(input.object) +
                                            " has changed; it is tried again");
  }
  return {};
}

}  // namespace fairlead::mesh
