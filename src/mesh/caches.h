// What the operator watches, once for all its controllers.
//
// Every controller adds its handlers, then Start begins to list and watch everything, and only after WaitForSync
// controllers may run: a cache that has not been filled yet would show objects as absent. An operator that does not
// lead keeps its caches full, so that it can take over at once.
#pragma once
#include "kube/informer.h"

namespace fairlead::mesh {

// Label selectors of what the operator made, of the CNI's agents' pods, and of the operator's own Deployment and pods.
inline constexpr const char* kOwned = "managed-by=sail-operator";
inline constexpr const char* kCniAgents = "k8s-app=istio-cni-node";
inline constexpr const char* kOperator = "app.kubernetes.io/name=fairlead-operator";

// Keeps of agents' pods, and of nodes, what the operator and the live view look at. Of an agent's containers that are
// ready that is when the last of them started, under kStarted.
inline constexpr const char* kStarted = "started";
void TrimAgents(kube::Informer& pods);
void TrimNodes(kube::Informer& nodes);

struct Caches {
  explicit Caches(kube::Api& api);
  void Start();
  bool WaitForSync(const std::stop_token& stop);  // until all are filled; false: stopped before
  void Stop();

  kube::Informer istios, revisions, tags, cnis, ztunnels;
  kube::Informer namespaces;
  kube::Informer nodes;      // their readiness
  kube::Informer workloads;  // every other pod, less what does not say which control plane it uses
  kube::Informer cni_pods,
      ztunnel_pods;  // the node agents' and node proxies', less what does not tell whether they serve
  kube::Informer daemonsets, deployments;  // those that the operator made
  // Made by the operator as well, less their content: that they changed is enough to look at them.
  kube::Informer configmaps, accounts, mutating_webhooks, validating_webhooks;

  std::vector<kube::Informer*> all;
  std::vector<kube::Informer*> owned;
};

}  // namespace fairlead::mesh
