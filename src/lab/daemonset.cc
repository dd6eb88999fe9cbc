// The DaemonSet controller. Source of the behaviour: k8s.io/kubernetes pkg/controller/daemon (manage, rollingUpdate,
// updateDaemonSetStatus).
#include "kube/scheduling.h"
#include "lab/controllers.h"
#include "lab/workloads.h"
#include "util/log.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

constexpr const char* kRevisionHash = "controller-revision-hash";

struct NodePods {
  std::vector<ObjectPtr> all;  // oldest first, those that are going included
  ObjectPtr fresh, old;        // not going: of the current revision, of another
};

class DaemonSetSync {
 public:
  DaemonSetSync(LocalApi& api, const Json& ds) : api_(api), ds_(ds), ns_(kube::Namespace(ds)), name_(kube::Name(ds)) {}

  void Run() {
    if (kube::IsDeleting(ds_)) return;
    Revision();
    Collect();
    Manage();
    if (Str(ds_, "spec", "updateStrategy", "type") == "RollingUpdate") RollingUpdate();
    WriteStatus();
  }

 private:
  void Revision() {
    Json tmpl = At(ds_, "spec", "template");
    hash_ = value::Sha256Hex(value::Dump(tmpl)).substr(0, 10);
    int64_t highest = 0;
    ObjectPtr mine;
    std::vector<ObjectPtr> owned;
    for (const auto& r : api_.store().List("apps/controllerrevisions", ns_)) {
      if (!kube::IsControlledBy(*r, ds_)) continue;
      owned.push_back(r);
      highest = std::max(highest, Int(*r, "revision"));
      if (kube::Label(*r, kRevisionHash) == hash_) mine = r;
    }
    if (mine && Int(*mine, "revision") == highest) return;
    if (mine) {
      Json again = *mine;
      again["revision"] = highest + 1;
      (void)api_.Update(kube::kControllerRevisions, again, "").ok();
      return;
    }
    Json labels = At(tmpl, "metadata", "labels").is_object() ? At(tmpl, "metadata", "labels") : Json::object();
    labels[kRevisionHash] = hash_;
    (void)api_
        .Create(kube::kControllerRevisions, {{"metadata",
                                              {{"name", name_ + "-" + hash_},
                                               {"namespace", ns_},
                                               {"labels", labels},
                                               {"ownerReferences", {OwnerOf(ds_, "DaemonSet")}}}},
                                             {"data", {{"spec", {{"template", tmpl}}}}},
                                             {"revision", highest + 1}})
        .ok();
    auto limit = static_cast<size_t>(value::AsInt(At(ds_, "spec", "revisionHistoryLimit"), 10));
    std::sort(owned.begin(), owned.end(),
              [](const auto& a, const auto& b) { return Int(*a, "revision") < Int(*b, "revision"); });
    for (size_t i = 0; owned.size() > limit && i < owned.size() - limit; ++i)
      (void)api_.Delete(kube::kControllerRevisions, ns_, kube::Name(*owned[i]), {}).ok();
  }

  void Collect() {
    auto selector = kube::Selector::FromJson(At(ds_, "spec", "selector"));
    for (const auto& node : api_.store().List("/nodes"))
      if (kube::WhyNotOnNode(At(ds_, "spec", "template", "spec"), *node).empty()) nodes_[kube::Name(*node)];
    for (const auto& pod : api_.store().List("/pods", ns_)) {
      if (!kube::IsControlledBy(*pod, ds_)) continue;
      std::string node = Str(*pod, "spec", "nodeName");
      if (!nodes_.contains(node)) {
        misscheduled_.push_back(pod);
        continue;
      }
      nodes_[node].all.push_back(pod);
    }
    for (auto& [node, pods] : nodes_) {
      std::sort(pods.all.begin(), pods.all.end(), [](const auto& a, const auto& b) {
        return std::pair(Str(*a, "metadata", "creationTimestamp"), std::stoull(kube::ResourceVersion(*a))) <
               std::pair(Str(*b, "metadata", "creationTimestamp"), std::stoull(kube::ResourceVersion(*b)));
      });
      for (const auto& pod : pods.all) {
        if (kube::IsDeleting(*pod)) continue;
        (kube::Label(*pod, kRevisionHash) == hash_ ? pods.fresh : pods.old) = pod;
      }
    }
  }

  bool Available(const ObjectPtr& pod) const {
    if (!pod || !kube::IsPodReady(*pod)) return false;
    int64_t min_ready = Int(ds_, "spec", "minReadySeconds");
    if (min_ready == 0) return true;
    auto since = ParseRfc3339(Str(kube::Condition(*pod, "Ready"), "lastTransitionTime"));
    return since.ok() && WallNow() - *since >= std::chrono::seconds(min_ready);
  }

  void CreatePod(const std::string& node) {
    const Json& tmpl = At(ds_, "spec", "template");
    Json meta = {{"generateName", name_ + "-"}, {"namespace", ns_}, {"ownerReferences", {OwnerOf(ds_, "DaemonSet")}}};
    meta["labels"] = At(tmpl, "metadata", "labels").is_object() ? At(tmpl, "metadata", "labels") : Json::object();
    meta["labels"][kRevisionHash] = hash_;
    if (At(tmpl, "metadata", "annotations").is_object()) meta["annotations"] = At(tmpl, "metadata", "annotations");
    Json spec = At(tmpl, "spec");
    // The real controller pins by affinity and lets the scheduler bind; the outcome is the same.
    spec["nodeName"] = node;
    auto made = api_.Create(kube::kPods, {{"metadata", meta}, {"spec", spec}});
    if (!made.ok())
      Log(Level::kWarn, "a DaemonSet gets no pod on a node; it is tried again when it changes",
          {{"daemonset", ns_ + "/" + name_}, {"error", made.error().message}});
  }

  void DeletePod(const ObjectPtr& pod) {
    (void)api_.Delete(kube::kPods, ns_, kube::Name(*pod), {.uid = kube::Uid(*pod), .resource_version = ""}).ok();
  }

  // One pod a node; failed ones make room for another.
  void Manage() {
    for (const auto& pod : misscheduled_)
      if (!kube::IsDeleting(*pod)) DeletePod(pod);
    for (auto& [node, pods] : nodes_) {
      for (const auto& pod : pods.all)
        if (Str(*pod, "status", "phase") == "Failed" && !kube::IsDeleting(*pod)) DeletePod(pod);
      if (pods.all.empty()) CreatePod(node);
    }
  }

  void RollingUpdate() {
    const Json& rolling = At(ds_, "spec", "updateStrategy", "rollingUpdate");
    int desired = static_cast<int>(nodes_.size());
    // Percentages of both round up here.
    int max_surge = static_cast<int>(Scaled(At(rolling, "maxSurge"), desired, true)),
        max_unavailable = static_cast<int>(Scaled(At(rolling, "maxUnavailable"), desired, true));
    if (max_surge > 0) return Surge(max_surge);
    int unavailable = 0;
    std::vector<ObjectPtr> candidates;
    for (auto& [node, pods] : nodes_) {
      if (pods.old && !Available(pods.old)) {
        DeletePod(pods.old);  // it serves nobody
        ++unavailable;
      } else if (pods.old) {
        candidates.push_back(pods.old);
      } else if (!Available(pods.fresh)) {
        ++unavailable;
      }
    }
    for (const auto& pod : candidates)
      if (unavailable < std::max(1, max_unavailable)) {
        DeletePod(pod);
        ++unavailable;
      }
  }

  void Surge(int max_surge) {
    int surging = 0;
    std::vector<std::string> allowed, candidates;
    for (auto& [node, pods] : nodes_) {
      if (!pods.old) continue;
      if (!pods.fresh)
        (Available(pods.old) ? candidates : allowed).push_back(node);
      else if (Available(pods.fresh))
        DeletePod(pods.old);
      else
        ++surging;
    }
    for (const std::string& node : allowed) CreatePod(node);
    for (const std::string& node : candidates)
      if (surging++ < max_surge) CreatePod(node);
  }

  void WriteStatus() {
    int64_t current = 0, ready = 0, available = 0, updated = 0, desired = static_cast<int64_t>(nodes_.size());
    for (auto& [node, pods] : nodes_) {
      if (pods.all.empty()) continue;
      ++current;
      const ObjectPtr& oldest = pods.all.front();
      if (kube::IsPodReady(*oldest)) ++ready;
      if (Available(oldest)) ++available;
      if (kube::Label(*oldest, kRevisionHash) == hash_) ++updated;
    }
    (void)api_
        .UpdateStatus(kube::kDaemonSets, ns_, name_,
                      [&](Json& s) {
                        s["currentNumberScheduled"] = current;
                        s["numberMisscheduled"] = static_cast<int64_t>(misscheduled_.size());
                        s["desiredNumberScheduled"] = desired;
                        s["numberReady"] = ready;
                        s["observedGeneration"] = kube::Generation(ds_);
                        for (const auto& [key, n] : {std::pair{"updatedNumberScheduled", updated},
                                                     {"numberAvailable", available},
                                                     {"numberUnavailable", desired - available}}) {
                          if (n > 0)
                            s[key] = n;
                          else
                            s.erase(key);
                        }
                      })
        .ok();
  }

  LocalApi& api_;
  const Json& ds_;
  std::string ns_, name_, hash_;
  std::map<std::string, NodePods> nodes_;
  std::vector<ObjectPtr> misscheduled_;
};

}  // namespace

void SyncDaemonSets(LocalApi& api) {
  for (const auto& ds : api.store().List("apps/daemonsets")) DaemonSetSync(api, *ds).Run();
}

}  // namespace fairlead::lab
