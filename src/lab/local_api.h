// The API for the lab's own controllers: straight into the store, as an administrator.
#pragma once
#include "kube/api.h"
#include "lab/rest.h"

namespace fairlead::lab {

class LocalApi : public kube::Api {
 public:
  LocalApi(Rest& rest, std::string manager) : rest_(rest), manager_(std::move(manager)) {}
  Result<Json> Get(const kube::Resource& r, const std::string& ns, const std::string& name) override;
  Result<kube::ListResult> List(const kube::Resource& r, const std::string& ns,
                                const kube::ListOptions& options) override;
  Result<Json> Create(const kube::Resource& r, const Json& object) override;
  Result<Json> Update(const kube::Resource& r, const Json& object, const std::string& subresource) override;
  Result<Json> Patch(const kube::Resource& r, const std::string& ns, const std::string& name, kube::PatchType type,
                     const Json& patch, const kube::PatchOptions& options) override;
  Status Delete(const kube::Resource& r, const std::string& ns, const std::string& name,
                const kube::DeleteOptions& options) override;
  Status Watch(const kube::Resource& r, const std::string& ns, const kube::ListOptions& options,
               std::function<bool(kube::WatchEvent)> on_event, std::stop_token stop) override;
  // Sets status to what `change` makes of it; nothing is written when it stays.
  Status UpdateStatus(const kube::Resource& r, const std::string& ns, const std::string& name,
                      const std::function<void(Json& status)>& change);
  Store& store() { return rest_.store(); }

 private:
  Result<TypePtr> Type(const kube::Resource& r) const;
  Rest& rest_;
  std::string manager_;
};

}  // namespace fairlead::lab
