// Keeps the plugin's binary and configuration on the node: puts them there by rename, notices when something changes or
// removes them, and puts them right again. Never removes anything unless told that this is an uninstall.
//
// Threading: Install, Repair and Uninstall are called from one thread at a time. Failure: the node keeps what it had.
#pragma once
#include "agent/config.h"
#include "controller/metrics.h"
#include "util/fd.h"

namespace fairlead::agent {

class Installer {
 public:
  Installer(const Config& config, controller::Metrics& metrics) : config_(config), metrics_(metrics) {}
  // Makes the node's files so. kNotFound: there is no primary CNI configuration yet. Writes only what differs.
  Status Install();
  // Install, and again whenever the directories change (or every 10 s), until stop. `on_state` hears "" or what is
  // wrong.
  void Keep(const std::function<void(const std::string& problem)>& on_state, std::stop_token stop);
  // Takes the plugin out of the node's CNI configuration. The binary stays for the pods that were started with it.
  Status Uninstall();

 private:
  Status InstallBinary();
  Status InstallConfig();
  Status InstallOwned(const std::string& primary, const std::string& wanted);
  Result<std::string> PrimaryConfig() const;
  // What an update would meet on this node, as metrics.
  void TellAboutNode();

  const Config& config_;
  controller::Metrics& metrics_;
  std::string primary_;  // the last type told
};

}  // namespace fairlead::agent
