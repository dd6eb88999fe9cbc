// What the agents know of their nodes, read from their metrics by way of the API server, as an administrator may.
#pragma once
#include "kube/client.h"

namespace fairlead::cmd {

struct AgentFacts {
  std::string node, pod;
  std::string problem;  // why it could not be asked; the rest is empty then
  std::string primary_cni;
  std::vector<std::string> read_only;  // of the node's CNI directories: bin, conf
  std::vector<std::string> broken;     // "namespace/pod" of those that have no working rules
  int64_t broken_pods = 0, unreachable_pods = 0;
};

// The pods of the CNI's DaemonSet.
Result<std::vector<Json>> ListAgents(kube::Client& client, const Json& cni);
// Asks each of these pods, some at a time.
std::vector<AgentFacts> AskAgents(const kube::Config& config, const std::vector<Json>& agents);
// One agent's metrics, in Prometheus' text format.
AgentFacts ReadMetrics(const std::string& text);

}  // namespace fairlead::cmd
