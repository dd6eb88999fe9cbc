// The controllers that a Kubernetes control plane runs and the lab needs: service accounts, namespaces, garbage
// collection, scheduling, DaemonSets, Deployments. Each looks at everything and does what is missing, whenever
// something changed.
#pragma once
#include "lab/local_api.h"

namespace fairlead::lab {

// Every active namespace has ServiceAccount "default" and ConfigMap "kube-root-ca.crt".
void SyncServiceAccounts(LocalApi& api, const std::string& ca_pem);
// A terminating namespace loses its content, then its finalizer.
void SyncNamespaces(LocalApi& api, const Registry& registry);
// Objects whose owners are all gone are deleted; foreground deletion waits for dependents.
void SyncGarbage(LocalApi& api, const Registry& registry);
// Pods without a node get the one that fits and has the fewest pods.
void SyncScheduler(LocalApi& api);
// DaemonSets: one pod a node, rolling update with maxUnavailable or maxSurge, history, status.
void SyncDaemonSets(LocalApi& api);
// Deployments and their ReplicaSets: rolling update with maxUnavailable and maxSurge, or Recreate; status.
void SyncDeployments(LocalApi& api);

// Runs them all until destroyed.
class Controllers {
 public:
  Controllers(Rest& rest, std::string ca_pem);

 private:
  void Loop(const char* name, std::function<void(LocalApi&)> sync);
  Rest& rest_;
  std::vector<std::jthread> threads_;
};

}  // namespace fairlead::lab
