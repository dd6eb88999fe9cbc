#include "cmd/agent_facts.h"

#include <thread>

#include "mesh/caches.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

constexpr int kAtOnce = 16;
constexpr std::chrono::milliseconds kPatience(5000);

// The value of a label in "name{a=\"b\"} 1".
std::string LabelIn(const std::string& line, const std::string& label) {
  size_t at = line.find(label + "=\"");
  if (at == line.npos) return "";
  at += label.size() + 2;
  return line.substr(at, line.find('"', at) - at);
}

}  // namespace

AgentFacts ReadMetrics(const std::string& text) {
  AgentFacts facts;
  for (const std::string& line : SplitNonEmpty(text, '\n')) {
    auto is = [&](const char* name) {
      size_t size = strlen(name);
      return line.starts_with(name) && line.size() > size && (line[size] == '{' || line[size] == ' ');
    };
    double value = strtod(line.substr(line.rfind(' ') + 1).c_str(), nullptr);
    if (is("fairlead_agent_primary_cni") && value == 1) facts.primary_cni = LabelIn(line, "type");
    if (is("fairlead_agent_cni_directory_writable") && value == 0)
      facts.read_only.push_back(LabelIn(line, "directory"));
    if (is("fairlead_agent_broken_pod") && value == 1)
      facts.broken.push_back(LabelIn(line, "namespace") + "/" + LabelIn(line, "pod"));
    if (is("fairlead_agent_broken_pods")) facts.broken_pods = static_cast<int64_t>(value);
    if (is("fairlead_agent_pods") && LabelIn(line, "state") == "unreachable")
      facts.unreachable_pods = static_cast<int64_t>(value);
  }
  return facts;
}

Result<std::vector<Json>> ListAgents(kube::Client& client, const Json& cni) {
  FL_ASSIGN(auto pods,
            client.List(kube::kPods, value::Str(cni, "spec", "namespace"), {.label_selector = mesh::kCniAgents}));
  return std::move(pods.items);
}

std::vector<AgentFacts> AskAgents(const kube::Config& config, const std::vector<Json>& agents) {
  std::vector<AgentFacts> out(agents.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    kube::Client client(config);
    for (size_t i; (i = next++) < agents.size();) {
      const Json& pod = agents[i];
      std::string path = kube::kPods.Path(kube::Namespace(pod), kube::Name(pod) + ":15014") + "/proxy/metrics";
      auto answer = client.Raw({.target = path, .timeout = kPatience});
      if (answer.ok()) out[i] = ReadMetrics(answer->body);
      out[i].node = value::Str(pod, "spec", "nodeName");
      out[i].pod = kube::Name(pod);
      if (!answer.ok()) out[i].problem = answer.error().message;
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < std::min<int>(kAtOnce, static_cast<int>(agents.size())); ++i) threads.emplace_back(work);
  threads.clear();
  return out;
}

}  // namespace fairlead::cmd
