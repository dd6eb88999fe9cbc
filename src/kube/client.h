// The Kubernetes API over HTTP.
#pragma once
#include "kube/api.h"
#include "kube/config.h"

namespace fairlead::kube {

class Client : public Api {
 public:
  explicit Client(Config config);
  Result<Json> Get(const Resource& r, const std::string& ns, const std::string& name) override;
  Result<ListResult> List(const Resource& r, const std::string& ns,
                          const ListOptions& options) override;  // in pages of 500
  Result<Json> Create(const Resource& r, const Json& object) override;
  Result<Json> Update(const Resource& r, const Json& object, const std::string& subresource) override;
  Result<Json> Patch(const Resource& r, const std::string& ns, const std::string& name, PatchType type,
                     const Json& patch, const PatchOptions& options) override;
  Status Delete(const Resource& r, const std::string& ns, const std::string& name,
                const DeleteOptions& options) override;
  Status Watch(const Resource& r, const std::string& ns, const ListOptions& options,
               std::function<bool(WatchEvent)> on_event, std::stop_token stop) override;

  // Any request, for what the typed calls do not cover. `accept` "": JSON. The body of a non-2xx answer becomes the
  // error.
  Result<http::Response> Raw(const http::ClientRequest& request);
  http::Client& http() { return http_; }

 private:
  http::Client http_;
  std::function<void(const std::string& method, int status)> on_answer_;
};

// The error that an API server's answer stands for; `what` goes before the server's message.
Error ErrorFromStatus(const http::Response& response, const std::string& what);
Error ErrorFromStatus(const Json& status, int http_status, const std::string& what);

}  // namespace fairlead::kube
