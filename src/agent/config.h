// The agent's settings. Names of flags and environment variables are those of istio-cni's install-cni
// (cni/pkg/cmd/root.go); the environment wins over the default, a flag over both.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "redirect/ambient.h"
#include "redirect/sidecar.h"
#include "util/log.h"
#include "util/result.h"

namespace fairlead::agent {

// What is done about a mesh pod that runs without its rules.
struct RepairConfig {
  bool enabled = true;       // REPAIR_ENABLED
  bool repair_pods = true;   // REPAIR_REPAIR_PODS: programs the rules in place; goes before the other two
  bool delete_pods = false;  // REPAIR_DELETE_PODS
  bool label_pods = false;   // REPAIR_LABEL_PODS
  std::string label_key = "cni.istio.io/uninitialized", label_value = "true";  // REPAIR_BROKEN_POD_LABEL_KEY, _VALUE
  std::string sidecar_annotation = "sidecar.istio.io/status";                  // REPAIR_SIDECAR_ANNOTATION
  std::string init_container = "istio-validation";                             // REPAIR_INIT_CONTAINER_NAME
  int exit_code = 126;                         // REPAIR_INIT_CONTAINER_EXIT_CODE; 0: any
  std::string exit_message;                    // REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE; "": any
  std::string label_selector, field_selector;  // REPAIR_LABEL_SELECTORS, REPAIR_FIELD_SELECTORS
};

struct AmbientConfig {
  bool enabled = false;  // AMBIENT_ENABLED
  redirect::AmbientSettings
      settings;  // AMBIENT_ENABLEMENT_SELECTOR, AMBIENT_DNS_CAPTURE, AMBIENT_IPV6, HOST_PROBE_SNAT_IP, _IPV6
  std::string ztunnel_socket = "/var/run/ztunnel/ztunnel.sock";  // ZTUNNEL_UDS_ADDRESS
};

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
  // Where the host's network namespace is: /host/proc/1/ns/net with ALLOW_SWITCH_TO_HOST_NS=true, otherwise this
  // process is in it.
  std::string host_netns = "/proc/self/ns/net";
  bool native_nftables = true;  // NATIVE_NFTABLES
  std::string force_iptables;   // FORCE_IPTABLES_BINARY: legacy or nft
  bool owned_config = false;  // ISTIO_OWNED_CNI_CONFIG: a configuration of our own that sorts first, beside the primary
  std::string owned_config_name = "02-istio-cni.conflist";  // ISTIO_OWNED_CNI_CONFIG_FILENAME
  redirect::SidecarConfig sidecar;  // ISTIO_OUTBOUND_OWNER_GROUPS, _EXCLUDE, ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR
  AmbientConfig ambient;
  RepairConfig repair;
  int monitoring_port = 15014;  // MONITORING_PORT; <= 0: off
  int health_port = 8000;
  Level log_level = Level::kInfo;
  bool log_as_json = false;
};

// Unknown flags are errors that name the flag; so are values that do not parse, and modes that this build lacks.
Result<Config> LoadConfig(const std::vector<std::string>& args, const std::map<std::string, std::string>& env);

}  // namespace fairlead::agent
