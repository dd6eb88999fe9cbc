#include "mesh/values.h"

#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

Status MergeProfile(Json& values, const std::string& name, const Profiles& profiles) {
  auto it = profiles.find(name + ".yaml");
  if (it == profiles.end())
    return MakeError(Code::kNotFound, "spec.profile: profile \"" + name + "\" has no values; use another, or none");
  FL_ASSIGN(Json doc, value::ParseYaml(it->second, "profile " + name));
  value::MergeValues(values, At(doc, "spec", "values"));
  return {};
}

// The default profile, the one that is asked for, and what the user set.
Result<Json> MergeSpec(const Json& spec, const Profiles& profiles) {
  Json values = Json::object();
  FL_TRY(MergeProfile(values, "default", profiles));
  if (std::string p = Str(spec, "profile"); !p.empty() && p != "default") FL_TRY(MergeProfile(values, p, profiles));
  if (At(spec, "values").is_object()) value::MergeValues(values, spec["values"]);
  return values;
}

// A user who names a hub, a tag or an image keeps it; otherwise the catalogue decides.
void SetImage(Json& values, const char* section, const std::string& image, const Version& version) {
  auto set = [&](const char* where, const char* key) { return !value::IsEmpty(At(values, where, key)); };
  bool own = set(section, "image") || set(section, "hub") || set(section, "tag") || set("global", "hub") ||
             set("global", "tag");
  if (!own) values[section]["image"] = version.Image(image);
  if (!set("global", "tag")) values["global"]["tag"] = version.number;
  if (!set("global", "hub")) values["global"]["hub"] = version.Hub(image);
}

}  // namespace

Result<Json> ComputeCniValues(const Json& spec, const Version& version, const Profiles& profiles) {
  FL_ASSIGN(Json values, MergeSpec(spec, profiles));
  SetImage(values, "cni", "install-cni", version);
  return values;
}

Result<Json> ComputeRevisionValues(const Json& istio_spec, const std::string& revision, const Profiles& profiles) {
  FL_ASSIGN(Json values, MergeSpec(istio_spec, profiles));
  values["revision"] = revision == "default" ? "" : revision;
  values["global"]["istioNamespace"] = Str(istio_spec, "namespace");
  values.erase("defaultRevision");
  return values;
}

Json ComputeIstiodValues(const Json& revision_spec, const Version& version) {
  Json values = At(revision_spec, "values").is_object() ? revision_spec["values"] : Json::object();
  SetImage(values, "pilot", "pilot", version);
  // The sidecars' as well, where it has been named.
  bool own = !value::IsEmpty(At(revision_spec, "values", "global", "hub")) ||
             !value::IsEmpty(At(revision_spec, "values", "global", "tag"));
  for (const char* proxy : {"proxy", "proxy_init"})
    if (!own && version.images.contains("proxyv2") && value::IsEmpty(At(values, "global", proxy, "image")))
      values["global"][proxy]["image"] = version.Image("proxyv2");
  return values;
}

Result<Json> ComputeZtunnelValues(const Json& spec, const Json& base, const Version& version,
                                  const Profiles& profiles) {
  Json values = Json::object();
  for (const char* key : {"meshConfig", "revision", "global"})
    if (base.is_object() && base.contains(key)) values[key] = base[key];
  FL_TRY(MergeProfile(values, "default", profiles));
  FL_TRY(MergeProfile(values, "ambient", profiles));
  if (At(spec, "values").is_object()) value::MergeValues(values, spec["values"]);
  SetImage(values, "ztunnel", "ztunnel", version);
  return values;
}

}  // namespace fairlead::mesh
