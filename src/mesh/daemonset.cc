#include "mesh/daemonset.h"

namespace fairlead::mesh {
namespace {

constexpr size_t kFailingListed = 50;  // a status that names thousands is one that the API server refuses

}  // namespace

Rollout DaemonSetView::Look(const Json& applied, const std::string& ns, const std::string& name) {
  auto ds = daemonsets_.Get(kube::Key(ns, name));
  const Json& live = ds ? *ds : value::Null();
  const std::string wanted = WantedTemplate(applied, live);
  if (std::string by = ns + "/" + kube::Uid(live) + "/" + wanted; known_by_ != by) {
    known_.Clear();
    known_by_ = by;
  }
  auto read = [&](const Json& pod) { return Known{kube::IsControlledBy(pod, live), ReadAgentPod(pod, wanted)}; };
  std::vector<const AgentPod*> own;
  for (const auto& object : pods_.List())
    if (const Known& pod = known_.Of(object, read); pod.own) own.push_back(&pod.pod);
  known_.Sweep();
  return ComputeRollout(applied, live, own, name);
}

void DescribeRollout(Json& status, const Rollout& r) {
  Json failing = Json::array();
  for (const FailingNode& f : r.failing)
    if (failing.size() < kFailingListed)
      failing.push_back({{"node", f.node}, {"pod", f.pod}, {"reason", f.reason}, {"message", f.message}});
  Json& rollout = status["rollout"];
  rollout["desired"] = r.desired;
  rollout["updated"] = r.updated;
  rollout["ready"] = r.ready_nodes;
  rollout["outdated"] = r.outdated;
  rollout["failing"] = failing;
  if (r.running_version.empty())
    status.erase("runningVersion");
  else
    status["runningVersion"] = "v" + r.running_version;
}

}  // namespace fairlead::mesh
