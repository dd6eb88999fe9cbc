#include "mesh/caches.h"

#include "mesh/readiness.h"
#include "util/log.h"

namespace fairlead::mesh {
namespace {

using value::At;

kube::ListOptions Labelled(const char* selector) { return {.label_selector = selector}; }

void KeepMetadata(Json& object) {
  Json meta = At(object, "metadata");
  if (meta.is_object()) meta.erase("managedFields");
  object = {{"metadata", meta}};
}

// A cluster has many pods, and few that say anything here. See usage.h for what is read. Without names, those that say
// the same are kept once.
void KeepUsage(Json& pod) {
  Json labels, annotations;
  for (const char* key : {"istio.io/rev", "sidecar.istio.io/inject", "istio.io/dataplane-mode"})
    if (std::string v = kube::Label(pod, key); !v.empty()) labels[key] = v;
  for (const char* key : {"istio.io/rev", "ambient.istio.io/redirection"})
    if (std::string v = kube::Annotation(pod, key); !v.empty()) annotations[key] = v;
  Json kept;
  if (!labels.is_null()) kept["metadata"]["labels"] = labels;
  if (!annotations.is_null()) kept["metadata"]["annotations"] = annotations;
  if (!kept.is_null()) {
    kept["metadata"]["namespace"] = kube::Namespace(pod);
    std::string phase = value::Str(pod, "status", "phase");
    if (phase == "Succeeded" || phase == "Failed") kept["status"]["phase"] = phase;
  }
  pod = std::move(kept);
}

// What readiness.h reads of an agent's pod, and when it came to be what it is.
void KeepAgentPod(Json& pod) {
  std::string last_started;
  Json meta = {{"name", kube::Name(pod)},
               {"namespace", kube::Namespace(pod)},
               {"creationTimestamp", At(pod, "metadata", "creationTimestamp")}};
  const std::string version = "app.kubernetes.io/version";
  meta["labels"][version] = kube::Label(pod, version);
  if (const Json& owner = kube::ControllerOf(pod); !owner.is_null())
    meta["ownerReferences"] = {{{"uid", value::Str(owner, "uid")}, {"controller", true}}};
  if (kube::IsDeleting(pod)) meta["deletionTimestamp"] = At(pod, "metadata", "deletionTimestamp");
  Json status = {{"phase", value::Str(pod, "status", "phase")}};
  for (const Json& c : At(pod, "status", "conditions"))
    if (value::Str(c, "type") == "Ready")
      status["conditions"] = {{{"type", "Ready"},
                               {"status", value::Str(c, "status")},
                               {"lastTransitionTime", At(c, "lastTransitionTime")}}};
  for (const Json& c : At(pod, "status", "containerStatuses")) {
    if (value::Bool(c, "ready"))
      last_started = std::max(last_started, value::Str(c, "state", "running", "startedAt"));
    else
      status["containerStatuses"].push_back(c);
  }
  pod = {{"metadata", meta},
         {"spec", {{"nodeName", value::Str(pod, "spec", "nodeName")}}},
         {"status", status},
         {kFingerprint, Fingerprint(pod)},
         {kStarted, last_started}};
}

void KeepLabels(Json& ns) {
  Json meta = At(ns, "metadata");
  for (const char* key : {"managedFields", "annotations", "ownerReferences"}) meta.erase(key);
  ns = {{"metadata", meta}};
}

void KeepReadiness(Json& node) {
  Json ready = kube::Condition(node, "Ready");
  node = {{"status", {{"conditions", {{{"type", "Ready"}, {"status", value::Str(ready, "status")}}}}}}};
}

}  // namespace

void TrimAgents(kube::Informer& pods) { pods.SetTrim(KeepAgentPod); }
void TrimNodes(kube::Informer& nodes) { nodes.SetTrim(KeepReadiness); }

Caches::Caches(kube::Api& api)
    : istios(api, kube::kIstios),
      revisions(api, kube::kIstioRevisions),
      tags(api, kube::kIstioRevisionTags),
      cnis(api, kube::kIstioCnis),
      ztunnels(api, kube::kZtunnels),
      namespaces(api, kube::kNamespaces),
      nodes(api, kube::kNodes),
      workloads(api, kube::kPods, "", Labelled("k8s-app!=istio-cni-node,app!=ztunnel")),
      cni_pods(api, kube::kPods, "", Labelled(kCniAgents)),
      ztunnel_pods(api, kube::kPods, "", Labelled("app=ztunnel")),
      daemonsets(api, kube::kDaemonSets, "", Labelled(kOwned)),
      deployments(api, kube::kDeployments, "", Labelled(kOwned)),
      configmaps(api, kube::kConfigMaps, "", Labelled(kOwned)),
      accounts(api, kube::kServiceAccounts, "", Labelled(kOwned)),
      mutating_webhooks(api, kube::kMutatingWebhooks, "", Labelled(kOwned)),
      validating_webhooks(api, kube::kValidatingWebhooks, "", Labelled(kOwned)),
      all{&istios,
          &revisions,
          &tags,
          &cnis,
          &ztunnels,
          &namespaces,
          &nodes,
          &workloads,
          &cni_pods,
          &ztunnel_pods,
          &daemonsets,
          &deployments,
          &configmaps,
          &accounts,
          &mutating_webhooks,
          &validating_webhooks},
      owned{&daemonsets, &deployments, &configmaps, &accounts, &mutating_webhooks, &validating_webhooks} {
  workloads.SetTrim(KeepUsage);
  namespaces.SetTrim(KeepLabels);
  TrimNodes(nodes);
  for (kube::Informer* i : {&cni_pods, &ztunnel_pods}) TrimAgents(*i);
  for (kube::Informer* i : {&configmaps, &accounts, &mutating_webhooks, &validating_webhooks}) i->SetTrim(KeepMetadata);
}

void Caches::Start() {
  for (kube::Informer* i : all) i->Start();
}

bool Caches::WaitForSync(const std::stop_token& stop) {
  for (kube::Informer* i : all)
    while (!i->WaitForSync(std::chrono::seconds(10), stop)) {
      if (stop.stop_requested()) return false;
      Log(Level::kWarn, "waiting for the first list of a resource; the operator does nothing before it has all of them",
          {{"resource", i->resource().plural}});
    }
  return true;
}

void Caches::Stop() {
  for (kube::Informer* i : all) i->Stop();
}

}  // namespace fairlead::mesh
