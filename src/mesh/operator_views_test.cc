// What the operator sees is not always what there is: its view lags, goes back in time when it connects to another API
// server, or never shows states that lasted a moment. The faults are those of Sieve (OSDI 2022).
#include "mesh/updates_test.h"

namespace fairlead::mesh {
namespace {

class Views : public ::testing::TestWithParam<int> {
 protected:
  const Update& update_ = Updates()[static_cast<size_t>(GetParam())];
};

// At every step of an update: an operator that starts with a view of that moment, and one whose view goes back to it,
// delete and create nothing because of that, and end where the others do.
TEST_P(Views, ThatAreOfThePastChangeNothing) {
  SimulatedCluster c;
  {
    FaultyApi api(c.rest);
    RunningOperator op(api, *c.registry);
    update_.prepare(c);
    ASSERT_TRUE(c.Within(kPatience, [&] { return update_.before(c); }));
  }
  std::vector<uint64_t> steps = {c.store.version()};
  {
    FaultyApi api(c.rest);
    RunningOperator op(api, *c.registry);
    update_.change(c);
    ASSERT_TRUE(c.Within(kPatience, [&] { return update_.after(c); }));
    SleepFor(Millis(100), {});
    for (uint64_t v : api.versions()) steps.push_back(v);
  }
  Json clean = c.Snapshot();
  auto templates = c.Templates(update_.workload, update_.workload_name);
  // Each object is the one that it was: not deleted and made again.
  auto uids = [&] {
    std::map<std::string, std::string> out;
    for (const char* kind : {"apps/daemonsets", "apps/deployments", "/configmaps", "/serviceaccounts",
                             "rbac.authorization.k8s.io/clusterroles", "sailoperator.io/istiorevisions"})
      for (const auto& o : c.store.List(kind)) out[std::string(kind) + "/" + kube::Key(*o)] = kube::Uid(*o);
    return out;
  };
  auto before = uids();
  printf("      %s: seen from %zu moments\n", update_.name, steps.size());
  for (size_t i = 0; i < steps.size(); i += kInstrumented ? 8 : 1) {
    std::string where = std::string(update_.name) + ", step " + std::to_string(i);
    FaultyApi api(c.rest);
    api.ShowThePast(steps[i]);
    RunningOperator op(api, *c.registry);
    for (const char* how : {"starts in the past", "goes back into the past"}) {
      api.ShowThePast(steps[i]);
      SleepFor(Millis(150), {});
      ASSERT_EQ(c.Templates(update_.workload, update_.workload_name), templates) << where << ": " << how;
      api.ShowThePresent();
      ASSERT_TRUE(c.Within(kPatience, [&] { return update_.after(c); })) << where << ": " << how;
      ASSERT_TRUE(c.Within(kPatience, [&] { return c.Snapshot() == clean; }))
          << where << ": " << how << Json::diff(clean, c.Snapshot()).dump(1);
      ASSERT_EQ(uids(), before) << where << ": " << how;
    }
  }
}

TEST_P(Views, ThatLackWhatLastedAMomentLeadToTheSameEnd) {
  Json clean;
  for (int period : {0, 20, 100, 400}) {
    SimulatedCluster c;
    FaultyApi api(c.rest);
    api.MergeEvents(Millis(period));
    RunningOperator op(api, *c.registry);
    update_.prepare(c);
    ASSERT_TRUE(c.Within(kPatience, [&] { return update_.before(c); })) << period << " ms";
    update_.change(c);
    ASSERT_TRUE(c.Within(kPatience, [&] { return update_.after(c); })) << period << " ms";
    SleepFor(Millis(2 * period + 200), {});
    if (period == 0) clean = c.Snapshot();
    ASSERT_TRUE(c.Within(kPatience, [&] { return c.Snapshot() == clean; }))
        << period << " ms: " << Json::diff(clean, c.Snapshot()).dump(1);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryKind, Views, ::testing::Range(0, 4),
                         [](const auto& param) { return Updates()[static_cast<size_t>(param.param)].name; });

}  // namespace
}  // namespace fairlead::mesh
