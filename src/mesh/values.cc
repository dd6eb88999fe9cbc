#include "mesh/values.h"

#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

Status MergeProfile(Json& values, const std::string& name, const Resources& resources) {
  auto it = resources.profiles.find(name + ".yaml");
  if (it == resources.profiles.end())
    return MakeError(Code::kNotFound, "spec.profile: profile \"" + name + "\" has no values; use another, or none");
  FL_ASSIGN(Json doc, value::ParseYaml(it->second, "profile " + name));
  value::MergeValues(values, At(doc, "spec", "values"));
  return {};
}

// The profiles, what the vendor of the operator wants for `kind`, and what the user set. A profile that is chosen takes
// the place of the platform's, but not the platform.
Status MergeSpec(Json& values, const Json& spec, const char* kind, const std::string& profile,
                 const Resources& resources) {
  FL_TRY(MergeProfile(values, "default", resources));
  std::string chosen = profile.empty() ? resources.platform : profile;
  if (!chosen.empty() && chosen != "default") FL_TRY(MergeProfile(values, chosen, resources));
  for (const Json* own : {&At(resources.vendor_defaults, kind), &At(spec, "values")})
    if (own->is_object()) value::MergeValues(values, *own);
  if (!resources.platform.empty() && At(values, "global", "platform").is_null())
    values["global"]["platform"] = resources.platform;
  return {};
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

Result<Json> ComputeCniValues(const Json& spec, const Version& version, const Resources& resources) {
  Json values = Json::object();
  FL_TRY(MergeSpec(values, spec, "istiocni", Str(spec, "profile"), resources));
  SetImage(values, "cni", "install-cni", version);
  return values;
}

Result<Json> ComputeRevisionValues(const Json& istio_spec, const std::string& revision, const Resources& resources) {
  Json values = Json::object();
  FL_TRY(MergeSpec(values, istio_spec, "istio", Str(istio_spec, "profile"), resources));
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
                                  const Resources& resources) {
  Json values = Json::object();
  for (const char* key : {"meshConfig", "revision", "global"})
    if (base.is_object() && base.contains(key)) values[key] = base[key];
  FL_TRY(MergeSpec(values, spec, "ztunnel", "ambient", resources));
  SetImage(values, "ztunnel", "ztunnel", version);
  return values;
}

}  // namespace fairlead::mesh
