#include "mesh/istiocni.h"

#include "mesh/daemonset.h"
#include "mesh/values.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

constexpr const char* kRelease = "istio-cni";
constexpr const char* kDaemonSet = "istio-cni-node";

Json ToJson(const std::vector<ControlPlane>& planes) {
  Json out = Json::array();
  for (const ControlPlane& p : planes) {
    Json j = {{"kind", p.kind}, {"name", p.name}, {"version", p.version}, {"allowed", p.allowed}};
    if (!p.message.empty()) j["message"] = p.message;
    out.push_back(j);
  }
  return out;
}

}  // namespace

IstioCniController::IstioCniController(Operator& op)
    : Reconciler(
          op, op.caches.cnis,
          {.resource = kube::kIstioCnis, .finalizer = true, .ready = true, .state_order = {"Reconciled", "Ready"}},
          std::chrono::seconds(30)) {
  OnChange(op.caches.cni_pods);
  OnChange(op.caches.namespaces, [this](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    const Json& ns = now ? *now : *before;
    for (const auto& cni : op_.caches.cnis.List())
      if (Str(*cni, "spec", "namespace") == kube::Name(ns)) {
        installer_.MarkChanged(kube::Uid(*cni));
        return true;
      }
    return false;
  });
  // Which control planes there are, and of which versions.
  OnChange(op.caches.istios);
  OnChange(op.caches.revisions);
}

std::optional<Problem> IstioCniController::Install(const Json& cni, const Result<Version>& version,
                                                   const std::vector<ControlPlane>& planes, Json& status) {
  int64_t generation = kube::Generation(cni);
  std::string ns = Str(cni, "spec", "namespace");
  if (kube::Name(cni) != "default") return Invalid("validation error: metadata.name must be 'default'");
  if (auto problem = CheckNamespace(ns)) return problem;
  if (!version.ok()) return Invalid(version.error().message);
  auto policy = ReadSkewPolicy(cni);
  if (!policy.ok()) return Invalid(policy.error().message);
  std::string skew = *policy == SkewPolicy::kIgnore ? "" : SkewMessage(planes);
  SetCondition(status, "SkewOK", skew.empty() ? "True" : "False",
               *policy == SkewPolicy::kIgnore ? "Ignored"
               : skew.empty()                 ? "VersionsFit"
                                              : "VersionSkew",
               skew, generation, WallNow());
  // What runs already is not taken away by a control plane that has gone ahead; that one is told.
  auto live = op_.caches.daemonsets.Get(kube::Key(ns, kDaemonSet));
  bool runs = live && kube::Label(*live, "app.kubernetes.io/version") == version->number;
  if (!skew.empty() && *policy == SkewPolicy::kEnforce && !runs) return Problem{"VersionSkew", skew, false};

  auto resources = op_.config.resources.For(*version);
  if (!resources.ok())
    return Problem{"ReconcileError", "error reconciling resource: failed to load chart: " + resources.error().message,
                   true};
  auto values = ComputeCniValues(At(cni, "spec"), *version, (*resources)->profiles);
  if (!values.ok()) return Invalid(values.error().message);
  return installer_.Install({{kube::kIstioCnis, cni}}, **resources,
                            {{.chart = "cni", .name = kRelease, .ns = ns, .values = *values}}, At(status, "inventory"));
}

Result<Reconciler::Looked> IstioCniController::Look(const Json& cni, Json& status) {
  int64_t generation = kube::Generation(cni);
  std::string ns = Str(cni, "spec", "namespace"), wanted = Str(cni, "spec", "version");
  Result<Version> version = op_.config.catalog.Resolve(wanted);
  auto planes = ListControlPlanes(op_.caches, op_.config.catalog);
  if (version.ok()) JudgeSkew(*version, planes);
  std::optional<Problem> problem = Install(cni, version, planes, status);
  if (problem && problem->stale) return MakeError(Code::kConflict, problem->message);
  const Installed& installed = installer_.Of(cni);
  Json applied;
  if (!problem) {
    status["inventory"] = installed.inventory;
    if (auto it = installed.workloads.find("DaemonSet/" + ns + "/" + kDaemonSet); it != installed.workloads.end())
      applied = it->second;
  }
  Rollout rollout = LookAtDaemonSet(applied, op_.caches.daemonsets, op_.caches.cni_pods, ns, kDaemonSet);
  status["controlPlanes"] = ToJson(planes);
  DescribeRollout(status, rollout);
  if (problem) {
    SetCondition(status, "Reconciled", "False", problem->reason, problem->message, generation, WallNow());
    std::string serving = rollout.running_version.empty()
                              ? "no agent runs"
                              : "agents of v" + rollout.running_version + " keep serving on " +
                                    std::to_string(rollout.ready_nodes) + " of " + std::to_string(rollout.desired) +
                                    " nodes";
    SetCondition(status, "Ready", "False", problem->reason,
                 "version " + wanted + " is not installed: " + problem->message + " (" + serving + ")", generation,
                 WallNow());
  } else {
    SetCondition(status, "Reconciled", "True", "Reconciled", "", generation, WallNow());
    SetCondition(status, "Ready", rollout.ready ? "True" : "False", rollout.reason, rollout.message, generation,
                 WallNow());
  }
  op_.metrics.Set("fairlead_istiocni_nodes", {{"state", "desired"}}, static_cast<double>(rollout.desired),
                  "Nodes of the CNI by state");
  op_.metrics.Set("fairlead_istiocni_nodes", {{"state", "updated"}}, static_cast<double>(rollout.updated));
  for (const ControlPlane& p : planes)
    op_.metrics.Set("fairlead_control_plane_skew", {{"kind", p.kind}, {"name", p.name}}, p.allowed ? 0 : 1,
                    "1 for a control plane that the CNI does not serve");
  return Looked{.again_after = std::nullopt, .retry = problem && problem->retry ? problem->message : ""};
}

Result<bool> IstioCniController::Remove(const Json& cni) {
  const Json& inventory = At(cni, "status", "inventory");
  // The DaemonSet first: its agents ask once more whether it is going, and need their account and role for that.
  Json others = Json::array();
  for (const Json& e : inventory)
    if (Str(e, "kind") != "DaemonSet") others.push_back(e);
  FL_TRY(op_.applier.Prune(inventory, others, kube::Uid(cni)));
  for (const auto& pod : op_.caches.cni_pods.List())
    if (kube::Namespace(*pod) == Str(cni, "spec", "namespace")) return false;
  return Reconciler::Remove(cni);
}

}  // namespace fairlead::mesh
