// `fairlead preflight`, `history` and `rollback`: about updates of the CNI, before and after.
#pragma once
#include "cmd/output.h"
#include "kube/client.h"

namespace fairlead::cmd {

struct Finding {
  std::string check, result;  // result: ok, warning, failed
  std::string detail;
};

// What would happen if the CNI were updated to `version`. Changes nothing.
Result<std::vector<Finding>> Preflight(const kube::Config& config, const std::string& version);
std::string Text(const std::vector<Finding>& findings, Output output);
bool HasFailed(const std::vector<Finding>& findings);

// The versions that were installed everywhere, newest first.
Result<std::string> History(kube::Api& api, Output output);
// Asks for `to`, or for the last version before the present one; what was done, as a line.
// Errors: kNotFound when there is none.
Result<std::string> Rollback(kube::Api& api, const std::string& to);

}  // namespace fairlead::cmd
