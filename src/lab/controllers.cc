#include "lab/controllers.h"

#include "kube/scheduling.h"
#include "util/fd.h"
#include "util/log.h"

namespace fairlead::lab {

using value::At;
using value::Str;

void SyncServiceAccounts(LocalApi& api, const std::string& ca_pem) {
  for (const auto& ns : api.store().List("/namespaces")) {
    if (kube::IsDeleting(*ns)) continue;
    std::string name = kube::Name(*ns);
    if (!api.store().Get("/serviceaccounts", name + "/default"))
      (void)api.Create(kube::kServiceAccounts, {{"metadata", {{"name", "default"}, {"namespace", name}}}}).ok();
    if (!api.store().Get("/configmaps", name + "/kube-root-ca.crt"))
      (void)api
          .Create(kube::kConfigMaps,
                  {{"metadata", {{"name", "kube-root-ca.crt"}, {"namespace", name}}}, {"data", {{"ca.crt", ca_pem}}}})
          .ok();
  }
}

void SyncNamespaces(LocalApi& api, const Registry& registry) {
  for (const auto& ns : api.store().List("/namespaces")) {
    if (!kube::IsDeleting(*ns) || value::IsEmpty(At(*ns, "spec", "finalizers"))) continue;
    std::string name = kube::Name(*ns);
    size_t left = 0;
    for (const TypePtr& t : registry.All()) {
      if (!t->resource.namespaced) continue;
      for (const auto& o : api.store().List(Rest::KindKey(*t), name)) {
        ++left;
        if (!kube::IsDeleting(*o)) (void)api.Delete(t->resource, name, kube::Name(*o), {}).ok();
      }
    }
    if (left > 0) continue;
    Json done = *ns;
    done["spec"]["finalizers"] = Json::array();
    (void)api.Update(kube::kNamespaces, done, "finalize").ok();
  }
}

void SyncGarbage(LocalApi& api, const Registry& registry) {
  std::set<std::string> alive;
  std::map<std::string, std::vector<std::pair<TypePtr, ObjectPtr>>> dependents;  // by owner uid
  std::vector<std::pair<TypePtr, ObjectPtr>> all;
  for (const TypePtr& t : registry.All())
    for (const auto& o : api.store().List(Rest::KindKey(*t))) {
      alive.insert(kube::Uid(*o));
      all.emplace_back(t, o);
      for (const Json& ref : At(*o, "metadata", "ownerReferences")) dependents[Str(ref, "uid")].emplace_back(t, o);
    }
  for (const auto& [t, o] : all) {
    std::string ns = kube::Namespace(*o), name = kube::Name(*o);
    const Json& refs = At(*o, "metadata", "ownerReferences");
    if (refs.is_array() && !refs.empty() && !kube::IsDeleting(*o)) {
      bool owned = std::any_of(refs.begin(), refs.end(), [&](const Json& r) { return alive.contains(Str(r, "uid")); });
      if (!owned)
        (void)api
            .Delete(t->resource, ns, name, {.uid = kube::Uid(*o), .resource_version = "", .propagation = "Background"})
            .ok();
    }
    if (!kube::IsDeleting(*o)) continue;
    for (const std::string finalizer : {"foregroundDeletion", "orphan"}) {
      if (!kube::HasFinalizer(*o, finalizer)) continue;
      size_t left = 0;
      for (const auto& [dt, d] : dependents[kube::Uid(*o)]) {
        ++left;
        if (finalizer == "foregroundDeletion" && !kube::IsDeleting(*d))
          (void)api
              .Delete(dt->resource, kube::Namespace(*d), kube::Name(*d),
                      {.uid = kube::Uid(*d), .resource_version = "", .propagation = "Foreground"})
              .ok();
        if (finalizer == "orphan") {
          Json freed = *d;
          Json kept = Json::array();
          for (const Json& r : freed["metadata"]["ownerReferences"])
            if (Str(r, "uid") != kube::Uid(*o)) kept.push_back(r);
          freed["metadata"]["ownerReferences"] = kept;
          (void)api.Update(dt->resource, freed, "").ok();
        }
      }
      if (left > 0) continue;
      Json done = *o;
      Json kept = Json::array();
      for (const Json& f : done["metadata"]["finalizers"])
        if (f != finalizer) kept.push_back(f);
      done["metadata"]["finalizers"] = kept;
      (void)api.Update(t->resource, done, "").ok();
    }
  }
}

void SyncScheduler(LocalApi& api) {
  auto pods = api.store().List("/pods");
  std::vector<ObjectPtr> waiting;
  for (const auto& p : pods)
    if (Str(*p, "spec", "nodeName").empty() && !kube::IsDeleting(*p)) waiting.push_back(p);
  if (waiting.empty()) return;
  std::map<std::string, int> load;
  for (const auto& p : pods) ++load[Str(*p, "spec", "nodeName")];
  for (const auto& p : waiting) {
    std::string best;
    for (const auto& node : api.store().List("/nodes")) {
      bool ready =
          Str(kube::Condition(*node, "Ready"), "status") == "True" && !value::Bool(*node, "spec", "unschedulable");
      if (ready && kube::WhyNotOnNode(At(*p, "spec"), *node).empty() &&
          (best.empty() || load[kube::Name(*node)] < load[best]))
        best = kube::Name(*node);
    }
    if (best.empty()) continue;
    Json bound = *p;
    bound["spec"]["nodeName"] = best;
    if (api.Update(kube::kPods, bound, "").ok()) ++load[best];
  }
}

Controllers::Controllers(Rest& rest, std::string ca_pem) : rest_(rest) {
  Loop("serviceaccount-controller", [ca_pem](LocalApi& api) { SyncServiceAccounts(api, ca_pem); });
  Loop("namespace-controller", [&rest](LocalApi& api) { SyncNamespaces(api, rest.registry()); });
  Loop("generic-garbage-collector", [&rest](LocalApi& api) { SyncGarbage(api, rest.registry()); });
  Loop("kube-scheduler", SyncScheduler);
  Loop("kube-controller-manager", [](LocalApi& api) {
    SyncDaemonSets(api);
    SyncDeployments(api);
  });
}

void Controllers::Loop(const char* name, std::function<void(LocalApi&)> sync) {
  threads_.emplace_back([this, name, sync = std::move(sync)](std::stop_token stop) {
    LocalApi api(rest_, name);
    uint64_t seen = 0;
    while (!stop.stop_requested()) {
      uint64_t now = rest_.store().version();
      auto began = SteadyNow();
      sync(api);
      auto took = std::chrono::duration_cast<Millis>(SteadyNow() - began);
      seen = std::max(seen, now);
      rest_.store().WaitForAny(seen, Millis(500));
      // Lets a burst of changes arrive together, and leaves time to others where there are thousands of objects.
      SleepFor(Millis(10) + std::min(10 * took, Millis(500)), stop);
    }
  });
}

}  // namespace fairlead::lab
