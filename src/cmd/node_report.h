// What the agent of this node knows, for a person who is on the node or in the agent's container: `fairlead node`,
// `install-cni node`.
#pragma once
#include <string>

#include "util/result.h"

namespace fairlead::cmd {

// Asks the agent on <run_dir>/pluginevent.sock. kUnavailable or kNotFound: no agent serves this node.
Result<std::string> NodeReport(const std::string& run_dir, bool json);

}  // namespace fairlead::cmd
