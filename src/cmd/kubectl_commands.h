// The few kubectl commands that updating the CNI takes, for machines without kubectl, in kubectl's words and with its
// output.
#pragma once
#include "kube/config.h"

namespace fairlead::cmd {

struct KubectlOptions {
  std::string kubeconfig, context, ns, output, type = "strategic", patch, file, condition, timeout = "30s", container,
                                               tail;
  std::vector<std::string> args;
  bool all_namespaces = false, wait_delete = true;
};

enum class KubectlCommand { kGet, kPatch, kWait, kApply, kDelete, kLogs };

// Prints what kubectl prints. Errors are kubectl's.
Status RunKubectlCommand(KubectlCommand command, const kube::Config& config, const KubectlOptions& options);

// "30s", "5m", "1h".
Result<std::chrono::milliseconds> ParseDuration(const std::string& text);

}  // namespace fairlead::cmd
