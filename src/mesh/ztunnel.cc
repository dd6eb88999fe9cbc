#include "mesh/ztunnel.h"

#include "mesh/istiorevisiontag.h"
#include "mesh/values.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

ZtunnelController::ZtunnelController(Operator& op)
    : Reconciler(
          op, op.caches.ztunnels,
          {.resource = kube::kZtunnels, .finalizer = true, .ready = true, .state_order = {"Reconciled", "Ready"}},
          std::chrono::seconds(30)),
      proxies_(op.caches.daemonsets, op.caches.ztunnel_pods) {
  OnChanges(op.caches.ztunnel_pods);
  OnChange(op.caches.istios);
  OnChange(op.caches.revisions);
}

std::optional<Problem> ZtunnelController::Install(const Json& ztunnel, Json& status) {
  std::string ns = Str(ztunnel, "spec", "namespace");
  if (kube::Name(ztunnel) != "default") return Invalid("validation error: metadata.name must be 'default'");
  if (Str(ztunnel, "spec", "version").empty()) return Invalid("validation error: version not set");
  if (auto problem = CheckNamespace(ns)) return problem;
  auto version = op_.config.catalog.Resolve(Str(ztunnel, "spec", "version"));
  if (!version.ok()) return Invalid(version.error().message);
  Json base;
  std::vector<Operator::Input> inputs = {{kube::kZtunnels, ztunnel}};
  status.erase("istioRevision");
  if (const Json& target = At(ztunnel, "spec", "targetRef"); target.is_object()) {
    auto revision = ResolveTarget(op_.caches, target, inputs);
    if (!revision.ok()) return Invalid("spec.targetRef: " + revision.error().message);
    base = At(**revision, "spec", "values");
    status["istioRevision"] = kube::Name(**revision);
  }
  auto resources = op_.config.resources.For(*version);
  if (!resources.ok()) return NoResources(resources.error());
  if (auto problem = CheckUserValues(ztunnel, **resources, {"ztunnel"}, status)) return problem;
  auto releases = ZtunnelReleases(At(ztunnel, "spec"), base, *version, **resources);
  if (!releases.ok()) return Invalid(releases.error().message);
  return installer_.Install(inputs, **resources, *releases, At(status, "inventory"));
}

Result<Reconciler::Looked> ZtunnelController::Look(const Json& ztunnel, Json& status) {
  int64_t generation = kube::Generation(ztunnel);
  auto problem = Install(ztunnel, status);
  std::string ns = Str(ztunnel, "spec", "namespace"), name = "ztunnel";
  Json applied;
  if (!problem) {
    const Installed& installed = installer_.Of(ztunnel);
    status["inventory"] = installed.inventory;
    for (const auto& [key, object] : installed.workloads)
      if (Str(object, "kind") == "DaemonSet") {
        applied = object;
        name = kube::Name(object);  // values may say another
      }
  }
  Rollout rollout = proxies_.Look(applied, ns, name);
  DescribeRollout(status, rollout);
  SetReconciled(status, problem, generation);
  if (problem)
    SetCondition(status, "Ready", "False", problem->reason,
                 "version " + Str(ztunnel, "spec", "version") + " is not installed: " + problem->message, generation,
                 WallNow());
  else
    SetCondition(status, "Ready", rollout.ready ? "True" : "False", rollout.reason, rollout.message, generation,
                 WallNow());
  return Looked{.problem = problem, .again_after = std::nullopt};
}

}  // namespace fairlead::mesh
