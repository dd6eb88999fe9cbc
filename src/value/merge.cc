#include "value/merge.h"

namespace fairlead::value {

void MergePatch(Json& target, const Json& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = Json::object();
  for (const auto& [key, v] : patch.items()) {
    if (v.is_null())
      target.erase(key);
    else
      MergePatch(target[key], v);
  }
}

Status JsonPatch(Json& target, const Json& operations) {
  if (!operations.is_array()) return MakeError(Code::kInvalid, "a JSON patch is a list of operations");
  if (operations.size() > 10000) return MakeError(Code::kInvalid, "a JSON patch has at most 10000 operations");
  try {
    Json copy = target;
    copy.patch_inplace(operations);
    target = std::move(copy);
    return {};
  } catch (const Json::exception& e) {
    return MakeError(Code::kInvalid,
                     std::string("the server rejected our request due to an error in our request: ") + e.what());
  }
}

Json DiffMergePatch(const Json& from, const Json& to) {
  Json patch = Json::object();
  for (const auto& [key, v] : from.items())
    if (!to.contains(key)) patch[key] = nullptr;
  for (const auto& [key, v] : to.items()) {
    const Json& old = Member(from, key);
    if (old == v && from.contains(key)) continue;
    if (old.is_object() && v.is_object())
      patch[key] = DiffMergePatch(old, v);
    else
      patch[key] = v;
  }
  return patch;
}

void MergeValues(Json& base, const Json& overlay) {
  if (!overlay.is_object()) return;
  if (!base.is_object()) base = Json::object();
  for (const auto& [key, v] : overlay.items()) {
    if (v.is_null()) {
      base.erase(key);
    } else if (v.is_object() && Member(base, key).is_object()) {
      MergeValues(base[key], v);
    } else {
      base[key] = v;
    }
  }
}

}  // namespace fairlead::value
