// Who sends a request, and whether they may do it: client certificates, service account tokens, and RBAC.
// Source of the behaviour: k8s.io/kubernetes pkg/registry/rbac/validation, pkg/serviceaccount.
#pragma once
#include "http/message.h"
#include "lab/store.h"

namespace fairlead::lab {

struct User {
  std::string name;  // system:serviceaccount:ns:name, a certificate's CN, or system:anonymous
  std::vector<std::string> groups;
};

// Service account tokens: JWTs signed by a key that lives as long as the lab.
class TokenAuthority {
 public:
  TokenAuthority();
  std::string Issue(const std::string& ns, const std::string& account, const std::string& pod_name,
                    const std::string& pod_uid, std::chrono::seconds valid) const;
  // The account that a token stands for. kUnauthorized says why not: malformed, expired, or its pod is gone.
  Result<User> Verify(const std::string& token, const Store& store) const;

 private:
  std::string key_;
};

struct Access {
  std::string verb, group, resource, subresource, ns, name;
  std::string path;  // for requests that are about no resource
};

// nullopt: allowed. Otherwise the reason, as Kubernetes words it after "is forbidden: ".
std::optional<std::string> Authorize(const Store& store, const User& user, const Access& access);

}  // namespace fairlead::lab
