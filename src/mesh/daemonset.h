// How far a DaemonSet of ours is, from the caches, and as status says it.
#pragma once
#include "kube/informer.h"
#include "mesh/readiness.h"

namespace fairlead::mesh {

// `applied` as in ComputeRollout.
Rollout LookAtDaemonSet(const Json& applied, const kube::Informer& daemonsets, const kube::Informer& pods,
                        const std::string& ns, const std::string& name);
// Sets status.rollout and status.runningVersion.
void DescribeRollout(Json& status, const Rollout& rollout);

}  // namespace fairlead::mesh
