// `fairlead preflight`, `history` and `rollback`: about updates of the CNI, before and after.
#pragma once
#include "kube/client.h"

namespace fairlead::cmd {

struct Finding {
  std::string check, result;  // result: ok, warning, failed
  std::string detail;
};

// What would happen if the CNI were updated to `version`. Changes nothing.
Result<std::vector<Finding>> Preflight(const kube::Config& config, const std::string& version);
// As a table, or as JSON.
std::string Text(const std::vector<Finding>& findings, bool json);
bool HasFailed(const std::vector<Finding>& findings);

// The versions that were installed everywhere, newest first.
Result<std::string> History(kube::Api& api, bool json);
// Asks for `to`, or for the last version before the present one; what was done, as a line.
// Errors: kNotFound when there is none.
Result<std::string> Rollback(kube::Api& api, const std::string& to);

}  // namespace fairlead::cmd
