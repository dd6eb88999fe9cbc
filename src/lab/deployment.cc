// The Deployment and ReplicaSet controllers. Source of the behaviour: k8s.io/kubernetes pkg/controller/deployment
// (rolling.go, sync.go) and pkg/controller/replicaset.
#include "lab/controllers.h"
#include "lab/workloads.h"
#include "util/log.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr const char* kTemplateHash = "pod-template-hash";
constexpr const char* kRevision = "deployment.kubernetes.io/revision";

int64_t Replicas(const Json& o) { return value::AsInt(At(o, "spec", "replicas"), 1); }

class DeploymentSync {
 public:
  DeploymentSync(LocalApi& api, const Json& d) : api_(api), d_(d), ns_(kube::Namespace(d)), name_(kube::Name(d)) {}

  void Run() {
    if (kube::IsDeleting(d_)) return;
    Collect();
    if (!fresh_) {
      Create();
      return;  // the next look sees it
    }
    Number();
    if (!value::Bool(d_, "spec", "paused")) {
      if (Str(d_, "spec", "strategy", "type") == "Recreate")
        Recreate();
      else
        Roll();
    }
    WriteStatus();
  }

 private:
  void Collect() {
    hash_ = value::Sha256Hex(value::Dump(At(d_, "spec", "template"))).substr(0, 10);
    for (const auto& rs : api_.store().List("apps/replicasets", ns_)) {
      if (!kube::IsControlledBy(*rs, d_)) continue;
      if (kube::Label(*rs, kTemplateHash) == hash_)
        fresh_ = rs;
      else
        old_.push_back(rs);
    }
  }

  void Create() {
    Json tmpl = At(d_, "spec", "template");
    tmpl["metadata"]["labels"][kTemplateHash] = hash_;
    Json selector = At(d_, "spec", "selector");
    selector["matchLabels"][kTemplateHash] = hash_;
    int64_t revision = 0;
    for (const auto& rs : old_) revision = std::max(revision, ParseInt(kube::Annotation(*rs, kRevision)).value_or(0));
    auto made = api_.Create(
        kube::kReplicaSets,
        {{"metadata",
          {{"name", name_ + "-" + hash_},
           {"namespace", ns_},
           {"labels", tmpl["metadata"]["labels"]},
           {"annotations", {{kRevision, std::to_string(revision + 1)}}},
           {"ownerReferences", {OwnerOf(d_, "Deployment")}}}},
         {"spec", {{"replicas", old_.empty() ? Replicas(d_) : 0}, {"selector", selector}, {"template", tmpl}}}});
    if (!made.ok())
      Log(Level::kWarn, "a Deployment gets no ReplicaSet; it is tried again when it changes",
          {{"deployment", ns_ + "/" + name_}, {"error", made.error().message}});
  }

  void Scale(const ObjectPtr& rs, int64_t replicas) {
    if (Replicas(*rs) == replicas) return;
    Json next = *rs;
    next["spec"]["replicas"] = replicas;
    (void)api_.Update(kube::kReplicaSets, next, "").ok();
  }

  void Recreate() {
    bool left = false;
    for (const auto& rs : old_) {
      Scale(rs, 0);
      left = left || Int(*rs, "status", "replicas") > 0;
    }
    if (!left) Scale(fresh_, Replicas(d_));
  }

  void Roll() {
    int64_t wanted = Replicas(d_), total = Replicas(*fresh_), available = Int(*fresh_, "status", "availableReplicas");
    const Json& rolling = At(d_, "spec", "strategy", "rollingUpdate");
    int64_t surge = Scaled(At(rolling, "maxSurge"), wanted, true),
            unavailable = Scaled(At(rolling, "maxUnavailable"), wanted, false);
    if (surge == 0 && unavailable == 0) unavailable = 1;
    for (const auto& rs : old_) {
      total += Replicas(*rs);
      available += Int(*rs, "status", "availableReplicas");
    }
    if (Replicas(*fresh_) > wanted) return Scale(fresh_, wanted);
    if (Replicas(*fresh_) < wanted) {
      int64_t room = wanted + surge - total;
      if (room > 0) return Scale(fresh_, std::min(wanted, Replicas(*fresh_) + room));
    }
    // Of the old ones: first those that serve nobody, then as many as may be missing.
    int64_t spare = available - (wanted - unavailable);
    for (const auto& rs : old_) {
      int64_t idle = Replicas(*rs) - Int(*rs, "status", "availableReplicas");
      int64_t fewer = std::min(Replicas(*rs), std::max<int64_t>(0, idle) + std::max<int64_t>(0, spare));
      if (fewer <= 0 || Int(*rs, "status", "observedGeneration") < kube::Generation(*rs)) continue;
      spare -= std::max<int64_t>(0, fewer - std::max<int64_t>(0, idle));
      Scale(rs, Replicas(*rs) - fewer);
    }
    auto limit = static_cast<size_t>(value::AsInt(At(d_, "spec", "revisionHistoryLimit"), 10));
    for (size_t i = 0; old_.size() > limit && i < old_.size() - limit; ++i)
      if (Replicas(*old_[i]) == 0 && Int(*old_[i], "status", "replicas") == 0)
        (void)api_.Delete(kube::kReplicaSets, ns_, kube::Name(*old_[i]), {}).ok();
  }

  void WriteStatus() {
    int64_t all = 0, ready = 0, available = 0, wanted = Replicas(d_);
    std::vector<ObjectPtr> every = old_;
    every.push_back(fresh_);
    for (const auto& rs : every) {
      all += Int(*rs, "status", "replicas");
      ready += Int(*rs, "status", "readyReplicas");
      available += Int(*rs, "status", "availableReplicas");
    }
    bool enough =
        available >= wanted - Scaled(At(d_, "spec", "strategy", "rollingUpdate", "maxUnavailable"), wanted, false);
    (void)api_
        .UpdateStatus(
            kube::kDeployments, ns_, name_,
            [&](Json& s) {
              s["observedGeneration"] = kube::Generation(d_);
              for (const auto& [key, n] : {std::pair{"replicas", all},
                                           {"updatedReplicas", Int(*fresh_, "status", "replicas")},
                                           {"readyReplicas", ready},
                                           {"availableReplicas", available},
                                           {"unavailableReplicas", std::max<int64_t>(0, wanted - available)}}) {
                if (n > 0)
                  s[key] = n;
                else
                  s.erase(key);
              }
              // As the real one words them.
              SetCondition(
                  s, "Available", enough, enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.");
              bool done = Int(*fresh_, "status", "replicas") == wanted && all == wanted && available >= wanted;
              SetCondition(s, "Progressing", true, done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
                           "ReplicaSet \"" + kube::Name(*fresh_) +
                               (done ? "\" has successfully progressed." : "\" is progressing."));
            })
        .ok();
  }

  static void SetCondition(Json& status, const std::string& type, bool is, const std::string& reason,
                           const std::string& message) {
    Json& conditions = status["conditions"];
    if (!conditions.is_array()) conditions = Json::array();
    std::string now = Rfc3339(WallNow());
    Json fresh = {{"type", type},       {"status", is ? "True" : "False"}, {"reason", reason},
                  {"message", message}, {"lastUpdateTime", now},           {"lastTransitionTime", now}};
    for (Json& c : conditions) {
      if (Str(c, "type") != type) continue;
      bool same = Str(c, "status") == Str(fresh, "status");
      if (same) fresh["lastTransitionTime"] = c["lastTransitionTime"];
      if (!same || Str(c, "reason") != reason || Str(c, "message") != message) c = fresh;
      return;
    }
    conditions.push_back(fresh);
  }

  // The number of the template that is rolled out, as `kubectl rollout history` shows it.
  void Number() {
    std::string revision = kube::Annotation(*fresh_, kRevision);
    if (kube::Annotation(d_, kRevision) == revision) return;
    Json patch = {{"metadata", {{"annotations", {{kRevision, revision}}}}}};
    (void)api_.Patch(kube::kDeployments, ns_, name_, kube::PatchType::kMerge, patch, {}).ok();
  }

  LocalApi& api_;
  const Json& d_;
  std::string ns_, name_, hash_;
  ObjectPtr fresh_;
  std::vector<ObjectPtr> old_;
};

void SyncReplicaSet(LocalApi& api, const Json& rs) {
  if (kube::IsDeleting(rs)) return;
  std::string ns = kube::Namespace(rs), name = kube::Name(rs);
  std::vector<ObjectPtr> pods;
  for (const auto& pod : api.store().List("/pods", ns)) {
    if (!kube::IsControlledBy(*pod, rs) || kube::IsDeleting(*pod)) continue;
    std::string phase = Str(*pod, "status", "phase");
    if (phase != "Succeeded" && phase != "Failed") pods.push_back(pod);
  }
  // Those that are ready last: the others go first.
  std::stable_sort(pods.begin(), pods.end(),
                   [](const auto& a, const auto& b) { return kube::IsPodReady(*a) < kube::IsPodReady(*b); });
  int64_t missing = Replicas(rs) - static_cast<int64_t>(pods.size());
  for (int64_t i = 0; i < missing; ++i) {
    Json meta = At(rs, "spec", "template", "metadata");
    meta["generateName"] = name + "-";
    meta["namespace"] = ns;
    meta["ownerReferences"] = {OwnerOf(rs, "ReplicaSet")};
    auto made = api.Create(kube::kPods, {{"metadata", meta}, {"spec", At(rs, "spec", "template", "spec")}});
    if (!made.ok()) {
      Log(Level::kWarn, "a ReplicaSet gets no pod; it is tried again when it changes",
          {{"replicaset", ns + "/" + name}, {"error", made.error().message}});
      break;
    }
  }
  for (size_t i = 0; i < static_cast<size_t>(std::max<int64_t>(0, -missing)); ++i)
    (void)api.Delete(kube::kPods, ns, kube::Name(*pods[i]), {.uid = kube::Uid(*pods[i]), .resource_version = ""}).ok();
  int64_t ready = std::count_if(pods.begin(), pods.end(), [](const auto& p) { return kube::IsPodReady(*p); });
  (void)api
      .UpdateStatus(kube::kReplicaSets, ns, name,
                    [&](Json& s) {
                      s["observedGeneration"] = kube::Generation(rs);
                      s["replicas"] = static_cast<int64_t>(pods.size());
                      for (const char* key : {"readyReplicas", "availableReplicas", "fullyLabeledReplicas"}) {
                        int64_t n =
                            std::string_view(key) == "fullyLabeledReplicas" ? static_cast<int64_t>(pods.size()) : ready;
                        if (n > 0)
                          s[key] = n;
                        else
                          s.erase(key);
                      }
                    })
      .ok();
}

}  // namespace

void SyncDeployments(LocalApi& api) {
  for (const auto& d : api.store().List("apps/deployments")) DeploymentSync(api, *d).Run();
  for (const auto& rs : api.store().List("apps/replicasets")) SyncReplicaSet(api, *rs);
}

}  // namespace fairlead::lab
