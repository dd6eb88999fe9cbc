#include "mesh/caches.h"

#include "util/log.h"

namespace fairlead::mesh {
namespace {

using value::At;

kube::ListOptions Labelled(const char* selector) {
  return {.label_selector = selector, .field_selector = "", .resource_version = ""};
}

constexpr const char* kOwned = "managed-by=sail-operator";

void KeepMetadata(Json& object) {
  Json meta = At(object, "metadata");
  if (meta.is_object()) meta.erase("managedFields");
  object = {{"metadata", meta}};
}

// A cluster has many pods, and few that say anything here. See usage.h for what is read.
void KeepUsage(Json& pod) {
  Json meta = {{"name", kube::Name(pod)}, {"namespace", kube::Namespace(pod)}};
  for (const char* key : {"istio.io/rev", "sidecar.istio.io/inject", "istio.io/dataplane-mode"})
    if (std::string v = kube::Label(pod, key); !v.empty()) meta["labels"][key] = v;
  for (const char* key : {"istio.io/rev", "ambient.istio.io/redirection"})
    if (std::string v = kube::Annotation(pod, key); !v.empty()) meta["annotations"][key] = v;
  if (std::string rv = kube::ResourceVersion(pod); !rv.empty()) meta["resourceVersion"] = rv;
  pod = {{"metadata", meta}, {"status", {{"phase", value::Str(pod, "status", "phase")}}}};
}

void KeepReadiness(Json& node) {
  Json ready = kube::Condition(node, "Ready");
  node = {{"metadata", {{"name", kube::Name(node)}, {"resourceVersion", kube::ResourceVersion(node)}}},
          {"status", {{"conditions", {{{"type", "Ready"}, {"status", value::Str(ready, "status")}}}}}}};
}

}  // namespace

Caches::Caches(kube::Api& api)
    : istios(api, kube::kIstios),
      revisions(api, kube::kIstioRevisions),
      tags(api, kube::kIstioRevisionTags),
      cnis(api, kube::kIstioCnis),
      ztunnels(api, kube::kZtunnels),
      namespaces(api, kube::kNamespaces),
      nodes(api, kube::kNodes),
      workloads(api, kube::kPods),
      cni_pods(api, kube::kPods, "", Labelled("k8s-app=istio-cni-node")),
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
  nodes.SetTrim(KeepReadiness);
  for (kube::Informer* i : {&configmaps, &accounts, &mutating_webhooks, &validating_webhooks}) i->SetTrim(KeepMetadata);
}

void Caches::Start() {
  for (kube::Informer* i : all) i->Start();
  for (kube::Informer* i : all)
    while (!i->WaitForSync(std::chrono::seconds(10)))
      Log(Level::kWarn, "waiting for the cache", {{"resource", i->resource().plural}});
}

void Caches::Stop() {
  for (kube::Informer* i : all) i->Stop();
}

}  // namespace fairlead::mesh
