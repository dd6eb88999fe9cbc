#include "agent/config.h"

#include <set>

#include "kernel/netns.h"
#include "util/strings.h"

namespace fairlead::agent {
namespace {

std::string FlagToEnv(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return name;
}

// Settings that istio-cni has and that change nothing here; accepted so that charts and habits keep working. The agent
// keeps no kubeconfig on the node, compares rules at every start, and asks in every doubt.
constexpr const char* kAccepted[] = {
    "CTRLZ_PORT",       "KUBECONFIG_MODE",      "CNI_CONF_GROUP_READ",
    "SKIP_TLS_VERIFY",  "KUBE_CA_FILE",         "CNI_NETWORK_CONFIG",
    "LOG_LEVEL",        "LOG_TARGET",           "CNI_NETWORK_CONFIG_FILE",
    "REPAIR_NODE_NAME", "REPAIR_RUN_AS_DAEMON", "ENABLE_AMBIENT_DETECTION_RETRY",
    "LOG_OUTPUT_LEVEL", "LOG_AS_JSON",          "AMBIENT_RECONCILE_POD_RULES_ON_STARTUP"};

}  // namespace

Result<Config> LoadConfig(const std::vector<std::string>& args, const std::map<std::string, std::string>& env) {
  Config c;
  std::map<std::string, std::string> settings = env;
  for (const std::string& arg : args) {
    size_t eq = arg.find('=');
    if (!arg.starts_with("--"))
      return MakeError(Code::kInvalid, "unexpected argument \"" + arg + "\"; flags are written --name=value");
    settings[FlagToEnv(arg.substr(2, eq == arg.npos ? arg.npos : eq - 2))] =
        eq == arg.npos ? "true" : arg.substr(eq + 1);
  }
  std::set<std::string> known(std::begin(kAccepted), std::end(kAccepted));
  auto text = [&](const char* key, std::string& into) {
    known.insert(key);
    if (auto it = settings.find(key); it != settings.end()) into = it->second;
  };
  auto flag = [&](const char* key, bool& into) -> Status {
    known.insert(key);
    auto it = settings.find(key);
    if (it == settings.end() || it->second.empty()) return {};
    auto b = ParseBool(it->second);
    if (!b.ok()) return b.error().Wrap(key);
    into = *b;
    return {};
  };
  auto number = [&](const char* key, int& into) -> Status {
    known.insert(key);
    auto it = settings.find(key);
    if (it == settings.end() || it->second.empty()) return {};
    auto n = ParseInt(it->second);
    if (!n.ok()) return n.error().Wrap(key);
    into = static_cast<int>(*n);
    return {};
  };
  text("MOUNTED_CNI_NET_DIR", c.net_dir);
  text("MOUNTED_CNI_BIN_DIR", c.bin_dir);
  text("PLUGIN_SOURCE", c.plugin_source);
  text("CNI_CONF_NAME", c.conf_name);
  text("CNI_AGENT_RUN_DIR", c.run_dir);
  text("MOUNTED_NETNS_DIR", c.netns_dir);
  text("POD_NAME", c.pod_name);
  text("POD_NAMESPACE", c.pod_namespace);
  text("KUBERNETES_NODE_NAME", c.node_name);
  text("NODE_NAME", c.node_name);
  text("KUBECONFIG", c.kubeconfig);
  std::string excluded, level;
  text("EXCLUDE_NAMESPACES", excluded);
  c.exclude_namespaces = SplitNonEmpty(excluded, ',');
  text("LOG_OUTPUT_LEVEL", level);
  c.log_level = ParseLevel(level);
  FL_TRY(flag("CHAINED_CNI_PLUGIN", c.chained));
  FL_TRY(flag("LOG_AS_JSON", c.log_as_json));
  FL_TRY(number("MONITORING_PORT", c.monitoring_port));
  FL_TRY(number("HEALTH_PORT", c.health_port));
  FL_TRY(flag("NATIVE_NFTABLES", c.native_nftables));
  text("FORCE_IPTABLES_BINARY", c.force_iptables);
  if (!c.force_iptables.empty() && c.force_iptables != "legacy" && c.force_iptables != "nft")
    return MakeError(Code::kInvalid, "FORCE_IPTABLES_BINARY: \"" + c.force_iptables + "\" is neither legacy nor nft");
  FL_TRY(flag("ISTIO_OWNED_CNI_CONFIG", c.owned_config));
  text("ISTIO_OWNED_CNI_CONF_FILENAME", c.owned_config_name);  // as istio's chart spells it
  text("ISTIO_OWNED_CNI_CONFIG_FILENAME", c.owned_config_name);
  if (c.owned_config_name.empty()) c.owned_config_name = Config().owned_config_name;
  if (c.owned_config_name.find('/') != c.owned_config_name.npos || !c.owned_config_name.ends_with(".conflist"))
    return MakeError(Code::kInvalid, "ISTIO_OWNED_CNI_CONFIG_FILENAME: \"" + c.owned_config_name +
                                         "\" is not the name of a .conflist file");
  bool switch_to_host = false;
  FL_TRY(flag("ALLOW_SWITCH_TO_HOST_NS", switch_to_host));
  if (switch_to_host) c.host_netns = "/host/proc/1/ns/net";

  for (auto [key, groups] : {std::pair{"ISTIO_OUTBOUND_OWNER_GROUPS", &c.sidecar.owner_groups_include},
                             {"ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", &c.sidecar.owner_groups_exclude}}) {
    std::string list;
    text(key, list);
    if (list == "*") continue;  // all of them, which is the default
    for (const std::string& group : SplitNonEmpty(list, ',')) {
      auto id = ParseInt(group);
      if (!id.ok() || *id < 0 || *id > UINT32_MAX)
        return MakeError(Code::kInvalid, std::string(key) + ": \"" + group + "\" is not a group's number");
      groups->push_back(static_cast<uint32_t>(*id));
    }
  }
  text("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", c.sidecar.loopback_cidr);
  if (!kernel::IsCidr(c.sidecar.loopback_cidr) || c.sidecar.loopback_cidr.find(':') != std::string::npos)
    return MakeError(Code::kInvalid, "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: \"" + c.sidecar.loopback_cidr +
                                         "\" is not an IPv4 address range");

  AmbientConfig& ambient = c.ambient;
  FL_TRY(flag("AMBIENT_ENABLED", ambient.enabled));
  FL_TRY(flag("AMBIENT_DNS_CAPTURE", ambient.settings.dns_capture));
  FL_TRY(flag("AMBIENT_IPV6", ambient.settings.ipv6));
  text("ZTUNNEL_UDS_ADDRESS", ambient.ztunnel_socket);
  text("HOST_PROBE_SNAT_IP", ambient.settings.probe_address);
  text("HOST_PROBE_SNAT_IPV6", ambient.settings.probe_address6);
  for (const std::string& address : {ambient.settings.probe_address, ambient.settings.probe_address6})
    if (!kernel::IsAddress(address))
      return MakeError(Code::kInvalid,
                       "HOST_PROBE_SNAT_IP or HOST_PROBE_SNAT_IPV6: \"" + address + "\" is not an address");
  std::string selectors;
  text("AMBIENT_ENABLEMENT_SELECTOR", selectors);
  FL_ASSIGN(ambient.settings.selectors, redirect::ParseEnablementSelectors(selectors));

  RepairConfig& repair = c.repair;
  FL_TRY(flag("REPAIR_ENABLED", repair.enabled));
  FL_TRY(flag("REPAIR_REPAIR_PODS", repair.repair_pods));
  FL_TRY(flag("REPAIR_DELETE_PODS", repair.delete_pods));
  FL_TRY(flag("REPAIR_LABEL_PODS", repair.label_pods));
  text("REPAIR_BROKEN_POD_LABEL_KEY", repair.label_key);
  text("REPAIR_BROKEN_POD_LABEL_VALUE", repair.label_value);
  text("REPAIR_SIDECAR_ANNOTATION", repair.sidecar_annotation);
  text("REPAIR_INIT_CONTAINER_NAME", repair.init_container);
  FL_TRY(number("REPAIR_INIT_CONTAINER_EXIT_CODE", repair.exit_code));
  text("REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE", repair.exit_message);
  text("REPAIR_LABEL_SELECTORS", repair.label_selector);
  text("REPAIR_FIELD_SELECTORS", repair.field_selector);
  for (const std::string& arg : args) {
    std::string name = arg.substr(0, arg.find('='));
    if (!known.contains(FlagToEnv(name.substr(2)))) return MakeError(Code::kInvalid, "unknown flag " + name);
  }
  if (c.node_name.empty())
    return MakeError(Code::kInvalid, "NODE_NAME is not set: the agent must know which node it serves");
  return c;
}

}  // namespace fairlead::agent
