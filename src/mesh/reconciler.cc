#include "mesh/reconciler.h"

#include <algorithm>

#include "util/strings.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

namespace {

bool SameButStatus(const Json& a, const Json& b) {
  for (const char* key : {"uid", "generation", "annotations", "labels", "deletionTimestamp", "finalizers"})
    if (At(a, "metadata", key) != At(b, "metadata", key)) return false;
  return true;
}

}  // namespace

Reconciler::Reconciler(Operator& op, kube::Informer& objects, KindTraits traits, Millis look_period)
    : op_(op),
      installer_(op, look_period),
      objects_(objects),
      traits_(std::move(traits)),
      look_period_(look_period),
      controller_(
          ToLower(traits_.resource.kind), [this](const std::string& key) { return Reconcile(key); }, op.metrics) {
  objects_.AddHandler([this](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    // A status is mostly what was written here: it must not bring about the next look at once, which in a large cluster
    // would find something new to write each time.
    bool only_status = before && now && SameButStatus(*before, *now);
    controller_.Enqueue(kube::Name(now ? *now : *before), only_status ? Gathering() : Millis(0));
  });
  for (kube::Informer* owned : op_.caches.owned)
    owned->AddHandler([this](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
      const Json& owner = kube::ControllerOf(now ? *now : *before);
      if (Str(owner, "kind") != traits_.resource.kind) return;
      bool changes = MayChangeInstallation(before, now);
      if (changes) installer_.MarkChanged(Str(owner, "uid"));
      controller_.Enqueue(Str(owner, "name"), changes ? Millis(0) : Gathering());
    });
  // A namespace that comes, goes or ends decides whether anything can be in it.
  op_.caches.namespaces.AddHandler([this](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    if (before && now && kube::IsDeleting(*before) == kube::IsDeleting(*now)) return;
    for (const auto& o : objects_.List())
      if (Str(*o, "spec", "namespace") == kube::Name(now ? *now : *before)) {
        installer_.MarkChanged(kube::Uid(*o));
        controller_.Enqueue(kube::Name(*o));
      }
  });
}

std::optional<Problem> Reconciler::CheckUserValues(const Json& object, const Resources& resources,
                                                   std::initializer_list<const char*> charts, Json& status) {
  std::vector<const KnownValues*> known;
  for (const char* chart : charts)
    if (auto it = resources.known.find(chart); it != resources.known.end()) known.push_back(&it->second);
  ValuesCheck check = CheckValues(At(object, "spec", "values"), known);
  bool fine = check.unknown.empty();
  SetCondition(status, "ValuesKnown", fine ? "True" : "False", fine ? "AllKnown" : "UnknownValues",
               Join(check.unknown, "; "), kube::Generation(object), WallNow());
  if (check.wrong.empty()) return std::nullopt;
  return Invalid("validation error: " + Join(check.wrong, "; "));
}

void Reconciler::SetReconciled(Json& status, const std::optional<Problem>& problem, int64_t generation) {
  SetCondition(status, "Reconciled", problem ? "False" : "True", problem ? problem->reason : "Reconciled",
               problem ? problem->message : "", generation, WallNow());
}

void Reconciler::SetInUse(Json& status, bool in_use, int64_t generation) {
  SetCondition(status, "InUse", in_use ? "True" : "False", in_use ? "ReferencedByWorkloads" : "NotReferencedByAnything",
               in_use ? "Referenced by at least one pod or namespace" : "Not referenced by any pod or namespace",
               generation, WallNow());
}

void Reconciler::EnqueueAll(Millis delay) {
  for (const auto& o : objects_.List()) controller_.Enqueue(kube::Name(*o), delay);
}

Millis Reconciler::Gathering() const {
  return std::clamp(Millis(op_.caches.nodes.size() / 5), Millis(10), Millis(1000));
}

void Reconciler::OnChanges(kube::Informer& informer) {
  informer.AddHandler([this](const kube::ObjectPtr&, const kube::ObjectPtr&) { EnqueueAll(Gathering()); });
}

void Reconciler::OnChange(kube::Informer& informer,
                          std::function<bool(const kube::ObjectPtr&, const kube::ObjectPtr&)> concerns) {
  informer.AddHandler([this, concerns](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    if (!concerns || concerns(before, now)) EnqueueAll();
  });
}

std::optional<Problem> Reconciler::CheckNamespace(const std::string& ns) const {
  if (ns.empty()) return Invalid("validation error: namespace not set");
  auto found = op_.caches.namespaces.Get(ns);
  if (!found)
    return Invalid("validation error: namespace \"" + ns + "\" doesn't exist; create it: kubectl create namespace " +
                   ns);
  if (kube::IsDeleting(*found)) return Invalid("validation error: namespace \"" + ns + "\" is being deleted");
  return std::nullopt;
}

Status Reconciler::WriteStatus(const Json& object, const Json& status) {
  if (At(object, "status") == status) return {};
  Json next = object;
  next["status"] = status;
  auto written = op_.api.Update(traits_.resource, next, "status");
  if (!written.ok()) return written.error().Wrap("writing status");
  return {};
}

void Reconciler::Report(const Json& object, const Json& before, const Json& after) {
  for (const Json& now : At(after, "conditions")) {
    std::string type = Str(now, "type");
    const Json& old = FindCondition(before, type);
    // Whether it is used is no event of its own; of what is not part of the state, only that it fails.
    bool of_state = std::ranges::find(traits_.state_order, type) != traits_.state_order.end();
    bool fails = Str(now, "status") == "False" && Str(old, "reason") != Str(now, "reason");
    if (type == "InUse" || (!of_state && !fails)) continue;
    bool changed = Str(old, "status") != Str(now, "status") || Str(old, "reason") != Str(now, "reason") ||
                   (Str(now, "status") == "False" && Str(now, "reason") != "Updating" &&
                    Str(old, "message") != Str(now, "message"));
    if (!changed) continue;
    // What is not ready yet is the course of an update; what is not ready any more is a problem.
    bool still_starting = Str(now, "reason").ends_with("NotReady") && Str(old, "status") != "True";
    bool bad = Str(now, "status") == "False" && Str(now, "reason") != "Updating" && !still_starting;
    std::string message = Str(now, "message");
    if (message.empty()) {
      std::string version = Str(object, "spec", "version");
      message = version.empty() ? type : type + ": version " + version;
    }
    op_.events.Emit(object, bad ? "Warning" : "Normal", Str(now, "reason"), message);
  }
  std::set<std::string> known;
  for (const Json& f : At(before, "rollout", "failing")) known.insert(Str(f, "pod") + Str(f, "reason"));
  for (const Json& f : At(after, "rollout", "failing"))
    if (!known.contains(Str(f, "pod") + Str(f, "reason")))
      op_.events.Emit(
          object, "Warning", "NodeNotUpdated",
          "node " + Str(f, "node") + ": pod " + Str(f, "pod") + ": " + Str(f, "reason") + ": " + Str(f, "message"));
}

void Reconciler::Measure(const std::string& name, const Json& conditions) {
  auto labels = [&](const std::string& type) {
    return controller::Metrics::Labels{{"kind", traits_.resource.kind}, {"name", name}, {"type", type}};
  };
  std::set<std::string> types;
  for (const Json& c : conditions) {
    types.insert(Str(c, "type"));
    op_.metrics.Set("fairlead_condition", labels(Str(c, "type")), Str(c, "status") == "True",
                    "1 for a condition that is True, 0 for one that is False or Unknown");
  }
  for (const std::string& type : measured_[name])
    if (!types.contains(type)) op_.metrics.Forget("fairlead_condition", labels(type));
  if (types.empty())
    measured_.erase(name);
  else
    measured_[name] = std::move(types);
}

Result<controller::Outcome> Reconciler::Reconcile(const std::string& name) {
  auto cached = objects_.Get(name);
  if (!cached) {
    Measure(name, value::Null());
    return controller::Outcome{};
  }
  Json object = *cached;
  if (kube::IsDeleting(object)) return Finalize(object);
  if (traits_.finalizer && !kube::HasFinalizer(object, kFinalizer)) {
    object["metadata"]["finalizers"].push_back(kFinalizer);
    auto written = op_.api.Update(traits_.resource, object);
    if (!written.ok() && written.error().code != Code::kConflict) return written.error();
    return controller::Outcome{};
  }
  int64_t generation = kube::Generation(object);
  Json before = At(object, "status").is_object() ? At(object, "status") : Json::object();
  if (traits_.ready && value::Int(before, "observedGeneration") < generation) {
    Json first = before;
    first["observedGeneration"] = generation;
    SetCondition(first, "Ready", "False", "Updating", "reconciling version " + Str(object, "spec", "version"),
                 generation, WallNow());
    first["state"] = DeriveState(first, {"Ready"});
    FL_TRY(WriteStatus(object, first));
    Report(object, before, first);
    return controller::Outcome{};  // the write comes back as an event, with the object's new resource version
  }
  Json status = before;
  status["observedGeneration"] = generation;
  FL_ASSIGN(Looked looked, Look(object, status));
  if (looked.problem && looked.problem->stale) return MakeError(Code::kConflict, looked.problem->message);
  status["state"] = DeriveState(status, traits_.state_order);
  FL_TRY(WriteStatus(object, status));
  Report(object, before, status);
  Measure(name, At(status, "conditions"));
  if (looked.problem && looked.problem->retry) return MakeError(Code::kUnavailable, looked.problem->message);
  // Watches tell of every change; a slow look at everything finds drift of kinds that are not watched.
  return controller::Outcome{.requeue_after = std::min(look_period_, looked.again_after.value_or(look_period_))};
}

Result<bool> Reconciler::Remove(const Json& object) {
  FL_TRY(op_.applier.Prune(At(object, "status", "inventory"), Json::array(), kube::Uid(object)));
  return true;
}

Result<controller::Outcome> Reconciler::Finalize(const Json& object) {
  if (!kube::HasFinalizer(object, kFinalizer)) return controller::Outcome{};
  FL_ASSIGN(bool gone, Remove(object));
  if (!gone) return controller::Outcome{.requeue_after = Millis(200)};
  installer_.Forget(kube::Uid(object));
  Json done = object, kept = Json::array();
  for (const Json& f : done["metadata"]["finalizers"])
    if (f != kFinalizer) kept.push_back(f);
  done["metadata"]["finalizers"] = kept;
  auto written = op_.api.Update(traits_.resource, done);
  if (!written.ok() && written.error().code != Code::kNotFound && written.error().code != Code::kConflict)
    return written.error();
  return controller::Outcome{};
}

}  // namespace fairlead::mesh
