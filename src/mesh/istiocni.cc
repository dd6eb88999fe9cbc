#include "mesh/istiocni.h"

#include "chart/render.h"
#include "mesh/status.h"
#include "mesh/values.h"
#include "util/log.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

constexpr const char* kRelease = "istio-cni";
constexpr const char* kOwnedLabel = "managed-by=sail-operator";
const std::vector<std::string> kStateOrder = {"Reconciled", "Ready"};

constexpr auto kLookPeriod = std::chrono::seconds(30);

// Whether an event is about what the operator has made, rather than about how far the nodes are.
bool MayChangeInstallation(const kube::Informer& informer, const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
  const std::string& kind = informer.resource().plural;
  if (kind == "configmaps" || kind == "serviceaccounts" || kind == "namespaces") return true;
  if (kind != "daemonsets") return false;
  auto made = [](const Json& o) {
    return std::tuple(kube::Generation(o), At(o, "metadata", "labels"), At(o, "metadata", "annotations"));
  };
  return !before || !now || kube::IsDeleting(*now) || made(*before) != made(*now);
}

Json ToJson(const std::vector<ControlPlane>& planes) {
  Json out = Json::array();
  for (const ControlPlane& p : planes) {
    Json j = {{"kind", p.kind}, {"name", p.name}, {"version", p.version}, {"allowed", p.allowed}};
    if (!p.message.empty()) j["message"] = p.message;
    out.push_back(j);
  }
  return out;
}

Json ToJson(const Rollout& r) {
  Json failing = Json::array();
  for (const FailingNode& f : r.failing)
    failing.push_back({{"node", f.node}, {"pod", f.pod}, {"reason", f.reason}, {"message", f.message}});
  return {{"desired", r.desired}, {"updated", r.updated}, {"ready", r.ready_nodes}, {"failing", failing}};
}

}  // namespace

IstioCniController::IstioCniController(kube::Api& api, kube::ResourceMapper& mapper, IstioCniConfig config,
                                       controller::Metrics& metrics)
    : api_(api),
      mapper_(mapper),
      config_(std::move(config)),
      metrics_(metrics),
      applier_(api, mapper),
      events_(api, "fairlead-operator"),
      cnis_(api, kube::kIstioCnis),
      istios_(api, kube::kIstios),
      revisions_(api, kube::kIstioRevisions),
      namespaces_(api, kube::kNamespaces),
      daemonsets_(api, kube::kDaemonSets, "",
                  {.label_selector = kOwnedLabel, .field_selector = "", .resource_version = ""}),
      pods_(api, kube::kPods, "",
            {.label_selector = "k8s-app=istio-cni-node", .field_selector = "", .resource_version = ""}),
      configmaps_(api, kube::kConfigMaps, "",
                  {.label_selector = kOwnedLabel, .field_selector = "", .resource_version = ""}),
      accounts_(api, kube::kServiceAccounts, "",
                {.label_selector = kOwnedLabel, .field_selector = "", .resource_version = ""}),
      informers_{&cnis_, &istios_, &revisions_, &namespaces_, &daemonsets_, &pods_, &configmaps_, &accounts_},
      controller_(
          "istiocni", [this](const std::string& key) { return Reconcile(key); }, metrics) {
  // Everything that matters to the one IstioCNI there is; a pass that finds nothing to do writes nothing.
  for (kube::Informer* i : informers_)
    i->AddHandler([this, i](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
      if (MayChangeInstallation(*i, before, now)) changed_ = true;
      controller_.Enqueue("default");
    });
}

void IstioCniController::Start() {
  for (kube::Informer* i : informers_) i->Start();
  for (kube::Informer* i : informers_)
    while (!i->WaitForSync(std::chrono::seconds(10)))
      Log(Level::kWarn, "waiting for the cache", {{"resource", i->resource().plural}});
  controller_.Start();
  controller_.Enqueue("default");
}

void IstioCniController::Stop() {
  controller_.Stop();
  for (kube::Informer* i : informers_) i->Stop();
}

std::vector<ControlPlane> IstioCniController::ControlPlanes() const {
  std::vector<ControlPlane> out;
  std::set<std::string> owners;
  for (const auto& r : revisions_.List()) {
    if (kube::IsDeleting(*r)) continue;
    out.push_back({"IstioRevision", kube::Name(*r), config_.catalog.ResolveName(Str(*r, "spec", "version")), true, ""});
    if (const Json& owner = kube::ControllerOf(*r); !owner.is_null()) owners.insert(Str(owner, "uid"));
  }
  // An Istio whose revision does not exist yet counts with the version that it wants.
  for (const auto& i : istios_.List())
    if (!kube::IsDeleting(*i) && !owners.contains(kube::Uid(*i)))
      out.push_back({"Istio", kube::Name(*i), config_.catalog.ResolveName(Str(*i, "spec", "version")), true, ""});
  return out;
}

std::optional<IstioCniController::Problem> IstioCniController::Validate(const Json& cni, const Result<Version>& version,
                                                                        const std::vector<ControlPlane>& planes) {
  std::string ns = Str(cni, "spec", "namespace");
  auto problem = [](const std::string& message) {
    return Problem{"ReconcileError", "error reconciling resource: " + message, false};
  };
  if (kube::Name(cni) != "default") return problem("validation error: metadata.name must be 'default'");
  if (ns.empty()) return problem("validation error: namespace not set");
  auto found = namespaces_.Get(ns);
  if (!found)
    return problem("validation error: namespace \"" + ns + "\" doesn't exist; create it: kubectl create namespace " +
                   ns);
  if (kube::IsDeleting(*found)) return problem("validation error: namespace \"" + ns + "\" is being deleted");
  if (!version.ok()) return problem(version.error().message);
  if (std::string skew = SkewMessage(planes); !skew.empty()) return Problem{"VersionSkew", skew, false};
  return std::nullopt;
}

std::optional<IstioCniController::Problem> IstioCniController::Install(const Json& cni, const Version& version,
                                                                       const Json& inventory) {
  auto failed = [this](const Error& e, bool retry) {
    installed_ = {};
    return Problem{"ReconcileError", "error reconciling resource: " + e.message, retry};
  };
  std::string ns = Str(cni, "spec", "namespace");
  auto resources = config_.resources.For(version);
  if (!resources.ok()) return failed(resources.error().Wrap("failed to load chart"), true);
  auto values = ComputeCniValues(At(cni, "spec"), version, resources->profiles);
  if (!values.ok()) return failed(values.error(), false);
  std::string wanted = ns + "\n" + kube::Uid(cni) + "\n" + Str(cni, "spec", "version") + "\n" + value::Dump(*values);
  bool changed = changed_.exchange(false);
  if (!changed && wanted == installed_.wanted && SteadyNow() < installed_.at + kLookPeriod) return std::nullopt;
  auto objects = chart::Render(resources->chart, value::WithFloatNumbers(*values),
                               {.name = kRelease,
                                .ns = ns,
                                .is_upgrade = !inventory.is_null(),
                                .kube_version = config_.kube_version,
                                .api_versions = config_.api_versions});
  if (!objects.ok()) return failed(objects.error(), false);
  auto done = applier_.Apply(*objects, cni, kRelease, ns);
  if (!done.ok()) return failed(done.error(), true);
  if (Status pruned = applier_.Prune(inventory, done->inventory, kube::Uid(cni)); !pruned.ok())
    return failed(pruned.error(), true);
  installed_ = {wanted, done->inventory, done->objects["DaemonSet/" + ns + "/istio-cni-node"], SteadyNow()};
  return std::nullopt;
}

Rollout IstioCniController::Look(const Json& cni, const Json& applied) const {
  std::string ns = Str(cni, "spec", "namespace");
  auto ds = daemonsets_.Get(kube::Key(ns, "istio-cni-node"));
  std::vector<kube::ObjectPtr> held;
  std::vector<const Json*> pods;
  for (auto& pod : pods_.List())
    if (kube::Namespace(*pod) == ns && ds && Str(kube::ControllerOf(*pod), "uid") == kube::Uid(*ds)) {
      held.push_back(pod);
      pods.push_back(pod.get());
    }
  return ComputeRollout(applied, ds ? *ds : Json(), pods);
}

Status IstioCniController::WriteStatus(const Json& cni, const Json& status) {
  if (At(cni, "status") == status) return {};
  Json next = cni;
  next["status"] = status;
  auto written = api_.Update(kube::kIstioCnis, next, "status");
  if (!written.ok()) return written.error().Wrap("writing status");
  return {};
}

void IstioCniController::Report(const Json& cni, const Json& before, const Json& after) {
  for (const char* type : {"Reconciled", "Ready"}) {
    auto find = [&](const Json& status) -> const Json& {
      for (const Json& c : At(status, "conditions"))
        if (Str(c, "type") == type) return c;
      return value::Null();
    };
    const Json &old = find(before), &now = find(after);
    bool changed = Str(old, "status") != Str(now, "status") || Str(old, "reason") != Str(now, "reason") ||
                   (Str(now, "status") == "False" && Str(now, "reason") != "Updating" &&
                    Str(old, "message") != Str(now, "message"));
    if (!changed || now.is_null()) continue;
    // Agents that are not ready yet are the course of an update; agents that are not ready any more are a problem.
    bool still_starting = Str(now, "reason") == "DaemonSetNotReady" && Str(old, "status") != "True";
    bool bad = Str(now, "status") == "False" && Str(now, "reason") != "Updating" && !still_starting;
    std::string message = Str(now, "message");
    if (message.empty()) message = std::string(type) + ": version " + Str(cni, "spec", "version");
    events_.Emit(cni, bad ? "Warning" : "Normal", Str(now, "reason"), message);
  }
  std::set<std::string> known;
  for (const Json& f : At(before, "rollout", "failing")) known.insert(Str(f, "pod") + Str(f, "reason"));
  for (const Json& f : At(after, "rollout", "failing"))
    if (!known.contains(Str(f, "pod") + Str(f, "reason")))
      events_.Emit(
          cni, "Warning", "NodeNotUpdated",
          "node " + Str(f, "node") + ": pod " + Str(f, "pod") + ": " + Str(f, "reason") + ": " + Str(f, "message"));
}

Result<controller::Outcome> IstioCniController::Reconcile(const std::string& name) {
  auto cached = cnis_.Get(name);
  if (!cached) return controller::Outcome{};
  Json cni = *cached;
  if (kube::IsDeleting(cni)) return Finalize(cni);
  if (!kube::HasFinalizer(cni, kFinalizer)) {
    cni["metadata"]["finalizers"].push_back(kFinalizer);
    auto written = api_.Update(kube::kIstioCnis, cni);
    if (!written.ok() && written.error().code != Code::kConflict) return written.error();
    return controller::Outcome{};
  }
  int64_t generation = kube::Generation(cni);
  Json before = At(cni, "status").is_object() ? At(cni, "status") : Json::object();
  std::string wanted = Str(cni, "spec", "version");
  if (value::Int(before, "observedGeneration") < generation) {
    // Before anything else: what was true of the last generation says nothing about this one.
    Json first = before;
    first["observedGeneration"] = generation;
    SetCondition(first, "Ready", "False", "Updating", "reconciling version " + wanted, generation, WallNow());
    first["state"] = DeriveState(first, {"Ready"});
    FL_TRY(WriteStatus(cni, first));
    Report(cni, before, first);
    return controller::Outcome{};  // the write comes back as an event, with the object's new resource version
  }

  Json status = before;
  auto planes = ControlPlanes();
  Result<Version> version = config_.catalog.Resolve(wanted);
  if (version.ok()) JudgeSkew(*version, planes);
  std::optional<Problem> problem = Validate(cni, version, planes);
  if (!problem) problem = Install(cni, *version, At(before, "inventory"));
  if (!problem) status["inventory"] = installed_.inventory;

  Rollout rollout = Look(cni, problem ? Json() : installed_.daemonset);
  status["controlPlanes"] = ToJson(planes);
  status["rollout"] = ToJson(rollout);
  if (rollout.running_version.empty())
    status.erase("runningVersion");
  else
    status["runningVersion"] = "v" + rollout.running_version;
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
  status["state"] = DeriveState(status, kStateOrder);
  FL_TRY(WriteStatus(cni, status));
  Report(cni, before, status);
  metrics_.Set("fairlead_istiocni_nodes", {{"state", "desired"}}, static_cast<double>(rollout.desired),
               "Nodes of the CNI by state");
  metrics_.Set("fairlead_istiocni_nodes", {{"state", "updated"}}, static_cast<double>(rollout.updated));
  if (problem && problem->retry) return MakeError(Code::kUnavailable, problem->message);
  // Watches tell of every change; a slow look at everything finds drift of kinds that are not watched.
  return controller::Outcome{.requeue_after = kLookPeriod};
}

Result<controller::Outcome> IstioCniController::Finalize(const Json& cni) {
  if (!kube::HasFinalizer(cni, kFinalizer)) return controller::Outcome{};
  const Json& inventory = At(cni, "status", "inventory");
  // The DaemonSet first: its agents ask once more whether it is going, and need their account and role for that.
  Json others = Json::array();
  for (const Json& e : inventory)
    if (Str(e, "kind") != "DaemonSet") others.push_back(e);
  FL_TRY(applier_.Prune(inventory, others, kube::Uid(cni)));
  for (const auto& pod : pods_.List())
    if (kube::Namespace(*pod) == Str(cni, "spec", "namespace"))
      return controller::Outcome{.requeue_after = Millis(200)};
  FL_TRY(applier_.Prune(inventory, Json::array(), kube::Uid(cni)));
  Json done = cni, kept = Json::array();
  for (const Json& f : done["metadata"]["finalizers"])
    if (f != kFinalizer) kept.push_back(f);
  done["metadata"]["finalizers"] = kept;
  auto written = api_.Update(kube::kIstioCnis, done);
  if (!written.ok() && written.error().code != Code::kNotFound && written.error().code != Code::kConflict)
    return written.error();
  return controller::Outcome{};
}

}  // namespace fairlead::mesh
