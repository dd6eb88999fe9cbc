// `fairlead lab up|down|load|fault`: the embedded cluster, to try things on.
#pragma once
#include <stop_token>

#include "kube/client.h"

namespace fairlead::cmd {

struct LabOptions {
  std::string state_dir = "/var/lib/fairlead-lab";  // where it keeps its kubeconfig and its process number
  int nodes = 3, simulated_nodes = 0;
  int port = 0;  // of the API server; 0: a free one
};

// Starts fairlead-lab, which is expected beside this program, in the background; the answer is what it prints.
// Errors: kAlreadyExists where one runs with that directory; what fairlead-lab says.
Result<std::string> LabUp(const LabOptions& options);
// Ends it and waits until nothing is left of it. kNotFound: none runs with that directory.
Result<std::string> LabDown(const std::string& state_dir);

// A server and a client of the mesh on every node; prints the clients' counts each second until `stop`, and takes the
// pods away.
Status LabLoad(const kube::Config& config, const std::stop_token& stop);

// What can be broken: agent (of a node), operator, api (for some seconds). The answer says what was done.
Result<std::string> LabFault(const kube::Config& config, const std::string& what, const std::string& node, int seconds);

}  // namespace fairlead::cmd
