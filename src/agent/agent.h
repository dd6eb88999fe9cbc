// The node agent: puts its parts together, takes the node over from an agent that runs, serves the plugin, and hands
// over.
#pragma once
#include "agent/config.h"
#include "controller/metrics.h"
#include "kube/api.h"

namespace fairlead::agent {

// Runs until stop is requested. An error is one that the agent cannot serve with.
Status RunAgent(const Config& config, kube::Api& api, controller::Metrics& metrics, std::stop_token stop);

}  // namespace fairlead::agent
