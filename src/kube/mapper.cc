#include "kube/mapper.h"

namespace fairlead::kube {

Result<Resource> DiscoveryMapper::Find(const std::string& api_version, const std::string& kind) {
  std::string key = api_version + "/" + kind;
  {
    std::lock_guard lock(mutex_);
    if (auto it = known_.find(key); it != known_.end()) return it->second;
  }
  size_t slash = api_version.find('/');
  std::string path = slash == api_version.npos ? "/api/" + api_version : "/apis/" + api_version;
  FL_ASSIGN(http::Response response, client_.Raw({.target = path}));
  FL_ASSIGN(Json list, value::ParseJson(response.body, "discovery of " + api_version));
  std::lock_guard lock(mutex_);
  for (const Json& r : value::At(list, "resources")) {
    std::string plural = value::Str(r, "name");
    if (plural.find('/') != plural.npos) continue;
    Resource found{slash == api_version.npos ? "" : api_version.substr(0, slash),
                   slash == api_version.npos ? api_version : api_version.substr(slash + 1), plural,
                   value::Bool(r, "namespaced"), value::Str(r, "kind")};
    known_[api_version + "/" + found.kind] = found;
  }
  if (auto it = known_.find(key); it != known_.end()) return it->second;
  return MakeError(Code::kNotFound, "the server does not serve kind " + kind + " in " + api_version);
}

}  // namespace fairlead::kube
