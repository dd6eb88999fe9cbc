// How far an update is, as a pure function of what the operator applied and what the cluster shows. "Ready" has one
// meaning: the DaemonSet's controller has seen what was applied, and on every node the pod that serves is of it, and
// available.
#pragma once
#include <memory>
#include <vector>

#include "value/json.h"

namespace fairlead::mesh {

// What of a template is seen in its pods, in short: labels, annotations, and of containers what runs. `tmpl` is a
// template or a whole pod. A pod that keeps it under kFingerprint need not keep the rest.
std::string Fingerprint(const Json& tmpl);
inline constexpr const char* kFingerprint = "fingerprint";

// The DaemonSet of the CNI's agents.
inline constexpr const char* kCniDaemonSet = "istio-cni-node";

struct FailingNode {
  std::string node, pod, reason, message;
};

// What a rollout reads of one agent's pod.
struct AgentPod {
  std::string node, version;
  bool current = false;  // of the template
  bool ready = false;    // and not being deleted
  bool serves = false;   // ready, even if it is being deleted
  bool deleting = false;
  bool ended = false;  // its processes are gone; the object follows when the kubelet has cleaned up
  std::shared_ptr<const FailingNode> failing;  // why it is not ready, when there is something to say; few have it
};

// `tmpl`: the fingerprint of the template that the pod should be of.
AgentPod ReadAgentPod(const Json& pod, const std::string& tmpl);
// The fingerprint of the template that pods should be of. The arguments are those of ComputeRollout.
std::string WantedTemplate(const Json& applied, const Json& live);

struct Rollout {
  bool ready = false;
  bool updating = false;  // some node does not run what was applied
  int64_t desired = 0, updated = 0, ready_nodes = 0;
  int64_t outdated = 0;         // pods that are not of what was applied and have not ended
  std::string running_version;  // the oldest version on any node; "" when none runs
  std::vector<FailingNode> failing;
  std::string reason, message;  // of the Ready condition
};

// `applied`: the DaemonSet as the API server answered the operator's last apply (null: not applied yet). `live`: as the
// cache has it now (null: absent). `pods`: the DaemonSet's pods, read with WantedTemplate. `name`: the DaemonSet's, for
// messages.
Rollout ComputeRollout(const Json& applied, const Json& live, const std::vector<const AgentPod*>& pods,
                       const std::string& name = kCniDaemonSet);

struct ControlPlaneState {
  bool ready = false;
  std::string reason, message;  // of the Ready condition
  std::string running_version;  // of the pods, once all are of one; "" while they are not
};

// The same of istiod's Deployment: every replica is of what was applied, and ready.
ControlPlaneState ComputeControlPlane(const Json& applied, const Json& live);

}  // namespace fairlead::mesh
