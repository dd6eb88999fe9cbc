#include "mesh/istiocni.h"

#include "mesh/values.h"
#include "util/strings.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

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
          std::chrono::seconds(30)),
      agents_(op.caches.daemonsets, op.caches.cni_pods) {
  OnChanges(op.caches.cni_pods);
  OnChange(op.caches.nodes, [](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    return before && now && At(*before, "status") != At(*now, "status");
  });
  // Which control planes there are, and of which versions.
  OnChange(op.caches.istios);
  OnChange(op.caches.revisions);
}

std::optional<Problem> IstioCniController::Install(const Json& cni, const Json& spec, const Result<Version>& version,
                                                   const std::vector<ControlPlane>& planes, int64_t nodes_down,
                                                   Json& status) {
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
  auto live = op_.caches.daemonsets.Get(kube::Key(ns, kCniDaemonSet));
  bool runs = live && kube::Label(*live, "app.kubernetes.io/version") == version->number;
  if (!skew.empty() && *policy == SkewPolicy::kEnforce && !runs) return Problem{"VersionSkew", skew, false};

  auto resources = op_.config.resources.For(*version);
  if (!resources.ok()) return NoResources(resources.error());
  if (auto problem = CheckUserValues(cni, **resources, {"cni"}, status)) return problem;
  auto releases = CniReleases(spec, *version, **resources);
  if (!releases.ok()) return Invalid(releases.error().message);
  SetLimits(releases->front().values, spec, status, generation, nodes_down);
  return installer_.Install({{kube::kIstioCnis, cni}}, **resources, *releases, At(status, "inventory"));
}

std::vector<std::string> IstioCniController::NodesDown(const Json& cni) const {
  std::vector<std::string> down;
  // Nodes that say the same are one object in the cache, so this looks at few.
  const auto nodes = op_.caches.nodes.List();
  std::set<const Json*> states;
  for (const auto& node : nodes) states.insert(node.get());
  if (std::ranges::all_of(states, [](const Json* n) { return Str(kube::Condition(*n, "Ready"), "status") == "True"; }))
    return down;
  for (const auto& pod : op_.caches.cni_pods.List()) {
    std::string name = Str(*pod, "spec", "nodeName");
    if (kube::Namespace(*pod) != Str(cni, "spec", "namespace") || name.empty()) continue;
    auto node = op_.caches.nodes.Get(name);
    if (node && Str(kube::Condition(*node, "Ready"), "status") != "True" && std::ranges::find(down, name) == down.end())
      down.push_back(name);
  }
  return down;
}

void IstioCniController::DescribeProgress(const Json& cni, Json& status, const Rollout& rollout,
                                          const Progress& progress, const std::vector<std::string>& down) {
  int64_t generation = kube::Generation(cni);
  auto set = [&](const char* type, bool is, const std::string& reason, const std::string& message) {
    SetCondition(status, type, is ? "True" : "False", reason, message, generation, WallNow());
  };
  std::string done = std::to_string(rollout.updated) + " of " + std::to_string(rollout.desired) + " nodes";
  std::string nodes_down = down.empty() ? "" : "; not ready: " + Join(down, ", ");
  if (IsUndone(status, generation)) {
    std::string message = "version " + Str(cni, "spec", "version") +
                          " was undone: " + Str(status, "rollout", "undoneBecause") + "; " +
                          Str(status, "lastGood", "version") + (rollout.ready ? " runs again" : " is being put back") +
                          ". Set spec.version to another version to try again";
    set("Progressing", false, "RolledBack", message);
    set("Ready", false, "RolledBack", message);
    return;
  }
  set("Ready", rollout.ready, rollout.reason, rollout.message + (rollout.ready ? "" : nodes_down));
  if (rollout.ready)
    set("Progressing", true, "Complete", "");
  else if (progress.stalled)
    set("Progressing", false, "ProgressDeadlineExceeded",
        "no further node was updated since " + Str(status, "rollout", "progressedAt") + "; " + done +
            " are; the others keep their agents. " + rollout.message + nodes_down);
  else
    set("Progressing", true, "Updating", done + " are updated" + nodes_down);
}

Result<Reconciler::Looked> IstioCniController::Look(const Json& cni, Json& status) {
  int64_t generation = kube::Generation(cni);
  Json spec = SpecToInstall(cni);
  std::string ns = Str(cni, "spec", "namespace"), wanted = Str(spec, "version");
  Result<Version> version = op_.config.catalog.Resolve(wanted);
  auto planes = ListControlPlanes(op_.caches.revisions.List(), op_.caches.istios.List(), op_.config.catalog);
  if (version.ok()) JudgeSkew(*version, planes);
  std::vector<std::string> down = NodesDown(cni);
  std::optional<Problem> problem = Install(cni, spec, version, planes, static_cast<int64_t>(down.size()), status);
  const Installed& installed = installer_.Of(cni);
  Json applied;
  if (!problem) {
    status["inventory"] = installed.inventory;
    if (auto it = installed.workloads.find("DaemonSet/" + ns + "/" + kCniDaemonSet); it != installed.workloads.end())
      applied = it->second;
  }
  Rollout rollout = agents_.Look(applied, ns, kCniDaemonSet);
  status["controlPlanes"] = ToJson(planes);
  Looked looked{.problem = problem, .again_after = std::nullopt};
  SetReconciled(status, problem, generation);
  if (problem) {
    DescribeRollout(status, rollout);
    std::string serving = rollout.running_version.empty()
                              ? "no agent runs"
                              : "agents of v" + rollout.running_version + " keep serving on " +
                                    std::to_string(rollout.ready_nodes) + " of " + std::to_string(rollout.desired) +
                                    " nodes";
    SetCondition(status, "Ready", "False", problem->reason,
                 "version " + wanted + " is not installed: " + problem->message + " (" + serving + ")", generation,
                 WallNow());
  } else {
    Progress progress = TrackProgress(status, spec, rollout, generation, static_cast<int64_t>(down.size()), WallNow());
    DescribeRollout(status, rollout);
    looked.again_after = progress.left;
    if (progress.undo && !IsUndone(status, generation)) {
      status["rollout"]["undoneGeneration"] = generation;
      status["rollout"]["undoneBecause"] = rollout.message;
      looked.again_after = Millis(0);
    }
    if (rollout.ready && !IsUndone(status, generation)) RecordComplete(status, spec, WallNow());
    DescribeProgress(cni, status, rollout, progress, down);
  }
  op_.metrics.Set("fairlead_istiocni_nodes", {{"state", "desired"}}, static_cast<double>(rollout.desired),
                  "Nodes of the CNI by state");
  op_.metrics.Set("fairlead_istiocni_nodes", {{"state", "updated"}}, static_cast<double>(rollout.updated));
  op_.metrics.Set("fairlead_istiocni_nodes", {{"state", "ready"}}, static_cast<double>(rollout.ready_nodes));
  for (const ControlPlane& p : planes)
    op_.metrics.Set("fairlead_control_plane_skew", {{"kind", p.kind}, {"name", p.name}}, p.allowed ? 0 : 1,
                    "1 for a control plane that the CNI does not serve");
  return looked;
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
