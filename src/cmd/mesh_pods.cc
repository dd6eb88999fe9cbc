#include "cmd/mesh_pods.h"

#include "cmd/agent_facts.h"
#include "util/strings.h"

namespace fairlead::cmd {

using value::At;
using value::Str;

namespace {

// "" for a pod that is not in the mesh.
std::string ModeOf(const Json& pod) {
  if (value::Bool(pod, "spec", "hostNetwork")) return "";
  if (kube::HasAnnotation(pod, "sidecar.istio.io/status")) return "sidecar";
  bool asks = kube::Label(pod, "istio.io/dataplane-mode") == "ambient";
  return asks || kube::Annotation(pod, "ambient.istio.io/redirection") == "enabled" ? "ambient" : "";
}

}  // namespace

Result<MeshPods> ListMeshPods(const kube::Config& config, bool at_risk, Output output) {
  kube::Client client(config);
  FL_ASSIGN(Json cni, client.Get(kube::kIstioCnis, "", "default"));
  FL_ASSIGN(auto agents, ListAgents(client, cni));
  std::erase_if(agents, [](const Json& pod) { return Str(pod, "status", "phase") != "Running"; });
  std::map<std::string, AgentFacts> by_node;
  std::set<std::string> broken;
  for (AgentFacts& f : AskAgents(config, agents)) {
    broken.insert(f.broken.begin(), f.broken.end());
    // Of two agents on a node one answer is enough.
    auto [it, first] = by_node.emplace(f.node, f);
    if (!first && !it->second.problem.empty()) it->second = f;
  }
  FL_ASSIGN(auto pods, client.List(kube::kPods, "", {}));
  MeshPods out;
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"NAMESPACE", "NAME", "NODE", "MODE", "PHASE", "RULES"}};
  bool wide = output == Output::kWide;
  if (wide) rows[0].insert(rows[0].end(), {"IP", "AGENT", "UID"});
  for (const Json& pod : pods.items) {
    std::string mode = ModeOf(pod), node = Str(pod, "spec", "nodeName"), phase = Str(pod, "status", "phase");
    if (mode.empty() || phase == "Succeeded" || phase == "Failed") continue;
    auto agent = by_node.find(node);
    std::string rules = broken.contains(kube::Key(pod))  ? "missing"
                        : phase != "Running"             ? "not started"
                        : agent == by_node.end()         ? "unknown: no agent runs on the node"
                        : !agent->second.problem.empty() ? "unknown: the agent does not answer"
                                                         : "in place";
    bool fine = rules == "in place";
    if (!fine) ++out.at_risk;
    if (at_risk && fine) continue;
    list.push_back({{"namespace", kube::Namespace(pod)},
                    {"name", kube::Name(pod)},
                    {"node", node},
                    {"mode", mode},
                    {"phase", phase},
                    {"rules", rules}});
    rows.push_back({kube::Namespace(pod), kube::Name(pod), node, mode, phase, rules});
    if (wide)
      rows.back().insert(rows.back().end(), {Str(pod, "status", "podIP"),
                                             agent == by_node.end() ? "" : agent->second.pod, kube::Uid(pod)});
  }
  out.text = !IsTable(output)   ? Structured(list, output)
             : rows.size() == 1 ? (at_risk ? "no pod is at risk\n" : "no pod is in the mesh\n")
                                : AlignColumns(rows);
  return out;
}

}  // namespace fairlead::cmd
