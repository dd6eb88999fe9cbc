// One update of each kind, which the tests of the whole operator run in every way that can go wrong.
#pragma once
#include "mesh/simulated_cluster_test.h"

namespace fairlead::mesh {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstrumented = true;  // and so much slower: a part of the cases
#else
inline constexpr bool kInstrumented = false;
#endif
inline constexpr int kWorkers = kInstrumented ? 2 : 8;
inline constexpr std::chrono::seconds kPatience(kInstrumented ? 150 : 60);

inline Json IstioSpec(const std::string& version, const std::string& strategy = "InPlace") {
  return {{"version", version},
          {"namespace", "istio-system"},
          {"updateStrategy", {{"type", strategy}, {"inactiveRevisionDeletionGracePeriodSeconds", 0}}},
          {"values", {{"pilot", {{"cni", {{"enabled", false}}}}}}}};
}

inline Json CniSpec(const std::string& version) { return {{"version", version}, {"namespace", "istio-cni"}}; }
inline Json ZtunnelSpec(const std::string& version) { return {{"version", version}, {"namespace", "ztunnel"}}; }

// One update of a kind: a cluster that runs the first version, and how to ask for the second.
struct Update {
  const char* name;
  std::function<void(SimulatedCluster&)> prepare, change;
  std::function<bool(SimulatedCluster&)> before, after;  // both are settled states
  const char *workload, *workload_name;
};

inline bool Settled(SimulatedCluster& c) {
  // The old ones are gone, and so is what nothing owns any more.
  for (const auto& pod : c.store.List("/pods"))
    if (kube::IsDeleting(*pod)) return false;
  return true;
}

inline const std::vector<Update>& Updates() {
  static const std::vector<Update> all = {
      {"IstioCNI", [](auto& c) { c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.5")); },
       [](auto& c) {
         Json spec = CniSpec("v1.28.6");
         spec["values"]["cni"]["resourceQuotas"]["enabled"] = true;
         c.Apply(kube::kIstioCnis, "default", spec);
       },
       [](auto& c) { return c.IsReady(kube::kIstioCnis); },
       [](auto& c) { return c.IsReady(kube::kIstioCnis) && Settled(c); }, "daemonsets", "istio-cni-node"},
      {"ZTunnel", [](auto& c) { c.Apply(kube::kZtunnels, "default", ZtunnelSpec("v1.28.5")); },
       [](auto& c) { c.Apply(kube::kZtunnels, "default", ZtunnelSpec("v1.28.6")); },
       [](auto& c) { return c.IsReady(kube::kZtunnels); },
       [](auto& c) { return c.IsReady(kube::kZtunnels) && Settled(c); }, "daemonsets", "ztunnel"},
      {"IstioInPlace", [](auto& c) { c.Apply(kube::kIstios, "default", IstioSpec("v1.27.9")); },
       [](auto& c) { c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6")); },
       [](auto& c) {
         return c.IsReady(kube::kIstios) &&
                value::Int(c.Get(kube::kIstios, "default"), "status", "revisions", "ready") == 1;
       },
       [](auto& c) {
         return c.IsReady(kube::kIstios) &&
                value::Int(c.Get(kube::kIstios, "default"), "status", "revisions", "ready") == 1 && Settled(c) &&
                value::Str(c.Get(kube::kIstioRevisions, "default"), "status", "runningVersion") == "v1.28.6";
       },
       "deployments", "istiod"},
      {"IstioRevisionBased",
       [](auto& c) {
         c.Apply(kube::kIstios, "default", IstioSpec("v1.27.9", "RevisionBased"));
         c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "Istio"}, {"name", "default"}}}});
       },
       [](auto& c) { c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6", "RevisionBased")); },
       [](auto& c) {
         return c.IsReady(kube::kIstios) &&
                value::Str(c.Get(kube::kIstioRevisionTags, "prod"), "status", "istioRevision") == "default-v1-27-9" &&
                value::Str(kube::Condition(c.Get(kube::kIstioRevisions, "default-v1-27-9"), "InUse"), "status") ==
                    "True" &&
                value::Int(c.Get(kube::kIstios, "default"), "status", "revisions", "ready") == 1 &&
                value::Int(c.Get(kube::kIstios, "default"), "status", "revisions", "inUse") == 1;
       },
       [](auto& c) {
         Json istio = c.Get(kube::kIstios, "default");
         return c.IsReady(kube::kIstios) && Settled(c) && value::Int(istio, "status", "revisions", "total") == 1 &&
                value::Int(istio, "status", "revisions", "ready") == 1 &&
                value::Int(istio, "status", "revisions", "inUse") == 1 &&
                c.Get(kube::kIstioRevisions, "default-v1-27-9").is_null() &&
                c.Get(kube::kDeployments, "istiod-default-v1-27-9", "istio-system").is_null() &&
                value::Str(c.Get(kube::kIstioRevisionTags, "prod"), "status", "istioRevision") == "default-v1-28-6";
       },
       "deployments", "istiod-default-v1-28-6"}};
  return all;
}

}  // namespace fairlead::mesh
