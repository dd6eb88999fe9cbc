// The network between the nodes: a namespace with a bridge, one veth a node, routes to each node's pods, and the
// address of the kubernetes Service.
#pragma once
#include "lab/node.h"

namespace fairlead::lab {

class Fabric {
 public:
  static Result<std::unique_ptr<Fabric>> Create();
  // Connects a node's eth0 with its address.
  Status Connect(const Node& node);
  // A TCP listener on 10.96.0.1:443, which every pod reaches.
  Result<UniqueFd> ListenForPods() const;
  // Runs `work` where every pod's address can be reached.
  Status Run(const std::function<Status()>& work) const;

 private:
  UniqueFd netns_;
  int connected_ = 0;
};

}  // namespace fairlead::lab
