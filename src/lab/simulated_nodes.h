// Nodes that are objects only, for clusters of thousands: a pod that is bound to one is ready a moment later, and gone
// a moment after it is deleted. Nothing runs.
#pragma once
#include <thread>

#include "lab/local_api.h"

namespace fairlead::lab {

class SimulatedNodes {
 public:
  // Registers simulated-00001 and so on. One thread keeps their pods, until destroyed.
  SimulatedNodes(LocalApi& api, int count);

 private:
  void Loop(const std::stop_token& stop);
  void Keep(const Json& pod);
  LocalApi& api_;
  std::jthread thread_;
};

}  // namespace fairlead::lab
