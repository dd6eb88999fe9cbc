// What the agent of this node knows, for a person who is on the node or in the agent's container: `fairlead node`,
// `install-cni node`.
#pragma once
#include <string>

#include "value/json.h"

namespace fairlead::cmd {

// Asks the agent on <run_dir>/pluginevent.sock. kUnavailable or kNotFound: no agent serves this node.
Result<Json> AskAgent(const std::string& run_dir);
// Its answer for a person. `wide`: with the pods' UIDs.
std::string NodeTable(const Json& answer, bool wide = false);

}  // namespace fairlead::cmd
