// Which program writes new pods' rules on this node, chosen as istio-cni chooses: nftables when NATIVE_NFTABLES says
// so, otherwise one of the two iptables; the legacy one where the host has rules in it already.
#pragma once
#include "agent/config.h"
#include "redirect/backend.h"

namespace fairlead::agent {

// Says in the log what was chosen and why. `host_netns` may be -1: the calling thread's namespace is looked at.
redirect::BackendKind ChooseBackend(const Config& config, int host_netns);

}  // namespace fairlead::agent
