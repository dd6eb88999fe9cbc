// /healthz, /readyz and /metrics of a program.
#pragma once
#include <functional>
#include <memory>

#include "controller/metrics.h"
#include "http/server.h"

namespace fairlead::controller {

// Serves `metrics` (may be null) and readiness on host:port. `not_ready` returns why the program is not ready, or "".
Result<std::unique_ptr<http::Server>> ServeHealth(const std::string& host, uint16_t port, Metrics* metrics,
                                                  std::function<std::string()> not_ready);

}  // namespace fairlead::controller
