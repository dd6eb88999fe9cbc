#include "mesh/helm_release.h"

#include "chart/archive.h"
#include "chart/manifests.h"
#include "util/strings.h"

namespace fairlead::mesh {

using value::Str;

Result<Json> DecodeRelease(const std::string& data) {
  FL_ASSIGN(std::string helms, Base64Decode(data));
  FL_ASSIGN(std::string packed, Base64Decode(helms));
  // Releases of old Helm versions are not compressed.
  if (!packed.starts_with("\x1f\x8b\x08")) return value::ParseJson(packed, "Helm release");
  FL_ASSIGN(std::string text, chart::Gunzip(packed));
  return value::ParseJson(text, "Helm release");
}

Result<Json> ReleaseInventory(kube::Api& api, kube::ResourceMapper& mapper, const std::string& name,
                              const std::string& ns) {
  FL_ASSIGN(auto secrets, api.List(kube::kSecrets, ns, {.label_selector = "owner=helm,name=" + name}));
  const Json* newest = nullptr;
  int64_t version = 0;
  for (const Json& secret : secrets.items)
    if (int64_t v = ParseInt(kube::Label(secret, "version")).value_or(0); v > version) {
      newest = &secret;
      version = v;
    }
  Json inventory = Json::array();
  if (!newest) return inventory;
  FL_ASSIGN(Json release, DecodeRelease(Str(*newest, "data", "release")));
  FL_ASSIGN(auto manifests, chart::SortManifests({{"manifest", Str(release, "manifest")}}));
  for (const auto& m : manifests.objects) {
    auto resource = mapper.Find(Str(m.object, "apiVersion"), Str(m.object, "kind"));
    if (!resource.ok()) continue;  // its kind is gone, so it is, too
    Json entry = {{"apiVersion", Str(m.object, "apiVersion")},
                  {"kind", Str(m.object, "kind")},
                  {"name", kube::Name(m.object)},
                  {"release", name}};
    if (resource->namespaced) entry["namespace"] = kube::Namespace(m.object).empty() ? ns : kube::Namespace(m.object);
    inventory.push_back(entry);
  }
  return inventory;
}

}  // namespace fairlead::mesh
