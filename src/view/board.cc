#include "view/board.h"

#include "mesh/caches.h"
#include "mesh/rollout_plan.h"
#include "util/clock.h"
#include "util/strings.h"

namespace fairlead::view {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr size_t kListed = 50;  // of pods, of silent agents, of events

int64_t Seconds(const std::string& time) {
  auto t = ParseRfc3339(time);
  return t.ok() ? std::chrono::duration_cast<std::chrono::seconds>(t->time_since_epoch()).count() : 0;
}

Json FirstOf(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts)
    if (out.size() < kListed) out.push_back(text);
  return out;
}

std::string DrawCni(const Json& cni) {
  if (cni.is_null()) return "null";
  const Json& ready = kube::CurrentCondition(cni, "Ready");
  const Json& rollout = At(cni, "status", "rollout");
  bool fresh = !ready.is_null();
  return value::Dump({{"version", Str(cni, "spec", "version")},
                      {"namespace", Str(cni, "spec", "namespace")},
                      {"running", Str(cni, "status", "runningVersion")},
                      {"state", fresh ? Str(cni, "status", "state") : "Updating"},
                      {"ready", Str(ready, "status") == "True"},
                      {"reason", fresh ? Str(ready, "reason") : "NotLookedAt"},
                      {"message", fresh ? Str(ready, "message") : "the operator has not looked at the last change yet"},
                      {"desired", Int(rollout, "desired")},
                      {"updated", Int(rollout, "updated")},
                      {"readyNodes", Int(rollout, "ready")}});
}

std::string DrawPlanes(const std::vector<mesh::ControlPlane>& planes) {
  Json out = Json::array();
  for (const auto& p : planes)
    out.push_back({{"kind", p.kind},
                   {"name", p.name},
                   {"version", p.version},
                   {"next", p.next},
                   {"allowed", p.allowed},
                   {"message", p.message}});
  return value::Dump(out);
}

std::string DrawPods(const PodsReport& pods) {
  return value::Dump({{"asked", pods.asked},
                      {"agents", pods.agents},
                      {"count", pods.without.size()},
                      {"without", FirstOf(pods.without)},
                      {"silentCount", pods.silent.size()},
                      {"silent", FirstOf(pods.silent)}});
}

std::string DrawEvents(const std::vector<kube::ObjectPtr>& events) {
  Json out = Json::array();
  for (const auto& event : events) {
    if (out.size() == kListed) break;
    const Json& e = *event;
    out.push_back({{"at", Seconds(LastSeen(e))},
                   {"type", Str(e, "type")},
                   {"reason", Str(e, "reason")},
                   {"object", Str(e, "involvedObject", "kind") + "/" + Str(e, "involvedObject", "name")},
                   {"message", Str(e, "message")},
                   {"count", std::max<int64_t>(1, Int(e, "count"))}});
  }
  return value::Dump(out);
}

// One after another, so that a tile says the same whatever the order of a node's agents is.
struct OnNode {
  const Agent* serving = nullptr;   // of the present template and ready
  const Agent* old = nullptr;       // ready, of another template or ending
  const Agent* starting = nullptr;  // of the present template, not ready
  bool any = false;
};

NodeTile Tile(bool node_ready, const OnNode& on) {
  NodeTile tile;
  tile.covered = on.serving || on.old;
  const Agent* newest = on.serving ? on.serving : on.starting;
  const Agent* shown = on.serving ? on.serving : on.old ? on.old : on.starting;
  if (shown) tile.version = shown->pod.version;
  if (newest) {
    tile.created = newest->created;
    tile.started = newest->started;
    tile.ready = on.serving ? newest->ready : 0;
  }
  if (on.serving)
    tile.state = "serving";
  else if (on.starting && on.starting->pod.failing)
    tile.state = "failing";
  else if (on.starting)
    tile.state = "starting";
  else if (on.old)
    tile.state = "old";
  else
    tile.state = on.any ? "uncovered" : "none";
  if (tile.state == "failing") {
    const mesh::FailingNode& f = *on.starting->pod.failing;
    tile.detail = "pod " + f.pod + ": " + f.reason + (f.message.empty() ? "" : ": " + f.message);
  }
  if (!node_ready) {
    tile.state = "down";
    tile.detail = "the node is not ready" + (tile.detail.empty() ? "" : "; " + tile.detail);
  }
  return tile;
}

std::string PatchTo(const std::string& version) {
  return "kubectl patch istiocni default --type=merge -p '{\"spec\":{\"version\":\"" + version + "\"}}'";
}

}  // namespace

std::string LastSeen(const Json& event) {
  std::string at = Str(event, "lastTimestamp");
  return at.empty() ? Str(event, "eventTime") : at;
}

Agent ReadAgent(const Json& pod, const std::string& tmpl) {
  Agent agent{.pod = mesh::ReadAgentPod(pod, tmpl),
              .name = kube::Name(pod),
              .created = Seconds(Str(pod, "metadata", "creationTimestamp"))};
  agent.started = Seconds(Str(pod, mesh::kStarted));
  for (const Json& c : At(pod, "status", "containerStatuses"))
    agent.started = std::max(agent.started, Seconds(Str(c, "state", "running", "startedAt")));
  if (const Json& ready = kube::Condition(pod, "Ready"); Str(ready, "status") == "True")
    agent.ready = Seconds(Str(ready, "lastTransitionTime"));
  return agent;
}

NextAction NextSafeAction(const Seen& seen) {
  const Json& cni = seen.cni;
  if (cni.is_null())
    return {"There is no IstioCNI \"default\" yet. Make one from a file that names a version and a namespace.",
            "kubectl apply -f istiocni.yaml"};
  std::string ns = Str(cni, "spec", "namespace"), wanted = Str(cni, "spec", "version"),
              before = mesh::VersionBefore(cni);
  if (!seen.pods.without.empty())
    return {"Pods of the mesh are without working rules. See which, and start them again.",
            "kubectl fairlead pods --at-risk"};
  const Json& ready = kube::CurrentCondition(cni, "Ready");
  std::string reason = Str(ready, "reason");
  if (Str(ready, "status") == "True") {
    for (const auto& p : seen.planes)
      if (!p.allowed) return {p.kind + " " + p.name + ": " + p.message, "kubectl fairlead versions"};
    if (!seen.newest.empty())
      return {"Every node runs " + wanted + ". Version " + seen.newest + " fits every control plane as well.",
              PatchTo(seen.newest)};
    return {"Nothing is to be done: every node runs " + wanted + ".", ""};
  }
  if (reason == "RolledBack") return {Str(ready, "message"), "kubectl describe istiocni default"};
  for (const Agent& a : seen.agents)
    if (a.pod.current && a.pod.failing)
      return {"The new agent on node " + a.pod.node + " does not start (" + a.pod.failing->reason +
                  "). No other node is touched while it fails. See its log" +
                  (before.empty() ? "." : ", or go back with: " + PatchTo(before)),
              "kubectl logs -n " + ns + " " + a.name + " --all-containers"};
  bool going = ready.is_null() || reason == "Updating" || reason == "DaemonSetNotReady";
  if (Str(kube::CurrentCondition(cni, "Progressing"), "reason") == "ProgressDeadlineExceeded")
    return {"The update stands still. The other nodes keep their agents. See why" +
                (before.empty() ? std::string(".") : ", or go back with: " + PatchTo(before)),
            "kubectl describe istiocni default"};
  if (going)
    return {"The update goes on by itself. Wait for it.",
            "kubectl wait --for=condition=Ready istiocnis/default --timeout=5m"};
  return {"Version " + wanted + " is not installed: " + Str(ready, "message"), "kubectl describe istiocni default"};
}

Board Draw(const Seen& seen) {
  Board board;
  NextAction next = NextSafeAction(seen);
  board.sections = {{"cni", DrawCni(seen.cni)},
                    {"planes", DrawPlanes(seen.planes)},
                    {"pods", DrawPods(seen.pods)},
                    {"events", DrawEvents(seen.events)},
                    {"next", value::Dump({{"text", next.text}, {"command", next.command}})}};
  std::map<std::string_view, OnNode> by_node;
  for (const Agent& a : seen.agents) {
    if (a.pod.node.empty()) continue;
    OnNode& on = by_node[a.pod.node];
    on.any = true;
    if (a.pod.current && a.pod.ready)
      on.serving = &a;
    else if (a.pod.serves)
      on.old = &a;
    else if (a.pod.current && !a.pod.deleting && !a.pod.ended)
      on.starting = &a;
  }
  for (const auto& [name, ready] : seen.nodes) {
    auto on = by_node.find(name);
    board.nodes[name] = Tile(ready, on == by_node.end() ? OnNode{} : on->second);
  }
  return board;
}

}  // namespace fairlead::view
