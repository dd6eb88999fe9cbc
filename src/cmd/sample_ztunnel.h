// A ztunnel for tests and for the lab: takes pods from the node agent as istio's does, redirects in their namespaces,
// and speaks with its like on port 15008 without encryption.
#pragma once
#include <stop_token>
#include <string>

namespace fairlead::sample {

int RunZtunnel(const std::string& socket, const std::stop_token& stop);

}  // namespace fairlead::sample
