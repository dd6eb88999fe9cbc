// Finds the network namespace of a pod that runs already, among those that the runtime keeps on the node: by its
// address.
#pragma once
#include <string>
#include <vector>

#include "kernel/netns.h"

namespace fairlead::agent {

struct FoundNetns {
  std::string path;  // as the runtime names it: /var/run/netns/NAME
  UniqueFd fd;
  kernel::NetnsId id;
};

// kNotFound: no namespace below `netns_dir` has one of the addresses. Where several have (a runtime left one behind),
// the newest counts.
Result<FoundNetns> FindNetns(const std::string& netns_dir, const std::vector<std::string>& addresses);

}  // namespace fairlead::agent
