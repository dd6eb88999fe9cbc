// The whole operator against a simulated cluster: what one update writes, and what comes of it when any write fails, or
// the operator dies after it.
#include "mesh/updates_test.h"

namespace fairlead::mesh {
namespace {

using value::Str;

struct Outcome {
  Json snapshot;
  int writes = 0;  // of the update, by the operator that met the fault
  std::vector<std::string> templates, log;
  std::string problem;
};

// Runs an update in which the nth write of the operator fails.
Outcome RunUpdate(const Update& update, int n, Fault fault) {
  Outcome out;
  SimulatedCluster c;
  {
    FaultyApi api(c.rest);
    RunningOperator op(api, *c.registry);
    update.prepare(c);
    if (!c.Within(kPatience, [&] { return update.before(c); })) {
      out.problem = "the first version does not become ready: " + value::Dump(c.Get(kube::kIstios, "default")) +
                    value::Dump(c.Get(kube::kIstioCnis, "default"));
      return out;
    }
    SleepFor(Millis(50), {});
  }
  {
    FaultyApi api(c.rest);
    api.FailAt(n, fault);
    RunningOperator op(api, *c.registry);
    update.change(c);
    c.Within(kPatience, [&] { return api.dead() || update.after(c); });
    out.writes = api.writes();
    out.log = api.log();
  }
  FaultyApi api(c.rest);
  RunningOperator op(api, *c.registry);
  if (!c.Within(kPatience, [&] { return update.after(c); }))
    out.problem = "it does not end: " + value::Dump(c.Get(kube::kIstios, "default")) +
                  value::Dump(c.Get(kube::kIstioCnis, "default")) + value::Dump(c.Get(kube::kZtunnels, "default"));
  SleepFor(Millis(50), {});
  out.snapshot = c.Snapshot();
  out.templates = c.Templates(update.workload, update.workload_name);
  return out;
}

class Faults : public ::testing::TestWithParam<int> {};

TEST_P(Faults, AtAnyWriteOfAnUpdateLeadToTheSameEnd) {
  const Update& update = Updates()[static_cast<size_t>(GetParam())];
  Outcome clean = RunUpdate(update, 0, Fault::kNone);
  ASSERT_EQ(clean.problem, "");
  ASSERT_GT(clean.writes, 2);
  std::string written;
  for (const auto& w : clean.log) written += "\n  " + w;
  printf("      %s: an update makes %d writes\n", update.name, clean.writes);
  std::vector<std::pair<Fault, int>> cases;
  for (Fault fault :
       {Fault::kDies, Fault::kTimeoutAfterApply, Fault::kConflict, Fault::kServerError, Fault::kTooManyRequests})
    for (int n = 1; n <= clean.writes; ++n)
      if (!kInstrumented || (n % 8 == 1 && (fault == Fault::kDies || fault == Fault::kTimeoutAfterApply)))
        cases.emplace_back(fault, n);
  // Clusters of their own, which mostly wait.
  std::vector<Outcome> met(cases.size());
  std::atomic<size_t> next{0};
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < kWorkers; ++i)
      workers.emplace_back([&] {
        for (size_t k; (k = next++) < cases.size();) met[k] = RunUpdate(update, cases[k].second, cases[k].first);
      });
  }
  for (size_t k = 0; k < cases.size(); ++k) {
    std::string where = std::string(update.name) + ", fault " + std::to_string(static_cast<int>(cases[k].first)) +
                        " at write " + std::to_string(cases[k].second) + " of" + written;
    ASSERT_EQ(met[k].problem, "") << where;
    ASSERT_EQ(met[k].templates, clean.templates) << where;
    ASSERT_EQ(met[k].snapshot, clean.snapshot) << where << "\n" << Json::diff(clean.snapshot, met[k].snapshot).dump(1);
  }
}

// An updated mesh of all kinds, and then nothing but pods and nodes that come and go in status: no write at all.
TEST(Quiet, NothingIsWrittenWhileNothingThatMattersChanges) {
  SimulatedCluster c;
  FaultyApi api(c.rest);
  RunningOperator op(api, *c.registry);
  c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6"));
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  c.Apply(kube::kZtunnels, "default", ZtunnelSpec("v1.28.6"));
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "Istio"}, {"name", "default"}}}});
  auto settled = [&] {
    return c.IsReady(kube::kIstios) && c.IsReady(kube::kIstioCnis) && c.IsReady(kube::kZtunnels) &&
           Str(c.Get(kube::kIstioRevisionTags, "prod"), "status", "istioRevision") == "default" &&
           value::Int(c.Get(kube::kIstios, "default"), "status", "revisions", "inUse") == 1;
  };
  ASSERT_TRUE(c.Within(kPatience, settled));
  // What is Ready may still be told to the others, on a slow machine late.
  int before = -1;
  for (auto since = SteadyNow(); SteadyNow() - since < Millis(kInstrumented ? 5000 : 1000); SleepFor(Millis(20), {}))
    if (api.writes() != before) {
      before = api.writes();
      since = SteadyNow();
    }
  size_t logged = api.log().size();
  for (int i = 0; i < 100; ++i) {
    auto noise = [&](Json& s) { s["noise"] = i; };
    for (const char* name : {"istio-cni-node", "ztunnel"})
      (void)c.admin
          .UpdateStatus(kube::kDaemonSets, name == std::string_view("ztunnel") ? "ztunnel" : "istio-cni", name, noise)
          .ok();
    (void)c.admin.UpdateStatus(kube::kDeployments, "istio-system", "istiod", noise).ok();
    c.Must(c.admin.Patch(kube::kNodes, "", "node-1", kube::PatchType::kMerge,
                         {{"metadata", {{"annotations", {{"noise", std::to_string(i)}}}}}}, {}));
    c.Must(c.admin.Create(kube::kPods,
                          {{"metadata", {{"name", "p" + std::to_string(i)}, {"namespace", "mesh"}}},
                           {"spec", {{"nodeName", "node-1"}, {"containers", {{{"name", "c"}, {"image", "i"}}}}}}}));
    SleepFor(Millis(10), {});
  }
  SleepFor(Millis(300), {});
  std::string written;
  auto log = api.log();
  for (size_t i = logged; i < log.size(); ++i) written += "\n  " + log[i];
  EXPECT_EQ(api.writes(), before) << written;
}

// Random walks between resources, good and bad ones, in the manner of Acto (SOSP 2023): the same resource always leads
// to the same objects, whatever came before, and a bad one changes nothing that runs.
struct Place {
  bool good;  // false: the operator says why not
  Json spec;
};
struct Walk {
  const char* name;
  kube::Resource resource;
  std::string object;
  std::function<void(SimulatedCluster&)> prepare;
  std::vector<Place> places;
};

Json RevisionSpec(const std::string& name, const std::string& version, const Json& more = Json::object()) {
  Json values = more;
  values["revision"] = name;
  values["global"]["istioNamespace"] = "istio-system";
  return {{"version", version}, {"namespace", "istio-system"}, {"values", values}};
}

Json With(Json spec, const std::string& pointer, const Json& v) {
  spec[Json::json_pointer(pointer)] = v;
  return spec;
}

const std::vector<Walk>& Walks() {
  static const std::vector<Walk> all = {
      {"IstioCNI",
       kube::kIstioCnis,
       "default",
       [](auto&) {},
       {{true, CniSpec("v1.28.5")},
        {true, CniSpec("v1.28.6")},
        {true, CniSpec("v1.27.9")},
        {true, With(CniSpec("v1.28.6"), "/values/cni/resourceQuotas/enabled", true)},
        {true, With(CniSpec("v1.28.6"), "/values/cni/rollingMaxUnavailable", 1)},
        {true, With(CniSpec("v1.28.5"), "/values/cni/podLabels", {{"a", "b"}})},
        {true, With(CniSpec("v1.28.5"), "/profile", "ambient")},
        {true, With(CniSpec("v1.28.5"), "/rollout", {{"canary", true}, {"maxSurge", 3}})},
        {false, CniSpec("v1.26.3")},
        {false, With(CniSpec("v1.28.6"), "/profile", "external")},
        {false, With(CniSpec("v1.28.6"), "/values/cni/provider", "magic")}}},
      {"ZTunnel",
       kube::kZtunnels,
       "default",
       [](auto&) {},
       {{true, ZtunnelSpec("v1.28.5")},
        {true, ZtunnelSpec("v1.28.6")},
        {true, With(ZtunnelSpec("v1.28.6"), "/values/ztunnel/env", {{"A", "b"}})},
        {true, With(ZtunnelSpec("v1.28.6"), "/values/global/networkPolicy/enabled", true)},
        {true, With(ZtunnelSpec("v1.27.9"), "/values/ztunnel/terminationGracePeriodSeconds", 5)},
        {false, ZtunnelSpec("v1.26.3")},
        {false, With(ZtunnelSpec("v1.28.6"), "/targetRef", {{"kind", "Istio"}, {"name", "nowhere"}})}}},
      {"Istio",
       kube::kIstios,
       "default",
       [](auto&) {},
       {{true, IstioSpec("v1.27.9")},
        {true, IstioSpec("v1.28.6")},
        {true, IstioSpec("v1.28.6", "RevisionBased")},
        {true, IstioSpec("v1.29.6", "RevisionBased")},
        {true, With(IstioSpec("v1.28.6"), "/profile", "demo")},
        {true, With(IstioSpec("v1.28.6"), "/values/meshConfig", {{"accessLogFile", "/dev/stdout"}})},
        {true, With(With(IstioSpec("v1.28.6"), "/values/pilot/autoscaleEnabled", false), "/values/pilot/replicaCount", 2)},
        {false, IstioSpec("v1.26.3")},
        {false, With(IstioSpec("v1.28.6"), "/profile", "external")},
        {false, With(IstioSpec("v1.28.6"), "/values/profile", "nonsense")}}},
      {"IstioRevision",
       kube::kIstioRevisions,
       "own",
       [](auto&) {},
       {{true, RevisionSpec("own", "v1.27.9")},
        {true, RevisionSpec("own", "v1.28.6")},
        {true, RevisionSpec("own", "v1.28.6", {{"sidecarInjectorWebhook", {{"reinvocationPolicy", "IfNeeded"}}}})},
        {true, RevisionSpec("own", "v1.28.6", {{"revisionTags", {"prod"}}})},
        {true, RevisionSpec("own", "v1.28.6", {{"pilot", {{"autoscaleEnabled", false}}}})},
        {false, RevisionSpec("own", "v1.26.3")},
        {false, RevisionSpec("own", "v1.28.6", {{"compatibilityVersion", "0.1"}})}}},
      {"IstioRevisionTag",
       kube::kIstioRevisionTags,
       "prod",
       [](auto& c) {
         for (const char* name : {"a", "b"}) c.Apply(kube::kIstioRevisions, name, RevisionSpec(name, "v1.28.6"));
       },
       {{true, {{"targetRef", {{"kind", "IstioRevision"}, {"name", "a"}}}}},
        {true, {{"targetRef", {{"kind", "IstioRevision"}, {"name", "b"}}}}},
        {false, {{"targetRef", {{"kind", "IstioRevision"}, {"name", "nowhere"}}}}},
        {false, {{"targetRef", {{"kind", "Istio"}, {"name", "a"}}}}}}}};
  return all;
}

constexpr int kWalkers = kInstrumented ? 2 : 8, kSteps = kInstrumented ? 4 : 64;

// What the operator has made; the resources themselves say what was asked for.
Json Made(SimulatedCluster& c) {
  Json all = c.Snapshot(), out = Json::object();
  for (const auto& [key, object] : all.items()) {
    if (Str(object, "apiVersion").starts_with("sailoperator.io")) continue;
    out[key] = object;
    if (Json& annotations = out[key]["metadata"]["annotations"]; annotations.is_object())
      annotations.erase("deployment.kubernetes.io/revision");
  }
  return out;
}

// Walks, and says what was wrong.
std::string TakeWalk(const Walk& walk, unsigned seed, std::map<size_t, Json>& expected, std::mutex& mutex) {
  SimulatedCluster c;
  FaultyApi api(c.rest);
  RunningOperator op(api, *c.registry);
  walk.prepare(c);
  c.Within(kPatience, [&] {
    for (const auto& r : c.store.List("sailoperator.io/istiorevisions"))
      if (!c.IsReady(kube::kIstioRevisions, kube::Name(*r))) return false;
    return true;
  });
  uint64_t random = seed * 2654435761u + 1;
  std::string path;
  std::optional<Json> last;  // of the last good place
  for (int step = 0; step < kSteps; ++step) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    size_t at = step == 0 ? 0 : (random >> 33) % walk.places.size();
    const Place& place = walk.places[at];
    path += " " + std::to_string(at);
    c.Apply(walk.resource, walk.object, place.spec);
    auto settled = [&] {
      Json o = c.Get(walk.resource, walk.object);
      if (value::Int(o, "status", "observedGeneration") != kube::Generation(o) || !Settled(c)) return false;
      std::string reconciled = Str(kube::Condition(o, "Reconciled"), "status");
      if (value::Int(kube::Condition(o, "Reconciled"), "observedGeneration") != kube::Generation(o)) return false;
      if (!place.good) return reconciled == "False";
      if (reconciled != "True") return false;
      const Json& ready = kube::Condition(o, "Ready");
      if (!ready.is_null() && Str(ready, "status") != "True") return false;
      if (walk.resource.kind == "Istio" && c.store.List("sailoperator.io/istiorevisions").size() != 1) return false;
      return true;
    };
    std::string where = std::string(walk.name) + ", seed " + std::to_string(seed) + ", path" + path + ": ";
    if (!c.Within(kPatience, settled)) return where + "does not settle: " + c.Get(walk.resource, walk.object).dump(1);
    Json made;
    // Limits go back to what they are, and what is pruned goes, a moment after it is ready.
    auto as_before = [&] {
      made = Made(c);
      std::lock_guard lock(mutex);
      if (place.good) return !expected.contains(at) || expected[at] == made;
      return !last || *last == made;
    };
    bool known;
    {
      std::lock_guard lock(mutex);
      known = expected.contains(at);
    }
    if (place.good && !known) SleepFor(Millis(400), {});
    if (!c.Within(kPatience, as_before)) {
      std::lock_guard lock(mutex);
      return where + "leads elsewhere than before: " + Json::diff(place.good ? expected[at] : *last, made).dump(1);
    }
    if (!place.good) continue;
    last = made;
    std::lock_guard lock(mutex);
    expected.emplace(at, made);
  }
  return "";
}

class Walking : public ::testing::TestWithParam<int> {};

TEST_P(Walking, AnyWayLeadsToTheSameObjects) {
  const Walk& walk = Walks()[static_cast<size_t>(GetParam())];
  std::map<size_t, Json> expected;
  std::mutex mutex;
  std::vector<std::string> problems(kWalkers);
  {
    std::vector<std::jthread> walkers;
    for (int i = 0; i < kWalkers; ++i)
      walkers.emplace_back(
          [&, i] { problems[static_cast<size_t>(i)] = TakeWalk(walk, static_cast<unsigned>(i + 1), expected, mutex); });
  }
  for (const std::string& problem : problems) ASSERT_EQ(problem, "");
  printf("      %s: %d transitions, seeds 1 to %d\n", walk.name, kWalkers * kSteps, kWalkers);
}

INSTANTIATE_TEST_SUITE_P(EveryKind, Walking, ::testing::Range(0, 5),
                         [](const auto& param) { return Walks()[static_cast<size_t>(param.param)].name; });

INSTANTIATE_TEST_SUITE_P(EveryKind, Faults, ::testing::Range(0, 4),
                         [](const auto& param) { return Updates()[static_cast<size_t>(param.param)].name; });

}  // namespace
}  // namespace fairlead::mesh
