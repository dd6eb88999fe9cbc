// What the backends share.
#pragma once
#include <functional>
#include <mutex>

#include "kernel/iptables.h"
#include "redirect/backend.h"

namespace fairlead::redirect {

// Remembers what the kernel makes of a script. Threading: any thread.
class ExpectationCache {
 public:
  // `write` runs in an empty namespace, once a script.
  Result<Listing> Get(const std::string& script, const std::function<Result<Listing>()>& write);

 private:
  std::mutex mutex_;  // guards cache_
  std::map<std::string, std::shared_ptr<const Listing>> cache_;
};

std::unique_ptr<Backend> NewNftBackend();
std::unique_ptr<Backend> NewIptablesBackend(kernel::Iptables which);

}  // namespace fairlead::redirect
