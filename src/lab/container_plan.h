// What a container of the lab is started with, from its pod: environment, volumes, image, user, token.
#pragma once
#include "lab/auth.h"
#include "lab/launcher.h"
#include "lab/local_api.h"
#include "lab/node.h"

namespace fairlead::lab {

struct PodOnNode {
  const NodeConfig& config;
  int node_pid;
  LocalApi& api;
  TokenAuthority& tokens;
  Json pod;
  std::string ip;          // "" until the sandbox is there
  std::string netns_path;  // in the node; "": the node's own
};

// `container` of the pod's list. Errors: in a kubelet's words, for an Event and the container's status.
Result<ContainerSpec> PlanContainer(const PodOnNode& on, const Json& container);

// Whether the pod's containers get the token of its account.
bool HasToken(const PodOnNode& on);
// Writes a new one where they see it: into the node's memory.
Status WriteToken(const PodOnNode& on);

}  // namespace fairlead::lab
