// Finds the resource of a kind by asking the server's discovery, and remembers the answer.
#pragma once
#include "kube/client.h"

namespace fairlead::kube {

class ResourceMapper {
 public:
  virtual ~ResourceMapper() = default;
  // kNotFound when the server does not serve that kind.
  virtual Result<Resource> Find(const std::string& api_version, const std::string& kind) = 0;
};

class DiscoveryMapper : public ResourceMapper {
 public:
  explicit DiscoveryMapper(Client& client) : client_(client) {}
  Result<Resource> Find(const std::string& api_version, const std::string& kind) override;

 private:
  Client& client_;
  std::mutex mutex_;  // guards known_
  std::map<std::string, Resource> known_;
};

}  // namespace fairlead::kube
