// What decides about values and charts beside the resources: the cluster's version, what it serves, and its platform.
// Source of the behaviour: sail-operator pkg/config/platform.go.
#pragma once
#include <vector>

#include "kube/client.h"

namespace fairlead::mesh {

struct ClusterFacts {
  std::string kube_version;               // .Capabilities.KubeVersion
  std::vector<std::string> api_versions;  // .Capabilities.APIVersions
  std::string platform;                   // "openshift", or empty
};

// By discovery. Errors are the API server's: a guess would install for another platform.
Result<ClusterFacts> LookAtCluster(kube::Client& client);

}  // namespace fairlead::mesh
