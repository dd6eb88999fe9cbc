// `fairlead update`, `status` and `versions`.
#pragma once
#include <stop_token>

#include "cmd/output.h"
#include "kube/client.h"

namespace fairlead::cmd {

// What a script can tell apart; docs/cli.md lists them.
enum ExitStatus { kDone = 0, kFailed = 1, kRefused = 2, kNotComplete = 3, kInterrupted = 130 };

struct UpdateOptions {
  std::string version;   // "": the newest that fits the control planes
  bool dry_run = false;  // preflight only
  bool wait = true;
  std::chrono::milliseconds timeout{0};  // of the wait; 0: none
};

// Preflight, the patch, and the update as it goes on, until it is complete, cannot go on, or `stop`: then it goes on
// without being looked at.
Result<ExitStatus> RunUpdate(const kube::Config& config, const UpdateOptions& options, const std::stop_token& stop);

// What runs: the CNI and its nodes, control planes, what is wrong and what can be done. Exit status 3 when something
// is.
Result<ExitStatus> ShowStatus(const kube::Config& config, Output output);

// Versions that can be installed, newest first, and which of them fit the control planes.
Result<ExitStatus> ShowVersions(const kube::Config& config, Output output);

}  // namespace fairlead::cmd
