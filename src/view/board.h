// What the live view shows, drawn from what the cluster shows. Pure.
#pragma once
#include <map>

#include "kube/informer.h"
#include "mesh/readiness.h"
#include "mesh/skew.h"

namespace fairlead::view {

// What is read of one agent's pod.
struct Agent {
  mesh::AgentPod pod;
  std::string name;
  int64_t created = 0, started = 0, ready = 0;  // Unix seconds; 0: not yet
};
// `tmpl` as in mesh::ReadAgentPod.
Agent ReadAgent(const Json& pod, const std::string& tmpl);

// What is known about pods of the mesh without working rules. There must be none.
struct PodsReport {
  bool asked = false;                // the agents themselves were asked; otherwise what they told by Events
  int64_t agents = 0;                // that were asked
  std::vector<std::string> without;  // "namespace/pod", or what an agent told
  std::vector<std::string> silent;   // "node: why" of agents that gave no answer
};

// When an Event was seen last: Kubernetes' text.
std::string LastSeen(const Json& event);

struct Seen {
  Json cni;                                // null: there is none
  std::vector<mesh::ControlPlane> planes;  // judged
  std::string newest;                      // another version that every control plane can be served with; "": none
  std::vector<Agent> agents;               // of the DaemonSet
  std::vector<std::pair<std::string, bool>> nodes;  // name; whether the node is ready
  std::vector<kube::ObjectPtr> events;              // newest first
  PodsReport pods;
};

struct NodeTile {
  // serving: by an agent of the present template; old: by one of another; starting, failing: the new one does; down:
  // the node is not ready; uncovered: there are agents, none serves; none: no agent is there.
  std::string state;
  bool covered = false;  // some agent serves
  std::string version;   // of the agent that serves, else of the one that is about to
  std::string detail;
  int64_t created = 0, started = 0, ready = 0;  // of the agent of the present template
  bool operator==(const NodeTile&) const = default;
};

// What to do now, and the command that does it; "" = none is needed.
struct NextAction {
  std::string text, command;
};
NextAction NextSafeAction(const Seen& seen);

struct Board {
  std::map<std::string, std::string> sections;  // cni, planes, pods, events, next: JSON texts
  std::map<std::string, NodeTile> nodes;        // by name
};
Board Draw(const Seen& seen);

}  // namespace fairlead::view
