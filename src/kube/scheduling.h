// Whether a pod may run on a node. Source of the behaviour: k8s.io/kubernetes pkg/scheduler's node selector and taint
// plugins; node affinity is not looked at.
#pragma once
#include "value/json.h"

namespace fairlead::kube {

// "" when it may; otherwise the label or taint that is in the way, in words.
std::string WhyNotOnNode(const Json& pod_spec, const Json& node);
// The tolerations that every DaemonSet's pods have besides their own.
Json DaemonSetTolerations();

}  // namespace fairlead::kube
