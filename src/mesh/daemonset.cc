#include "mesh/daemonset.h"

namespace fairlead::mesh {
namespace {

constexpr size_t kFailingListed = 50;  // a status that names thousands is one that the API server refuses

}  // namespace

Rollout LookAtDaemonSet(const Json& applied, const kube::Informer& daemonsets, const kube::Informer& all_pods,
                        const std::string& ns, const std::string& name) {
  auto ds = daemonsets.Get(kube::Key(ns, name));
  std::vector<kube::ObjectPtr> held;
  std::vector<const Json*> pods;
  for (auto& pod : all_pods.List())
    if (kube::Namespace(*pod) == ns && ds && value::Str(kube::ControllerOf(*pod), "uid") == kube::Uid(*ds)) {
      held.push_back(pod);
      pods.push_back(pod.get());
    }
  return ComputeRollout(applied, ds ? *ds : Json(), pods, name);
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
