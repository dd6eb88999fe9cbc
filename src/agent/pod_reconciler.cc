#include "agent/pod_reconciler.h"

#include "agent/netns_finder.h"
#include "util/log.h"

namespace fairlead::agent {
namespace {

using value::At;
using value::Str;

// Others look at it: istiod, ztunnel's operators, istioctl. Values and key are istio's.
constexpr const char* kRedirection = "ambient.istio.io/redirection";
// How long a pod that runs already waits for ztunnel. It is in the journal before, so a ztunnel that comes later gets
// it with its snapshot.
constexpr Millis kZtunnelWait{1000};
// Longer than a pod takes; an API server that does not answer holds nobody up.
constexpr Millis kPauseWait{2000};
// A pod that the runtime is attaching at this moment is the plugin's to bring in.
constexpr Millis kLookAgain{2000};

bool HasEnded(const Json& pod) {
  std::string phase = Str(pod, "status", "phase");
  return phase == "Succeeded" || phase == "Failed";
}

std::vector<std::string> AddressesOf(const Json& pod) {
  std::vector<std::string> out;
  for (const Json& ip : At(pod, "status", "podIPs")) out.push_back(Str(ip, "ip"));
  if (out.empty() && !Str(pod, "status", "podIP").empty()) out.push_back(Str(pod, "status", "podIP"));
  return out;
}

}  // namespace

PodReconciler::PodReconciler(const Config& config, kube::Api& api, kube::Informer& pods, kube::Informer* namespaces,
                             Enroller& enroller, controller::Metrics& metrics)
    : config_(config),
      api_(api),
      pods_(pods),
      namespaces_(namespaces),
      enroller_(enroller),
      metrics_(metrics),
      controller_(
          "pods", [this](const std::string& key) { return Work(key); }, metrics) {}

Result<controller::Outcome> PodReconciler::Work(const std::string& key) {
  {
    std::lock_guard lock(mutex_);
    if (paused_) return controller::Outcome{};
    working_ = true;
  }
  auto outcome = Reconcile(key, kZtunnelWait);
  std::lock_guard lock(mutex_);
  working_ = false;
  idle_.notify_all();
  return outcome;
}

void PodReconciler::Watch() {
  auto count = [this](const char* type) {
    metrics_.Count("nodeagent_reconcile_events_total", {{"type", type}}, 1,
                   "Pod and namespace events that were looked at");
  };
  pods_.AddHandler([this, count](const kube::ObjectPtr& old, const kube::ObjectPtr& now) {
    count(!old ? "add" : !now ? "delete" : "update");
    controller_.Enqueue(kube::Key(now ? *now : *old));
    // The UID tells which of two pods of one name has gone.
    if (old && (!now || kube::Uid(*now) != kube::Uid(*old)))
      if (auto e = enroller_.journal().FindPod(kube::Uid(*old)); e && !paused_) enroller_.Unenrol(*e, false);
  });
  if (!namespaces_) return;
  namespaces_->AddHandler([this, count](const kube::ObjectPtr& old, const kube::ObjectPtr& now) {
    if (!now || (old && At(*old, "metadata", "labels") == At(*now, "metadata", "labels"))) return;
    count("namespace");
    for (const kube::ObjectPtr& pod : pods_.List())
      if (kube::Namespace(*pod) == kube::Name(*now)) controller_.Enqueue(kube::Key(*pod));
  });
}

void PodReconciler::Pause(bool paused) {
  {
    std::unique_lock lock(mutex_);
    paused_ = paused;
    if (paused) {
      idle_.wait_for(lock, kPauseWait, [&] { return !working_; });
      return;
    }
  }
  for (const kube::ObjectPtr& pod : pods_.List()) controller_.Enqueue(kube::Key(*pod));
}

void PodReconciler::AdoptAll() {
  for (const kube::ObjectPtr& pod : pods_.List())
    if (auto r = Reconcile(kube::Key(*pod), Millis(0)); !r.ok() && r.error().code != Code::kDeadlineExceeded)
      Log(Level::kWarn, "the pod is not in the mesh yet; it is tried again",
          {{"pod", kube::Key(*pod)}, {"error", r.error().message}});
}

Result<controller::Outcome> PodReconciler::Reconcile(const std::string& key, Millis ztunnel_wait) {
  auto pod = pods_.Get(key);
  if (!pod) return controller::Outcome{};
  auto enrolled = enroller_.journal().FindPod(kube::Uid(*pod));
  if (HasEnded(*pod)) {
    if (enrolled) enroller_.Unenrol(*enrolled, false);
    return controller::Outcome{};
  }
  auto decision = enroller_.Decide(*pod);
  if (!decision.ok()) {
    if (decision.error().code == Code::kUnavailable) return controller::Outcome{.requeue_after = Millis(200)};
    Log(Level::kWarn, "the pod is left as it is; correct what the error names and start it again",
        {{"pod", key}, {"error", decision.error().message}});
    return controller::Outcome{};
  }
  bool wanted = decision->skip_reason.empty();
  bool ambient = wanted && std::holds_alternative<redirect::AmbientConfig>(decision->config);
  if (enrolled && enrolled->entry.ambient() && !ambient) {
    enroller_.Unenrol(*enrolled, true);
    enrolled.reset();
  }
  if (wanted && !enrolled) {
    if (AddressesOf(*pod).empty()) return controller::Outcome{};  // it has no network yet: the plugin brings it in
    Status s = ambient ? BringIn(*pod, decision->config, ztunnel_wait) : Repair(*pod, decision->config);
    enrolled = enroller_.journal().FindPod(kube::Uid(*pod));
    // The pod may have ended before it was in the journal; its end found nothing to take back.
    if (auto now = pods_.Get(key); enrolled && (!now || kube::Uid(*now) != kube::Uid(*pod))) {
      enroller_.Unenrol(*enrolled, false);
      return controller::Outcome{};
    }
    if (!s.ok() && s.error().code == Code::kNotFound) return controller::Outcome{.requeue_after = kLookAgain};
    if (!s.ok()) return s.error();
  }
  FL_TRY(Annotate(*pod, ambient && enrolled));
  return controller::Outcome{};
}

// A pod that runs: its namespace is found by its address.
Status PodReconciler::BringIn(const Json& pod, const redirect::PodConfig& config, Millis ztunnel_wait) {
  FL_ASSIGN(FoundNetns found, FindNetns(config_.netns_dir, AddressesOf(pod)));
  return enroller_.Enrol(
      pod, config, {"uid-" + kube::Uid(pod), "", found.path, std::make_shared<UniqueFd>(std::move(found.fd)), true},
      SteadyNow() + ztunnel_wait);
}

// A sidecar pod that this node's plugin did not bring in: it ran before the plugin was here, or started without it.
Status PodReconciler::Repair(const Json& pod, const redirect::PodConfig& config) {
  if (!config_.repair.enabled) return {};
  auto count = [&](const char* type, const char* result) {
    metrics_.Count("istio_cni_repair_pods_repaired_total", {{"type", type}, {"result", result}}, 1,
                   "Pods that ran without their rules, by what was done");
  };
  if (config_.repair.repair_pods) {
    Status s = BringIn(pod, config, Millis(0));
    if (!s.ok() && s.error().code != Code::kNotFound) count("repair", "fail");
    if (!s.ok()) return s;
    auto e = enroller_.journal().FindPod(kube::Uid(pod));
    if (e && !e->entry.found && IsBroken(pod)) {
      count("repair", "success");
      Log(Level::kWarn, "a pod that had started without its rules was repaired in place",
          {{"pod", kube::Key(pod)}, {"uid", kube::Uid(pod)}});
    }
    return {};
  }
  if (!IsBroken(pod)) return {};
  const char* type = config_.repair.delete_pods ? "delete" : config_.repair.label_pods ? "label" : "";
  if (!*type) return {};
  Status s = DeleteOrLabel(pod);
  count(type, s.ok() ? "success" : "fail");
  return s;
}

// istio's rule: the pod has a sidecar, and its istio-validation container has ended with the exit code that says so.
bool PodReconciler::IsBroken(const Json& pod) const {
  const RepairConfig& r = config_.repair;
  if (!kube::HasAnnotation(pod, r.sidecar_annotation)) return false;
  for (const Json& c : At(pod, "status", "initContainerStatuses")) {
    if (Str(c, "name") != r.init_container) continue;
    const Json& now = At(c, "state", "terminated");
    if (now.is_object() && value::Int(now, "exitCode") == 0) return false;
    for (const Json* ended : {&At(c, "lastState", "terminated"), &now}) {
      if (!ended->is_object()) continue;
      bool code = r.exit_code == 0 || value::Int(*ended, "exitCode") == r.exit_code;
      bool text = r.exit_message.empty() || Str(*ended, "message") == r.exit_message;
      if (code && text) return true;
    }
  }
  return false;
}

Status PodReconciler::DeleteOrLabel(const Json& pod) {
  if (config_.repair.delete_pods) {
    Log(Level::kWarn,
        "a pod that started without its rules is deleted, since values.cni.repair.deletePods is set; its controller "
        "makes another",
        {{"pod", kube::Key(pod)}});
    return api_.Delete(kube::kPods, kube::Namespace(pod), kube::Name(pod),
                       {.uid = kube::Uid(pod), .resource_version = kube::ResourceVersion(pod), .propagation = ""});
  }
  if (kube::Label(pod, config_.repair.label_key) == config_.repair.label_value) return {};
  Json patch = {{"metadata", {{"labels", {{config_.repair.label_key, config_.repair.label_value}}}}}};
  auto done = api_.Patch(kube::kPods, kube::Namespace(pod), kube::Name(pod), kube::PatchType::kMerge, patch,
                         {.subresource = "status"});
  return done.ok() ? Status() : Status(done.error());
}

Status PodReconciler::Annotate(const Json& pod, bool enrolled) {
  if (!enroller_.has_ambient()) return {};
  std::string have = kube::Annotation(pod, kRedirection);
  if (have == (enrolled ? "enabled" : "")) return {};
  Json patch = {{"metadata", {{"annotations", {{kRedirection, enrolled ? Json("enabled") : Json()}}}}}};
  auto done = api_.Patch(kube::kPods, kube::Namespace(pod), kube::Name(pod), kube::PatchType::kMerge, patch,
                         {.subresource = "status"});
  if (done.ok() || done.error().code == Code::kNotFound) return {};
  return done.error();
}

}  // namespace fairlead::agent
