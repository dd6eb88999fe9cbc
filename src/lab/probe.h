// A probe of a container, as a kubelet makes it: from the node, or in the container.
#pragma once
#include <sys/types.h>

#include "value/json.h"

namespace fairlead::lab {

struct ProbeTarget {
  int node_pid = 0;  // whose network the request comes from
  std::string ip;    // the pod's
  Json container;    // of the pod's list
  pid_t pid = 0;     // the container's launcher
};
// `probe`: httpGet or exec; any other passes. Errors: it failed, in a kubelet's words.
Status RunProbe(const Json& probe, const ProbeTarget& target);

}  // namespace fairlead::lab
