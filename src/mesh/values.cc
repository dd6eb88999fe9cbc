#include "mesh/values.h"

#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

Result<Json> ComputeCniValues(const Json& spec, const Version& version,
                              const std::map<std::string, std::string>& profiles) {
  Json values = Json::object();
  std::vector<std::string> names = {"default"};
  if (std::string p = Str(spec, "profile"); !p.empty() && p != "default") names.push_back(p);
  for (const std::string& name : names) {
    auto it = profiles.find(name + ".yaml");
    if (it == profiles.end())
      return MakeError(Code::kNotFound, "spec.profile: profile \"" + name + "\" has no values; use another, or none");
    FL_ASSIGN(Json doc, value::ParseYaml(it->second, "profile " + name));
    value::MergeValues(values, At(doc, "spec", "values"));
  }
  if (At(spec, "values").is_object()) value::MergeValues(values, spec["values"]);
  // A user who names a hub, a tag or an image keeps it; otherwise the catalogue decides.
  auto set = [&](const char* section, const char* key) { return !value::IsEmpty(At(values, section, key)); };
  bool own_image =
      set("cni", "image") || set("cni", "hub") || set("cni", "tag") || set("global", "hub") || set("global", "tag");
  if (!own_image) values["cni"]["image"] = version.cni_image;
  if (value::IsEmpty(At(values, "global", "tag"))) values["global"]["tag"] = version.number;
  if (value::IsEmpty(At(values, "global", "hub"))) values["global"]["hub"] = version.hub;
  return values;
}

}  // namespace fairlead::mesh
