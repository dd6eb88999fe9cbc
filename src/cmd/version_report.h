// `fairlead version`: what runs here and in the cluster.
#pragma once
#include "cmd/output.h"
#include "kube/client.h"

namespace fairlead::cmd {

// Of the command line alone.
std::string ClientVersion(Output output);
// Of the API server, the operator, the CNI's agents and the control planes, too. What is not installed is left out.
// Errors: the cluster's.
Result<std::string> Versions(const kube::Config& config, Output output);

}  // namespace fairlead::cmd
