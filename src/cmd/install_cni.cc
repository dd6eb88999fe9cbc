// The node agent: the container of the DaemonSet istio-cni-node.
#include "agent/agent.h"
#include "cmd/limits.h"
#include "cmd/node_report.h"
#include "cmd/signals.h"
#include "cmd/version.h"
#include "kube/client.h"
#include "util/strings.h"

extern char** environ;

namespace {

using namespace fairlead;

// kubectl exec -n istio-cni POD -- install-cni node
int ShowNode(const std::vector<std::string>& args) {
  const bool json = args == std::vector<std::string>{"--json"};
  if (!args.empty() && !json) {
    fprintf(stderr, "Error: install-cni node takes --json, or nothing; it was given \"%s\"\n", Join(args, " ").c_str());
    return 1;
  }
  const char* run_dir = getenv("CNI_AGENT_RUN_DIR");
  auto answer = cmd::AskAgent(run_dir ? run_dir : agent::Config().run_dir);
  if (!answer.ok()) {
    fprintf(stderr, "Error: %s\n", answer.error().message.c_str());
    return 1;
  }
  fputs((json ? value::DumpPretty(*answer) + "\n" : cmd::NodeTable(*answer)).c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  cmd::KeepMemorySmall();
  cmd::AllowManyDescriptors();
  std::map<std::string, std::string> env;
  for (char** e = environ; *e; ++e)
    if (const char* eq = strchr(*e, '=')) env[std::string(*e, static_cast<size_t>(eq - *e))] = eq + 1;
  std::vector<std::string> args(argv + 1, argv + argc);
  if (args == std::vector<std::string>{"--version"}) {
    printf("install-cni %s\n", cmd::kComponentVersion);
    return 0;
  }
  if (!args.empty() && args[0] == "node") return ShowNode({args.begin() + 1, args.end()});
  auto fail = [](const Error& e) {
    Log(Level::kError, "install-cni cannot run", {{"error", e.message}});
    return 1;
  };
  auto config = agent::LoadConfig(args, env);
  if (!config.ok()) return fail(config.error());
  config->version = cmd::kComponentVersion;
  ConfigureLog(config->log_level, config->log_as_json);
  cmd::StopOnSignals signals;
  auto kube_config = kube::LoadConfig(config->kubeconfig);
  if (!kube_config.ok()) return fail(kube_config.error());
  kube_config->http.user_agent = std::string("install-cni/") + cmd::kComponentVersion;
  controller::Metrics metrics;
  controller::CountRequests(*kube_config, metrics);
  kube::Client client(*kube_config);
  if (Status s = agent::RunAgent(*config, client, metrics, signals.token()); !s.ok()) return fail(s.error());
  return 0;
}
