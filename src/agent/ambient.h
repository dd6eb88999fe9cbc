// What the node's ambient mode is made of; a sidecar-only agent has none of it.
#pragma once
#include "agent/config.h"
#include "agent/ztunnel_server.h"
#include "kube/informer.h"
#include "redirect/host_probes.h"

namespace fairlead::agent {

struct Ambient {
  const redirect::AmbientSettings& settings;
  kube::Informer& namespaces;
  ZtunnelServer& ztunnel;
  redirect::HostProbes& probes;
};

}  // namespace fairlead::agent
