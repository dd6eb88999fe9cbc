// The agent's settings. Names of flags and environment variables are those of istio-cni's install-cni
// (cni/pkg/cmd/root.go); the environment wins over the default, a flag over both.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "util/log.h"
#include "util/result.h"

namespace fairlead::agent {

struct Config {
  std::string version;                          // of this build
  std::string net_dir = "/host/etc/cni/net.d";  // MOUNTED_CNI_NET_DIR
  std::string bin_dir = "/host/opt/cni/bin";
  std::string plugin_source = "/opt/cni/bin/istio-cni";  // in the image
  std::string conf_name;                                 // CNI_CONF_NAME
  bool chained = true;                                   // CHAINED_CNI_PLUGIN
  std::string run_dir = "/var/run/istio-cni";            // CNI_AGENT_RUN_DIR
  std::string netns_dir = "/host/var/run/netns";         // where the runtime's /var/run/netns is mounted
  std::vector<std::string> exclude_namespaces;           // EXCLUDE_NAMESPACES
  std::string pod_name, pod_namespace, node_name;        // POD_NAME, POD_NAMESPACE, NODE_NAME
  std::string kubeconfig;                                // --kubeconfig, for use outside a cluster
  int monitoring_port = 15014;                           // MONITORING_PORT; <= 0: off
  int health_port = 8000;
  Level log_level = Level::kInfo;
  bool log_as_json = false;
};

// Unknown flags are errors that name the flag; so are values that do not parse, and modes that this build lacks.
Result<Config> LoadConfig(const std::vector<std::string>& args, const std::map<std::string, std::string>& env);

}  // namespace fairlead::agent
