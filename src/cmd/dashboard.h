// `fairlead dashboard`: the live view from a laptop, with what its user may see.
#pragma once
#include "kube/config.h"

namespace fairlead::cmd {

// Serves the view on a loopback address until it is stopped, and prints where. `port` 0: any free one.
// Errors: what the API server says of a resource that the user may not list.
Status ShowDashboard(const kube::Config& config, uint16_t port, const std::stop_token& stop);

}  // namespace fairlead::cmd
