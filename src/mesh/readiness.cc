#include "mesh/readiness.h"

#include <set>
#include <string_view>
#include <unordered_set>

#include "kube/object.h"
#include "util/strings.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr size_t kFailingTold = 5;  // in a message; the list has more

std::vector<int64_t> Numbers(const std::string& version) {
  std::vector<int64_t> out;
  for (const std::string& part : Split(version, '.'))
    out.push_back(ParseInt(part.substr(0, part.find('-'))).value_or(0));
  return out;
}

bool IsOlder(const std::string& a, const std::string& b) { return Numbers(a) < Numbers(b); }

constexpr size_t kMark = 7;  // characters of a mark

// 42 bits of a text's hash. Thousands of pods are kept with some twenty of them each.
std::string Mark(const std::string& text) {
  uint64_t bits = std::stoull(value::Sha256Hex(text).substr(0, 11), nullptr, 16);
  std::string out;
  for (size_t i = 0; i < kMark; ++i, bits >>= 6)
    out += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[bits & 63];
  return out;
}

// Every member that the template sets is in the pod: image, command, environment, annotations. What the API server or
// the node adds does not matter.
bool IsOf(const Json& pod, const std::string& of_template) {
  const Json& kept = At(pod, kFingerprint);
  std::string own = kept.is_string() ? "" : Fingerprint(pod);
  const std::string& have = kept.is_string() ? kept.get_ref<const std::string&>() : own;
  auto has = [&](std::string_view mark) {
    for (size_t at = 0; at < have.size(); at += kMark)
      if (std::string_view(have).substr(at, kMark) == mark) return true;
    return false;
  };
  for (size_t at = 0; at < of_template.size(); at += kMark)
    if (!has(std::string_view(of_template).substr(at, kMark))) return false;
  return true;
}

bool HasEnded(const Json& pod) {
  std::string phase = Str(pod, "status", "phase");
  return phase == "Succeeded" || phase == "Failed";
}

// The cache has what was applied, and its controller has seen it.
bool IsObserved(const Json& applied, const Json& live) {
  return !applied.is_null() && kube::Generation(live) >= kube::Generation(applied) &&
         Int(live, "status", "observedGeneration") >= kube::Generation(live);
}

std::shared_ptr<const FailingNode> WhyFailing(const Json& pod) {
  for (const Json& c : At(pod, "status", "containerStatuses")) {
    std::string reason = Str(c, "state", "waiting", "reason"), message = Str(c, "state", "waiting", "message");
    bool crashed = Int(c, "restartCount") > 0 && !value::Bool(c, "ready");
    if (reason.empty() && crashed) reason = "ContainerRestarts";
    if (reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing") {
      if (!crashed) continue;
    }
    if (crashed) {
      int64_t code = Int(c, "lastState", "terminated", "exitCode");
      message = "container " + Str(c, "name") + " ended with status " + std::to_string(code) + ", " +
                std::to_string(Int(c, "restartCount")) + " restarts; see kubectl logs -n " + kube::Namespace(pod) +
                " " + kube::Name(pod);
    }
    return std::make_shared<const FailingNode>(
        FailingNode{Str(pod, "spec", "nodeName"), kube::Name(pod), reason, message.substr(0, 400)});
  }
  return nullptr;
}

}  // namespace

// A mark for each member, one after another.
std::string Fingerprint(const Json& tmpl) {
  std::string out;
  auto mark = [&](const std::string& text) { out += Mark(text); };
  for (const char* kind : {"labels", "annotations"})
    for (const auto& [k, v] : At(tmpl, "metadata", kind).items())
      mark(std::string(kind) + "\n" + k + "\n" + value::Dump(v));
  const Json& containers = At(tmpl, "spec", "containers");
  for (size_t i = 0; i < containers.size(); ++i)
    for (const char* member : {"name", "image", "args", "command"})  // one that is absent is a difference, too
      mark(std::to_string(i) + "\n" + member + "\n" + value::Dump(At(containers[i], member)));
  return out;
}

AgentPod ReadAgentPod(const Json& pod, const std::string& tmpl) {
  AgentPod read;
  read.node = Str(pod, "spec", "nodeName");
  read.version = Str(pod, "metadata", "labels", "app.kubernetes.io/version");
  read.current = IsOf(pod, tmpl);
  read.serves = kube::IsPodReady(pod);
  read.deleting = kube::IsDeleting(pod);
  read.ready = read.serves && !read.deleting;
  read.ended = HasEnded(pod);
  if (!read.ready && !read.deleting) read.failing = WhyFailing(pod);
  return read;
}

std::string WantedTemplate(const Json& applied, const Json& live) {
  return Fingerprint(At(applied.is_null() ? live : applied, "spec", "template"));
}

Rollout ComputeRollout(const Json& applied, const Json& live, const std::vector<const AgentPod*>& pods,
                       const std::string& name) {
  Rollout r;
  auto unready = [&](const char* reason, const std::string& message) {
    r.reason = reason;
    r.message = message;
    std::vector<std::string> failing;
    for (const FailingNode& f : r.failing) {
      if (failing.size() == kFailingTold) {
        failing.push_back("and " + std::to_string(r.failing.size() - kFailingTold) + " more");
        break;
      }
      failing.push_back("node " + f.node + ": pod " + f.pod + ": " + f.reason +
                        (f.message.empty() ? "" : ": " + f.message));
    }
    if (!failing.empty()) r.message += "; " + Join(failing, "; ");
    return r;
  };
  std::unordered_set<std::string_view> updated;  // nodes with a ready pod of the applied template
  std::set<std::string_view> serving;            // versions
  for (const AgentPod* pod : pods) {
    if (pod->current && pod->ready) updated.insert(pod->node);
    if (pod->serves) serving.insert(pod->version);
    if (!pod->current && !pod->ended) ++r.outdated;
    if (pod->current && pod->failing) r.failing.push_back(*pod->failing);
  }
  for (std::string_view version : serving)
    if (std::string v(version); r.running_version.empty() || IsOlder(v, r.running_version)) r.running_version = v;
  if (live.is_null() && applied.is_null()) return unready("DaemonSetNotReady", name + " DaemonSet not found");
  const Json& s = At(live, "status");
  r.desired = Int(s, "desiredNumberScheduled");
  r.updated = static_cast<int64_t>(updated.size());
  r.ready_nodes = Int(s, "numberReady");
  bool observed = IsObserved(applied, live);
  bool old_left = r.outdated > 0;
  r.updating = !observed || old_left || Int(s, "updatedNumberScheduled") < r.desired;
  // Being replaced is something else than being broken: with an old agent on a node the node is served.
  if (!observed) return unready("Updating", "the DaemonSet " + name + " has not been observed in its new form yet");
  if (r.desired == 0) return unready("DaemonSetNotReady", "no " + name + " pods are currently scheduled");
  if (r.updating)
    return unready("Updating",
                   std::to_string(r.updated) + " of " + std::to_string(r.desired) + " nodes are updated" +
                       (r.updated == r.desired && old_left ? "; an old agent is still ending" : "") +
                       (r.running_version.empty() ? "" : "; the oldest agent that serves is " + r.running_version));
  if (r.updated < r.desired || Int(s, "numberAvailable") < r.desired || r.ready_nodes < r.desired)
    return unready("DaemonSetNotReady", "not all " + name + " pods are ready");
  if (Int(s, "numberMisscheduled") > 0)
    return unready("Updating", "pods on nodes that should have none are still ending");
  r.ready = true;
  r.reason = "Ready";
  return r;
}

ControlPlaneState ComputeControlPlane(const Json& applied, const Json& live) {
  ControlPlaneState s;
  auto unready = [&](const char* reason, const std::string& message) {
    s.reason = reason;
    s.message = message;
    return s;
  };
  if (live.is_null()) return unready("IstiodNotReady", "istiod Deployment not found");
  const Json& status = At(live, "status");
  bool observed = IsObserved(applied, live);
  int64_t wanted = value::AsInt(At(live, "spec", "replicas"), 1);
  if (!observed) return unready("Updating", "the istiod Deployment has not been observed in its new form yet");
  if (wanted == 0) return unready("IstiodNotReady", "istiod Deployment is scaled to zero replicas");
  int64_t updated = Int(status, "updatedReplicas"), all = Int(status, "replicas"), ready = Int(status, "readyReplicas");
  if (updated < wanted || all > updated)
    return unready("Updating", std::to_string(updated) + " of " + std::to_string(wanted) + " istiod pods are updated" +
                                   (all > updated ? "; an old one still runs" : ""));
  s.running_version = Str(live, "spec", "template", "metadata", "labels", "app.kubernetes.io/version");
  if (ready < wanted || Int(status, "availableReplicas") < wanted)
    return unready("IstiodNotReady", "not all istiod pods are ready");
  s.ready = true;
  s.reason = "Ready";
  return s;
}

}  // namespace fairlead::mesh
