#include "mesh/istio.h"

#include "mesh/values.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

constexpr int64_t kDefaultGraceSeconds = 30;

bool Owns(const Json& istio, const Json& revision) { return kube::IsControlledBy(revision, istio); }

}  // namespace

std::string ActiveRevisionName(const Json& istio, const std::string& version) {
  if (Str(istio, "spec", "updateStrategy", "type") != "RevisionBased") return kube::Name(istio);
  return kube::Name(istio) + "-" + ReplaceAll(version, ".", "-");
}

IstioController::IstioController(Operator& op)
    : Reconciler(op, op.caches.istios,
                 {.resource = kube::kIstios,
                  .finalizer = false,
                  .ready = true,
                  .state_order = {"Reconciled", "Ready", "DependenciesHealthy"}},
                 std::chrono::minutes(2)) {
  OnChange(op.caches.revisions);
}

std::optional<Problem> IstioController::Ensure(const Json& istio, const std::string& active, const Version& version,
                                               Json& wanted, Json& status) {
  auto resources = op_.config.resources.For(version);
  if (!resources.ok()) return NoResources(resources.error());
  if (auto problem = CheckUserValues(istio, **resources, kControlPlaneCharts, status)) return problem;
  auto values = ComputeRevisionValues(At(istio, "spec"), active, **resources);
  if (!values.ok()) return Invalid(values.error().message);
  wanted = {{"version", version.name}, {"namespace", Str(istio, "spec", "namespace")}, {"values", *values}};
  auto cached = op_.caches.revisions.Get(active);
  if (cached && !kube::IsDeleting(*cached) && Owns(istio, *cached) && At(*cached, "spec") == wanted)
    return std::nullopt;

  // The cache may be behind: what is written is compared with what there is.
  auto retry = [](const std::string& message) {
    return Problem{"ReconcileError", "error reconciling resource: " + message, true};
  };
  if (Status current = op_.CheckCurrent({{kube::kIstios, istio}}); !current.ok())
    return Problem{"ReconcileError", "error reconciling resource: " + current.error().message, true,
                   current.error().code == Code::kConflict};
  auto live = op_.api.Get(kube::kIstioRevisions, "", active);
  if (!live.ok() && live.error().code != Code::kNotFound) return retry(live.error().message);
  Result<Json> written = Json();
  if (!live.ok()) {
    written = op_.api.Create(kube::kIstioRevisions,
                             {{"apiVersion", "sailoperator.io/v1"},
                              {"kind", "IstioRevision"},
                              {"metadata", {{"name", active}, {"ownerReferences", {kube::OwnerReference(istio)}}}},
                              {"spec", wanted}});
  } else {
    const Json& owner = kube::ControllerOf(*live);
    if (!owner.is_null() && !Owns(istio, *live))
      return Invalid("IstioRevision " + active + " exists and is controlled by " + Str(owner, "kind") + "/" +
                     Str(owner, "name") + "; rename this Istio, or delete that one");
    if (kube::IsDeleting(*live)) return retry("IstioRevision " + active + " is still being deleted");
    if (At(*live, "spec", "namespace") != wanted["namespace"])
      return Invalid("IstioRevision " + active + " exists in namespace " + Str(*live, "spec", "namespace") +
                     "; delete it first");
    if (Owns(istio, *live) && At(*live, "spec") == wanted) return std::nullopt;
    Json next = *live;
    next["spec"] = wanted;
    if (owner.is_null()) next["metadata"]["ownerReferences"].push_back(kube::OwnerReference(istio));
    written = op_.api.Update(kube::kIstioRevisions, next);
  }
  if (!written.ok()) {
    if (written.error().code == Code::kInvalid)
      return Invalid("IstioRevision " + active + ": " + written.error().message);
    return retry("IstioRevision " + active + ": " + written.error().message);
  }
  Log(Level::kInfo, live.ok() ? "revision updated" : "revision created",
      {{"istio", kube::Name(istio)}, {"revision", active}, {"version", version.name}});
  return std::nullopt;
}

Result<std::optional<Millis>> IstioController::Prune(const Json& istio, const std::string& active) {
  std::optional<Millis> next;
  auto grace = std::chrono::seconds(value::AsInt(
      At(istio, "spec", "updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds"), kDefaultGraceSeconds));
  if (value::AsString(At(istio, "spec", "values", "pilot", "env", "EXTERNAL_ISTIOD")) == "true") return next;
  for (const auto& r : op_.caches.revisions.List()) {
    if (kube::Name(*r) == active || !Owns(istio, *r) || kube::IsDeleting(*r)) continue;
    const Json& in_use = kube::Condition(*r, "InUse");
    if (Str(in_use, "status") != "False") continue;  // used, or nobody knows
    auto since = ParseRfc3339(Str(in_use, "lastTransitionTime"));
    if (!since.ok()) continue;
    auto left = std::chrono::duration_cast<Millis>(*since + grace - WallNow());
    if (left > Millis(0)) {
      next = std::min(next.value_or(left), left);
      continue;
    }
    // Exactly what was seen to be unused: a revision that has been used since has another resource version.
    Status s = op_.api.Delete(kube::kIstioRevisions, "", kube::Name(*r),
                              {.uid = kube::Uid(*r), .resource_version = kube::ResourceVersion(*r), .propagation = ""});
    if (!s.ok() && s.error().code != Code::kNotFound && s.error().code != Code::kConflict)
      return s.error().Wrap("deleting IstioRevision " + kube::Name(*r));
    if (s.ok()) {
      op_.events.Emit(istio, "Normal", "RevisionPruned",
                      "IstioRevision " + kube::Name(*r) + " is not used any more and was deleted");
      Log(Level::kInfo, "revision pruned", {{"istio", kube::Name(istio)}, {"revision", kube::Name(*r)}});
    }
  }
  return next;
}

Result<Reconciler::Looked> IstioController::Look(const Json& istio, Json& status) {
  int64_t generation = kube::Generation(istio);
  auto set = [&](const char* type, const char* what, const std::string& reason, const std::string& message) {
    SetCondition(status, type, what, reason, message, generation, WallNow());
  };
  Looked looked;
  std::optional<Problem> problem;
  if (Str(istio, "spec", "version").empty()) problem = Invalid("validation error: version not set");
  if (!problem) problem = CheckNamespace(Str(istio, "spec", "namespace"));
  auto version = op_.config.catalog.Resolve(Str(istio, "spec", "version"));
  if (!problem && !version.ok()) problem = Invalid(version.error().message);
  Json wanted;
  if (!problem) {
    std::string active = ActiveRevisionName(istio, version->name);
    problem = Ensure(istio, active, *version, wanted, status);
    if (!problem) status["activeRevisionName"] = active;
  }
  int64_t total = 0, ready = 0, in_use = 0;
  for (const auto& r : op_.caches.revisions.List()) {
    if (!Owns(istio, *r)) continue;
    ++total;
    ready += Str(kube::Condition(*r, "Ready"), "status") == "True";
    in_use += Str(kube::Condition(*r, "InUse"), "status") == "True";
  }
  status["revisions"] = {{"total", total}, {"ready", ready}, {"inUse", in_use}};
  std::string active = Str(status, "activeRevisionName");
  auto revision = op_.caches.revisions.Get(active);
  if (problem) {
    set("Reconciled", "False", problem->reason, problem->message);
    set("Ready", "Unknown", problem->reason, "cannot determine readiness due to reconciliation error");
    looked.problem = problem;
    return looked;
  }
  if (!revision) {
    set("Reconciled", "False", "ActiveRevisionNotFound", "active IstioRevision not found");
    set("Ready", "False", "ActiveRevisionNotFound", "active IstioRevision not found");
    return looked;
  }
  // What the revision says of itself counts once it says it of what it has been asked for.
  bool current = At(*revision, "spec") == wanted &&
                 value::Int(*revision, "status", "observedGeneration") >= kube::Generation(*revision);
  if (!current) {
    set("Reconciled", "True", "Reconciled", "");
    set("Ready", "False", "Updating", "IstioRevision " + active + " is being brought to version " + version->name);
    return looked;
  }
  // Others go once the active one has taken their place: one that cannot be installed takes nobody's.
  if (Str(kube::Condition(*revision, "Ready"), "status") == "True") {
    FL_ASSIGN(looked.again_after, Prune(istio, active));
  }
  for (const char* type : {"Reconciled", "Ready", "DependenciesHealthy"})
    if (const Json& c = kube::Condition(*revision, type); !c.is_null())
      set(type, Str(c, "status").c_str(), Str(c, "reason"), Str(c, "message"));
  return looked;
}

}  // namespace fairlead::mesh
