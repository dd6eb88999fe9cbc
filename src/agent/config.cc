#include "agent/config.h"

#include "util/strings.h"

namespace fairlead::agent {
namespace {

std::string FlagToEnv(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return name;
}

// Settings that upstream has and that change nothing here; accepted so that charts and habits keep working.
constexpr const char* kAccepted[] = {"LOG_OUTPUT_LEVEL",
                                     "LOG_AS_JSON",
                                     "REPAIR_ENABLED",
                                     "REPAIR_DELETE_PODS",
                                     "REPAIR_LABEL_PODS",
                                     "CTRLZ_PORT",
                                     "KUBECONFIG_MODE",
                                     "CNI_CONF_GROUP_READ",
                                     "SKIP_TLS_VERIFY",
                                     "ZTUNNEL_UDS_ADDRESS",
                                     "KUBE_CA_FILE",
                                     "ISTIO_OWNED_CNI_CONFIG",
                                     "ISTIO_OWNED_CNI_CONFIG_FILENAME",
                                     "CNI_NETWORK_CONFIG",
                                     "LOG_LEVEL"};

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
  auto text = [&](const char* key, std::string& into) {
    if (auto it = settings.find(key); it != settings.end()) into = it->second;
  };
  auto flag = [&](const char* key, bool& into) -> Status {
    auto it = settings.find(key);
    if (it == settings.end() || it->second.empty()) return {};
    auto b = ParseBool(it->second);
    if (!b.ok()) return b.error().Wrap(key);
    into = *b;
    return {};
  };
  auto number = [&](const char* key, int& into) -> Status {
    auto it = settings.find(key);
    if (it == settings.end() || it->second.empty()) return {};
    auto n = ParseInt(it->second);
    if (!n.ok()) return n.error().Wrap(key);
    into = static_cast<int>(*n);
    return {};
  };
  for (const std::string& arg : args) {
    std::string key = FlagToEnv(arg.substr(2, arg.find('=') == arg.npos ? arg.npos : arg.find('=') - 2));
    static const std::vector<std::string> known = {
        "MOUNTED_CNI_NET_DIR", "MOUNTED_CNI_BIN_DIR", "PLUGIN_SOURCE",      "CNI_CONF_NAME", "CHAINED_CNI_PLUGIN",
        "CNI_AGENT_RUN_DIR",   "MOUNTED_NETNS_DIR",   "EXCLUDE_NAMESPACES", "POD_NAME",      "POD_NAMESPACE",
        "NODE_NAME",           "KUBECONFIG",          "MONITORING_PORT",    "HEALTH_PORT",   "AMBIENT_ENABLED"};
    bool ok = std::find(known.begin(), known.end(), key) != known.end() ||
              std::any_of(std::begin(kAccepted), std::end(kAccepted), [&](const char* k) { return key == k; });
    if (!ok) return MakeError(Code::kInvalid, "unknown flag " + arg.substr(0, arg.find('=')));
  }
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
  bool ambient = false;
  FL_TRY(flag("AMBIENT_ENABLED", ambient));
  if (ambient)
    return MakeError(Code::kUnsupported,
                     "AMBIENT_ENABLED=true: this agent does not serve ambient workloads yet; set "
                     "values.cni.ambient.enabled to false");
  if (c.node_name.empty())
    return MakeError(Code::kInvalid, "NODE_NAME is not set: the agent must know which node it serves");
  return c;
}

}  // namespace fairlead::agent
