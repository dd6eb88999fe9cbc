// How far a DaemonSet of ours is, from the caches, and as status says it.
#pragma once
#include "kube/memo.h"
#include "mesh/readiness.h"

namespace fairlead::mesh {

// A look costs what changed since the last one. Not thread-safe; a controller has its own.
class DaemonSetView {
 public:
  DaemonSetView(const kube::Informer& daemonsets, const kube::Informer& pods) : daemonsets_(daemonsets), pods_(pods) {}

  // `applied` as in ComputeRollout.
  Rollout Look(const Json& applied, const std::string& ns, const std::string& name);

 private:
  struct Known {
    bool own;  // of the DaemonSet
    AgentPod pod;
  };
  const kube::Informer& daemonsets_;
  const kube::Informer& pods_;
  std::string known_by_;  // the DaemonSet and template that what is known was read with
  kube::Memo<Known> known_;
};

// Sets status.rollout and status.runningVersion.
void DescribeRollout(Json& status, const Rollout& rollout);

}  // namespace fairlead::mesh
