// A cluster for tests of the whole operator, in this process: the lab's API server and controllers, nodes whose pods
// are ready at once, and an API that fails when it is told to.
#pragma once
#include <gtest/gtest.h>

#include "embedded/catalog.h"
#include "embedded/charts.h"
#include "embedded/lab_types.h"
#include "embedded/profiles.h"
#include "lab/controllers.h"
#include "mesh/istio.h"
#include "mesh/istiocni.h"
#include "mesh/istiorevision.h"
#include "mesh/istiorevisiontag.h"
#include "mesh/ztunnel.h"
#include "util/fd.h"
#include "util/strings.h"

namespace fairlead::mesh {

// What becomes of the operator's nth write.
enum class Fault {
  kNone,
  kDies,               // it is done, and the operator dies: nothing that it asks after that is answered
  kConflict,           // 409
  kServerError,        // 500
  kTooManyRequests,    // 429
  kTimeoutAfterApply,  // it is done, and the answer is lost
};

// The lab's API as the operator sees it: with watches, counted writes, and faults.
class FaultyApi : public kube::Api {
 public:
  explicit FaultyApi(lab::Rest& rest) : api_(rest, "fairlead-operator"), rest_(rest) {}
  void FailAt(int write, Fault fault) {
    at_ = write;
    fault_ = fault;
  }
  // Lists and watches as they were at that version, as from an API server whose cache lags. Reads of single objects and
  // writes go to the present, as they do in Kubernetes.
  void ShowThePast(uint64_t version) { past_ = version; }
  void ShowThePresent() { past_ = 0; }
  // Watches tell what came of an object since they last told something, and not what it was in between; of one that
  // came and went meanwhile, nothing.
  void MergeEvents(Millis period) { merge_ = period.count(); }
  int writes() const { return writes_; }
  bool dead() const { return dead_; }
  // "PATCH DaemonSet/istio-cni-node", in order; Events are not counted.
  std::vector<std::string> log() const {
    std::lock_guard lock(mutex_);
    return log_;
  }

  // The cluster's version before each write.
  std::vector<uint64_t> versions() const {
    std::lock_guard lock(mutex_);
    return versions_;
  }

  Result<Json> Get(const kube::Resource& r, const std::string& ns, const std::string& name) override {
    if (dead_) return Dead();
    return api_.Get(r, ns, name);
  }
  Result<kube::ListResult> List(const kube::Resource& r, const std::string& ns, const kube::ListOptions& o) override {
    if (dead_) return Dead();
    if (past_ == 0) return api_.List(r, ns, o);
    // The present, with what has happened since undone.
    FL_ASSIGN(auto labels, kube::Selector::Parse(o.label_selector));
    std::string kind = r.group + "/" + r.plural;
    std::map<std::string, kube::ObjectPtr> objects;
    for (const auto& object : rest_.store().List(kind, ns)) objects[kube::Key(*object)] = object;
    FL_ASSIGN(auto changes, rest_.store().ChangesAfter(kind, past_, Millis(0)));
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
      std::string key = kube::Key(*change->object);
      if (change->before)
        objects[key] = change->before;
      else
        objects.erase(key);
    }
    kube::ListResult out;
    for (const auto& [key, object] : objects)
      if (labels.Matches(value::At(*object, "metadata", "labels"))) out.items.push_back(*object);
    out.resource_version = std::to_string(past_.load());
    return out;
  }
  Result<Json> Create(const kube::Resource& r, const Json& o) override {
    return Write("CREATE", r, kube::Name(o), [&] { return api_.Create(r, o); });
  }
  Result<Json> Update(const kube::Resource& r, const Json& o, const std::string& sub) override {
    return Write("UPDATE" + (sub.empty() ? "" : "-" + sub), r, kube::Name(o), [&] { return api_.Update(r, o, sub); });
  }
  Result<Json> Patch(const kube::Resource& r, const std::string& ns, const std::string& name, kube::PatchType type,
                     const Json& patch, const kube::PatchOptions& o) override {
    return Write("PATCH", r, name, [&] { return api_.Patch(r, ns, name, type, patch, o); });
  }
  Status Delete(const kube::Resource& r, const std::string& ns, const std::string& name,
                const kube::DeleteOptions& o) override {
    auto done = Write("DELETE", r, name, [&]() -> Result<Json> {
      FL_TRY(api_.Delete(r, ns, name, o));
      return Json();
    });
    if (!done.ok()) return done.error();
    return {};
  }
  Status Watch(const kube::Resource& r, const std::string& ns, const kube::ListOptions& o,
               std::function<bool(kube::WatchEvent)> on_event, std::stop_token stop) override {
    FL_ASSIGN(auto labels, kube::Selector::Parse(o.label_selector));
    uint64_t from = static_cast<uint64_t>(ParseInt(o.resource_version).value_or(0));
    auto matches = [&](const kube::ObjectPtr& p) {
      return p && (ns.empty() || kube::Namespace(*p) == ns) && labels.Matches(value::At(*p, "metadata", "labels"));
    };
    while (!stop.stop_requested()) {
      uint64_t past = past_;
      // A server that has not come that far yet: client-go then lists anew.
      if (past != 0 && from > past) return MakeError(Code::kGone, "too large resource version");
      if (dead_ || past != 0) {
        SleepFor(Millis(5), stop);
        continue;
      }
      if (merge_ != 0) SleepFor(Millis(merge_), stop);
      FL_ASSIGN(auto changes, rest_.store().ChangesAfter(r.group + "/" + r.plural, from, Millis(5)));
      if (!changes.empty()) from = changes.back().version;
      if (merge_ != 0) changes = Merged(changes);
      for (const auto& c : changes) {
        bool was = matches(c.before), is = c.type != "DELETED" && matches(c.object);
        if (!was && !is) continue;
        const char* type = !was ? "ADDED" : is ? "MODIFIED" : "DELETED";
        if (!on_event({type, *c.object})) return {};
      }
    }
    return {};
  }

 private:
  static std::vector<lab::Change> Merged(const std::vector<lab::Change>& changes) {
    std::vector<lab::Change> out;
    std::map<std::string, size_t> at;
    for (const auto& c : changes) {
      auto [it, first] = at.emplace(kube::Key(*c.object), out.size());
      if (first) {
        out.push_back(c);
        continue;
      }
      kube::ObjectPtr before = out[it->second].before;
      out[it->second] = c;
      out[it->second].before = before;
    }
    return out;
  }
  static Error Dead() { return MakeError(Code::kUnavailable, "connection refused"); }
  Result<Json> Write(const std::string& verb, const kube::Resource& r, const std::string& name,
                     const std::function<Result<Json>()>& write) {
    if (dead_) return Dead();
    if (r.plural == "events") return write();
    int n = ++writes_;
    {
      std::lock_guard lock(mutex_);
      log_.push_back(verb + " " + r.kind + "/" + name);
      versions_.push_back(rest_.store().version());
    }
    if (n != at_) return write();
    switch (fault_) {
      case Fault::kNone: return write();
      case Fault::kConflict: return MakeError(Code::kConflict, "the object has been modified");
      case Fault::kServerError: return MakeError(Code::kUnavailable, "internal error");
      case Fault::kTooManyRequests: return MakeError(Code::kUnavailable, "too many requests, please try again later");
      case Fault::kDies: dead_ = true; [[fallthrough]];
      case Fault::kTimeoutAfterApply: (void)write().ok(); return MakeError(Code::kUnavailable, "timeout");
    }
    return write();
  }

  lab::LocalApi api_;
  lab::Rest& rest_;
  std::atomic<int> at_{0}, writes_{0};
  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<bool> dead_{false};
  std::atomic<uint64_t> past_{0};
  std::atomic<int64_t> merge_{0};
  mutable std::mutex mutex_;  // guards log_ and versions_
  std::vector<std::string> log_;
  std::vector<uint64_t> versions_;
};

class LabMapper : public kube::ResourceMapper {
 public:
  explicit LabMapper(lab::Registry& registry) : registry_(registry) {}
  Result<kube::Resource> Find(const std::string& api_version, const std::string& kind) override {
    if (auto t = registry_.FindKind(api_version, kind)) return t->resource;
    return MakeError(Code::kNotFound, "no kind " + kind + " in " + api_version);
  }

 private:
  lab::Registry& registry_;
};

class RunningOperator {
 public:
  RunningOperator(kube::Api& api, lab::Registry& registry)
      : mapper_(registry),
        op_(api, mapper_, Config(), metrics_),
        usage_(op_.caches),
        cni_(op_),
        istio_(op_),
        revision_(op_, usage_),
        tag_(op_, usage_),
        ztunnel_(op_) {
    op_.caches.Start();
    op_.caches.WaitForSync({});
    for (Reconciler* c : All()) c->Start();
  }
  ~RunningOperator() {
    for (Reconciler* c : All()) c->Stop();
    op_.caches.Stop();
  }

 private:
  std::vector<Reconciler*> All() { return {&cni_, &istio_, &revision_, &tag_, &ztunnel_}; }
  static OperatorConfig Config() {
    OperatorConfig config;
    config.catalog = *Catalog::Parse(embedded::catalog().at("versions.yaml"), "catalogue");
    Resources builtin;
    builtin.profiles = embedded::profiles();
    EXPECT_TRUE(LoadCharts(embedded::charts(), builtin).ok());
    config.resources = ResourceSet(std::move(builtin), "");
    config.cluster.kube_version = "v1.34.0";
    config.cluster.api_versions = {"v1"};
    config.ns = "fairlead-system";
    return config;
  }
  controller::Metrics metrics_;
  LabMapper mapper_;
  Operator op_;
  Usage usage_;
  IstioCniController cni_;
  IstioController istio_;
  IstioRevisionController revision_;
  IstioRevisionTagController tag_;
  ZtunnelController ztunnel_;
};

// Three nodes, the CRDs and the namespaces of a mesh.
class SimulatedCluster {
 public:
  explicit SimulatedCluster(int nodes = 3)
      : registry(std::move(*lab::Registry::Create(embedded::lab_types().at("types.yaml")))),
        rest(*registry, store),
        admin(rest, "admin") {
    for (const auto& [path, text] : embedded::charts())
      if (path.starts_with("fairlead-operator/crds/")) {
        Json crd = *value::ParseJson(text.substr(text.find('\n') + 1), path);
        Must(admin.Create(
            {"apiextensions.k8s.io", "v1", "customresourcedefinitions", false, "CustomResourceDefinition"}, crd));
      }
    for (const char* ns : {"default", "fairlead-system", "istio-system", "istio-cni", "ztunnel", "mesh"})
      Must(admin.Create(kube::kNamespaces, {{"metadata", {{"name", ns}}}}));
    for (int i = 1; i <= nodes; ++i)
      Must(admin.Create(
          kube::kNodes,
          {{"metadata", {{"name", "node-" + std::to_string(i)}, {"labels", {{"kubernetes.io/os", "linux"}}}}},
           {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}}));
    thread_ = std::jthread([this](const std::stop_token& stop) { Control(stop); });
  }
  ~SimulatedCluster() {
    thread_.request_stop();
    thread_.join();
  }

  void Must(const Result<Json>& done) { ASSERT_TRUE(done.ok()) << done.error().message; }
  // As kubectl apply has it.
  void Apply(const kube::Resource& r, const std::string& name, const Json& spec, const Json& meta = Json::object()) {
    Json o = {{"apiVersion", r.ApiVersion()}, {"kind", r.kind}, {"metadata", meta}, {"spec", spec}};
    o["metadata"]["name"] = name;
    Must(admin.Patch(r, "", name, kube::PatchType::kApply, o,
                     {.subresource = "", .field_manager = "admin", .force = true}));
  }
  Json Get(const kube::Resource& r, const std::string& name, const std::string& ns = "") {
    auto o = admin.Get(r, ns, name);
    return o.ok() ? *o : Json();
  }
  bool IsReady(const kube::Resource& r, const std::string& name = "default") {
    Json o = Get(r, name);
    return value::Int(o, "status", "observedGeneration") == kube::Generation(o) &&
           value::Str(kube::Condition(o, "Ready"), "status") == "True";
  }
  bool Within(std::chrono::seconds limit, const std::function<bool()>& check) {
    for (auto end = SteadyNow() + limit; SteadyNow() < end; SleepFor(Millis(5), {}))
      if (check()) return true;
    return check();
  }
  // Everything there is, without what differs from run to run. Pods and Events say how it came about, so they are left
  // out.
  Json Snapshot();
  // The templates that a DaemonSet or Deployment has had, in order.
  std::vector<std::string> Templates(const std::string& kind, const std::string& name);

  std::unique_ptr<lab::Registry> registry;
  lab::Store store;
  lab::Rest rest;
  lab::LocalApi admin;
  std::atomic<bool> pods_start{true};  // false: those that are not ready yet do not become so

 private:
  void Control(const std::stop_token& stop);
  std::jthread thread_;
};

inline void SimulatedCluster::Control(const std::stop_token& stop) {
  lab::LocalApi api(rest, "controllers");
  uint64_t seen = 0;
  while (!stop.stop_requested()) {
    uint64_t now = store.version();
    lab::SyncDaemonSets(api);
    lab::SyncDeployments(api);
    lab::SyncScheduler(api);
    lab::SyncGarbage(api, *registry);
    for (const auto& pod : store.List("/pods")) {
      std::string ns = kube::Namespace(*pod), name = kube::Name(*pod);
      if (kube::IsDeleting(*pod))
        (void)api
            .Delete(kube::kPods, ns, name,
                    {.uid = kube::Uid(*pod), .resource_version = "", .propagation = "", .grace_seconds = 0})
            .ok();
      else if (pods_start && !value::Str(*pod, "spec", "nodeName").empty() && !kube::IsPodReady(*pod))
        (void)api
            .UpdateStatus(kube::kPods, ns, name,
                          [](Json& s) {
                            if (value::Str(s, "phase") == "Succeeded") return;  // a test has ended it meanwhile
                            s["phase"] = "Running";
                            s["conditions"] = {
                                {{"type", "Ready"}, {"status", "True"}, {"lastTransitionTime", Rfc3339(WallNow())}}};
                          })
            .ok();
    }
    seen = std::max(seen, now);
    store.WaitForAny(seen, Millis(20));
  }
}

inline void Normalize(Json& j) {
  if (j.is_object()) {
    for (const char* volatile_key : {"uid", "resourceVersion", "creationTimestamp", "managedFields",
                                     "lastTransitionTime", "completedAt", "progressedAt"})
      j.erase(volatile_key);
    // How often a template was written is history; that the controllers have seen the last one is checked by Ready.
    for (const char* counter : {"generation", "observedGeneration"}) j.erase(counter);
  }
  if (j.is_structured())
    for (Json& member : j) Normalize(member);
}

inline Json SimulatedCluster::Snapshot() {
  Json out = Json::object();
  for (const auto& t : registry->All()) {
    const std::string& plural = t->resource.plural;
    if (plural == "pods" || plural == "events" || plural == "controllerrevisions" || plural == "replicasets" ||
        plural == "nodes")
      continue;
    for (const auto& o : store.List(lab::Rest::KindKey(*t))) {
      Json copy = *o;
      Json conditions = value::At(copy, "status", "conditions");
      if (conditions.is_array()) {  // by type: their order is that in which they were first known
        Json by_type = Json::object();
        for (const Json& c : conditions) by_type[value::Str(c, "type")] = c;
        copy["status"]["conditions"] = by_type;
      }
      if (value::At(copy, "metadata", "annotations").is_object())
        copy["metadata"]["annotations"].erase("deprecated.daemonset.template.generation");
      if (plural == "daemonsets" || plural == "deployments") copy.erase("status");
      if (std::string hash = kube::Annotation(copy, "fairlead.io/applied-hash");
          !hash.empty())  // holds the owner's uid
        copy["metadata"]["annotations"]["fairlead.io/applied-hash"] = "";
      Normalize(copy);
      out[plural + "/" + kube::Key(*o)] = copy;
    }
  }
  return out;
}

inline std::vector<std::string> SimulatedCluster::Templates(const std::string& kind, const std::string& name) {
  std::vector<std::string> out;
  auto changes = store.ChangesAfter("apps/" + kind, 1, Millis(0));
  if (!changes.ok()) return {"history is gone"};
  for (const auto& c : *changes) {
    if (kube::Name(*c.object) != name) continue;
    std::string version = value::Str(*c.object, "spec", "template", "metadata", "labels", "app.kubernetes.io/version");
    if (out.empty() || out.back() != version) out.push_back(version);
  }
  return out;
}

}  // namespace fairlead::mesh
