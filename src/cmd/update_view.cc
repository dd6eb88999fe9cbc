#include "cmd/update_view.h"

#include <algorithm>
#include <map>

#include "kube/object.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;
using State = NodeProgress::State;

constexpr size_t kBar = 10;

const char* Color(State s) {
  switch (s) {
    case State::kDone: return "\x1b[32m";
    case State::kStarting: return "\x1b[33m";
    case State::kFailing: return "\x1b[31m";
    case State::kWaiting: return "";
  }
  return "";
}

std::string Bar(size_t done, size_t of) {
  size_t filled = of == 0 ? 0 : kBar * done / of;
  return "[" + std::string(filled, '#') + std::string(kBar - filled, '-') + "]";
}

// Why a pod's container does not run, in the kubelet's words.
std::string WaitingReason(const Json& pod) {
  for (const Json& c : At(pod, "status", "containerStatuses")) {
    std::string reason = Str(c, "state", "waiting", "reason");
    if (!reason.empty()) return reason;
    if (value::Int(c, "restartCount") > 0 && !value::Bool(c, "ready"))
      return "restarted " + std::to_string(value::Int(c, "restartCount")) + " times";
  }
  return Str(pod, "status", "phase") == "Running" ? "not ready yet" : "ContainerCreating";
}

bool IsFailure(const std::string& reason) {
  return reason.ends_with("BackOff") || reason.starts_with("Err") || reason.starts_with("restarted") ||
         reason.ends_with("Error");
}

std::string What(const NodeProgress& n) {
  switch (n.state) {
    case State::kDone: return "ready";
    case State::kStarting: return n.detail;
    case State::kFailing: return "failing: " + n.detail;
    case State::kWaiting: return n.version.empty() ? "no agent" : "";
  }
  return "";
}

std::string Line(const NodeProgress& n, size_t name_width, const ViewOptions& o) {
  size_t steps = n.state == State::kDone ? 2 : n.state == State::kWaiting ? 0 : 1;
  std::string name = n.node.substr(0, name_width),
              text = name + std::string(name_width - name.size() + 2, ' ') + Bar(steps, 2) + "  " + n.version;
  std::string what = What(n);
  if (!what.empty()) text += std::string(n.version.size() < 9 ? 9 - n.version.size() : 1, ' ') + what;
  text = text.substr(0, o.width);
  const char* color = o.color ? Color(n.state) : "";
  return *color ? color + text + "\x1b[0m" : text;
}

std::string Clock(int seconds) {
  char text[16];
  snprintf(text, sizeof text, "%02d:%02d", seconds / 60, seconds % 60);
  return text;
}

}  // namespace

std::vector<NodeProgress> ProgressOf(const std::vector<Json>& agents, const std::string& version) {
  std::map<std::string, NodeProgress> nodes;
  for (const Json& pod : agents) {
    std::string node = Str(pod, "spec", "nodeName"), of = "v" + kube::Label(pod, "app.kubernetes.io/version");
    if (node.empty()) continue;
    NodeProgress& n = nodes[node];
    n.node = node;
    bool serves = kube::IsPodReady(pod);
    if (serves && (n.version.empty() || of != version)) n.version = of;  // the oldest counts while two serve
    if (of != version || kube::IsDeleting(pod)) continue;
    if (serves) {
      n.state = State::kDone;
    } else if (n.state != State::kDone) {
      n.detail = WaitingReason(pod);
      n.state = IsFailure(n.detail) ? State::kFailing : State::kStarting;
    }
  }
  std::vector<NodeProgress> out;
  for (auto& [name, n] : nodes) {
    if (n.state == State::kDone && n.version != version) {
      n.state = State::kStarting;
      n.detail = "the old agent is ending";
    }
    out.push_back(std::move(n));
  }
  return out;
}

std::vector<std::string> UpdateView(const Json& cni, const std::vector<NodeProgress>& nodes, int seconds,
                                    const ViewOptions& o) {
  size_t done = static_cast<size_t>(std::ranges::count(nodes, State::kDone, &NodeProgress::state)), name_width = 4;
  for (const NodeProgress& n : nodes) name_width = std::max(name_width, std::min<size_t>(n.node.size(), o.width / 3));
  std::string version = Str(cni, "spec", "version"), running = Str(cni, "status", "runningVersion");
  std::string title =
      "istiocni/default  " + (running.empty() || running == version ? version : running + " -> " + version);
  title += "  " + Bar(done, nodes.size()) + " " + std::to_string(done) + " of " + std::to_string(nodes.size()) +
           " nodes  " + Clock(seconds);
  std::vector<std::string> out = {title.substr(0, o.width)};
  size_t room = o.height > 4 ? o.height - 3 : 1;
  if (nodes.size() <= room) {
    for (const NodeProgress& n : nodes) out.push_back(Line(n, name_width, o));
    return out;
  }
  size_t shown = 0;
  for (State state : {State::kFailing, State::kStarting})
    for (const NodeProgress& n : nodes)
      if (n.state == state && shown + 1 < room) {
        out.push_back(Line(n, name_width, o));
        ++shown;
      }
  out.push_back((std::to_string(nodes.size() - shown) + " more nodes: " + std::to_string(done) + " ready, " +
                 std::to_string(static_cast<size_t>(std::ranges::count(nodes, State::kWaiting, &NodeProgress::state))) +
                 " waiting")
                    .substr(0, o.width));
  return out;
}

std::vector<std::string> ChangesSince(const std::vector<NodeProgress>& before, const std::vector<NodeProgress>& now) {
  std::map<std::string, const NodeProgress*> old;
  for (const NodeProgress& n : before) old[n.node] = &n;
  size_t done = static_cast<size_t>(std::ranges::count(now, State::kDone, &NodeProgress::state));
  std::vector<std::string> out;
  for (const NodeProgress& n : now) {
    auto it = old.find(n.node);
    if (it != old.end() && it->second->state == n.state && What(*it->second) == What(n)) continue;
    if (n.state == State::kDone)
      out.push_back(n.node + " runs " + n.version + " (" + std::to_string(done) + " of " + std::to_string(now.size()) +
                    ")");
    else if (n.state != State::kWaiting)
      out.push_back(n.node + ": " + What(n));
  }
  return out;
}

}  // namespace fairlead::cmd
