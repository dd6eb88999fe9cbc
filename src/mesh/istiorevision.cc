#include "mesh/istiorevision.h"

#include "mesh/values.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

bool IsRemote(const Json& values) {
  return Str(values, "profile") == "remote" || value::Bool(values, "istiodRemote", "enabled");
}

}  // namespace

bool TakesPrecedence(const Json& a, const Json& b) {
  auto age = [](const Json& o) { return std::pair(Str(o, "metadata", "creationTimestamp"), kube::Uid(o)); };
  return age(a) < age(b);
}

std::string IstiodName(const std::string& revision) {
  return revision == kDefaultRevision || revision.empty() ? "istiod" : "istiod-" + revision;
}

IstioRevisionController::IstioRevisionController(Operator& op, Usage& usage)
    : Reconciler(op, op.caches.revisions,
                 {.resource = kube::kIstioRevisions,
                  .finalizer = true,
                  .ready = true,
                  .state_order = {"Reconciled", "Ready", "DependenciesHealthy"}},
                 std::chrono::minutes(2)),
      usage_(usage),
      probes_(op.api, [this](const std::string& revision) { Enqueue(revision); }) {
  usage.OnChange([this] { EnqueueAll(Gathering()); });
  OnChange(op.caches.tags);
  // What of them a revision depends on.
  auto state = [](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    auto said = [](const Json& o) {
      return std::tuple(Str(o, "status", "state"), Str(o, "status", "runningVersion"),
                        Str(o, "status", "istioRevision"), kube::Annotation(o, kSkewPolicyAnnotation));
    };
    return !before || !now || said(*before) != said(*now);
  };
  OnChange(op.caches.cnis, state);
  OnChange(op.caches.ztunnels, state);
}

std::optional<Problem> IstioRevisionController::Validate(const Json& revision) const {
  const Json& values = At(revision, "spec", "values");
  std::string name = kube::Name(revision), ns = Str(revision, "spec", "namespace");
  if (Str(revision, "spec", "version").empty()) return Invalid("validation error: version not set");
  if (auto problem = CheckNamespace(ns)) return problem;
  std::string in_values = Str(values, "revision"), expected = name == kDefaultRevision ? "" : name;
  if (in_values != expected)
    return Invalid("validation error: spec.values.revision: \"" + in_values + "\" must be " +
                   (expected.empty() ? "empty, since the revision is named default"
                                     : "\"" + expected + "\", as the revision is named"));
  if (std::string istio_ns = Str(values, "global", "istioNamespace"); istio_ns != ns)
    return Invalid("validation error: spec.values.global.istioNamespace: \"" + istio_ns +
                   "\" must be spec.namespace, \"" + ns + "\"");
  if (auto tag = op_.caches.tags.Get(name); tag && !kube::IsDeleting(*tag) && TakesPrecedence(*tag, revision))
    return Problem{"NameAlreadyExists", "an IstioRevisionTag exists with this name", false};
  return std::nullopt;
}

std::optional<Problem> IstioRevisionController::CheckSkew(const Json& revision, const Version& version,
                                                          Json& status) const {
  auto say = [&](bool ok, const char* reason, const std::string& message) {
    SetCondition(status, "SkewOK", ok ? "True" : "False", reason, message, kube::Generation(revision), WallNow());
  };
  auto cni = op_.caches.cnis.Get("default");
  std::string running = cni ? Str(*cni, "status", "runningVersion") : "";
  if (running.empty()) {
    say(true, "NoCNI", "");
    return std::nullopt;
  }
  auto policy = ReadSkewPolicy(*cni);
  if (!policy.ok()) return Invalid("IstioCNI default: " + policy.error().message);
  if (*policy == SkewPolicy::kIgnore) {
    say(true, "Ignored", "");
    return std::nullopt;
  }
  ControlPlane plane{"IstioRevision", kube::Name(revision), version.name, true, "", "", false};
  std::string skew = ExplainSkew(running, plane, version.name);
  say(skew.empty(), skew.empty() ? "VersionsFit" : "VersionSkew", skew);
  // A control plane behind the CNI is told, and may go forward in steps; one that would leave the CNI behind waits.
  bool changes = Str(status, "runningVersion") != version.name;
  if (*policy == SkewPolicy::kEnforce && changes && CompareVersions(running, version.name) == Skew::kCniBehind)
    return Problem{"VersionSkew", skew, false};
  return std::nullopt;
}

std::optional<Problem> IstioRevisionController::Install(const Json& revision, Json& status) {
  if (auto problem = Validate(revision)) return problem;
  auto version = op_.config.catalog.Resolve(Str(revision, "spec", "version"));
  if (!version.ok()) return Invalid(version.error().message);
  if (auto problem = CheckSkew(revision, *version, status)) return problem;
  auto resources = op_.config.resources.For(*version);
  if (!resources.ok()) return NoResources(resources.error());
  if (kube::ControllerOf(revision).is_null())  // an Istio tells of its own values itself
    if (auto problem = CheckUserValues(revision, **resources, kControlPlaneCharts, status)) return problem;
  return installer_.Install({{kube::kIstioRevisions, revision}}, **resources,
                            RevisionReleases(revision, *version, op_.config.ns), At(status, "inventory"));
}

void IstioRevisionController::LookAtRemote(const Json& revision, Json& status) {
  auto say = [&](const char* what, const char* reason, const std::string& message) {
    SetCondition(status, "Ready", what, reason, message, kube::Generation(revision), WallNow());
  };
  std::string webhook;
  for (const Json& entry : At(status, "inventory"))
    if (Str(entry, "kind") == "MutatingWebhookConfiguration") webhook = Str(entry, "name");
  if (webhook.empty())
    return say("Unknown", "ReadinessCheckFailed",
               "failed to get readiness: the values lead to no MutatingWebhookConfiguration by which the control plane "
               "in the other cluster could be asked");
  auto last = probes_.Of(kube::Name(revision), webhook);
  if (!last) return say("False", "RemoteIstiodNotReady", "the control plane in the other cluster is being asked");
  if (last->ok()) return say("True", "Ready", "");
  say("False", "RemoteIstiodNotReady", last->error().message);
}

Result<bool> IstioRevisionController::Remove(const Json& revision) {
  probes_.Forget(kube::Name(revision));
  return Reconciler::Remove(revision);
}

void IstioRevisionController::LookAtDependencies(const Json& revision, Json& status) const {
  auto say = [&](bool ok, const char* reason, const char* message) {
    SetCondition(status, "DependenciesHealthy", ok ? "True" : "False", reason, message, kube::Generation(revision),
                 WallNow());
  };
  const Json& values = At(revision, "spec", "values");
  const Json& cni_enabled = At(values, "pilot", "cni", "enabled");
  bool openshift = Str(values, "global", "platform") == "openshift";
  if (value::AsBool(cni_enabled) || (openshift && cni_enabled.is_null())) {
    auto cni = op_.caches.cnis.Get("default");
    if (!cni) return say(false, "IstioCNINotFound", "IstioCNI resource does not exist");
    if (Str(*cni, "status", "state") != "Healthy")
      return say(false, "IstioCNINotHealthy", "IstioCNI resource status indicates that the component is not healthy");
  }
  bool ambient = Str(values, "profile") == "ambient" ||
                 value::AsString(At(values, "pilot", "env", "PILOT_ENABLE_AMBIENT")) == "true";
  if (ambient) {
    auto ztunnel = op_.caches.ztunnels.Get("default");
    if (!ztunnel) return say(false, "ZTunnelNotFound", "ZTunnel resource does not exist");
    if (Str(*ztunnel, "status", "state") != "Healthy")
      return say(false, "ZTunnelNotHealthy", "ZTunnel resource status indicates that the component is not healthy");
  }
  say(true, "DependenciesHealthy", "");
}

Result<Reconciler::Looked> IstioRevisionController::Look(const Json& revision, Json& status) {
  int64_t generation = kube::Generation(revision);
  if (kube::Annotation(revision, kIgnoreAnnotation) == "true") return Looked{};
  std::string name = kube::Name(revision), ns = Str(revision, "spec", "namespace");
  std::optional<Problem> problem = Install(revision, status);
  const Installed& installed = installer_.Of(revision);
  std::string deployment = IstiodName(name);
  Json applied;
  if (!problem) {
    status["inventory"] = installed.inventory;
    if (auto it = installed.workloads.find("Deployment/" + ns + "/" + deployment); it != installed.workloads.end())
      applied = it->second;
  }
  auto live = op_.caches.deployments.Get(kube::Key(ns, deployment));
  ControlPlaneState state = ComputeControlPlane(problem && live ? *live : applied, live ? *live : Json());
  if (!state.running_version.empty()) status["runningVersion"] = "v" + state.running_version;
  SetReconciled(status, problem, generation);
  if (problem) {
    std::string running = Str(status, "runningVersion");
    SetCondition(status, "Ready", "False", problem->reason,
                 "version " + Str(revision, "spec", "version") + " is not installed: " + problem->message +
                     (running.empty() ? " (no control plane runs)" : " (" + running + " keeps running)"),
                 generation, WallNow());
  } else if (IsRemote(At(revision, "spec", "values")) && applied.is_null()) {
    LookAtRemote(revision, status);
  } else {
    SetCondition(status, "Ready", state.ready ? "True" : "False", state.reason, state.message, generation, WallNow());
  }
  LookAtDependencies(revision, status);
  SetInUse(status, usage_.Uses(revision), generation);
  return Looked{.problem = problem, .again_after = std::nullopt};
}

}  // namespace fairlead::mesh
