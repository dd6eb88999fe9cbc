// Brings a pod's network namespace to what its rules should be, and tells whether it is there. The kernel itself says
// what a script amounts to: it is applied once in an empty namespace and listed, and that listing is compared with the
// pod's. Threading: every member may be called from any thread.
#pragma once
#include <mutex>

#include "redirect/sidecar.h"

namespace fairlead::redirect {

enum class Programmed { kUnchanged, kWritten };

class Programmer {
 public:
  // Makes the rules so; one transaction, and none at all when the kernel has them already.
  Result<Programmed> Apply(int netns_fd, const SidecarConfig& config);
  // ok when the kernel has the rules; otherwise kNotFound (none at all) or kConflict (others), saying which table
  // differs.
  Status Verify(int netns_fd, const SidecarConfig& config);

 private:
  struct Wanted {
    std::string script;
    std::map<std::string, Json> tables;  // by name, as the kernel lists them; absent ones are missing
  };
  Result<std::shared_ptr<const Wanted>> Want(const SidecarConfig& config, bool ipv6);
  std::mutex mutex_;  // guards cache_
  std::map<std::string, std::shared_ptr<const Wanted>> cache_;
};

}  // namespace fairlead::redirect
