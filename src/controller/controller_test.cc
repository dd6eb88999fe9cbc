#include "controller/controller.h"

#include <gtest/gtest.h>

#include "controller/leader_election.h"

namespace fairlead::controller {
namespace {

class FakeClock : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime() + offset; }
  WallTime Wall() const override { return WallTime() + std::chrono::hours(24 * 365 * 30) + offset; }
  std::chrono::milliseconds offset{1000000};
};

TEST(WorkQueue, HoldsAKeyOnceAndNeverRunsItTwiceAtATime) {
  FakeClock clock;
  WorkQueue q(clock);
  q.Add("a");
  q.Add("a");
  EXPECT_EQ(q.TryGet(), "a");
  EXPECT_EQ(q.TryGet(), std::nullopt);
  q.Add("a");
  EXPECT_EQ(q.TryGet(), std::nullopt) << "it is being worked on";
  q.Done("a");
  EXPECT_EQ(q.TryGet(), "a");
}

TEST(WorkQueue, KeepsTheEarlierOfTwoTimes) {
  FakeClock clock;
  WorkQueue q(clock);
  q.AddAfter("a", Millis(500));
  q.AddAfter("a", Millis(100));
  q.AddAfter("a", Millis(900));
  EXPECT_EQ(q.TryGet(), std::nullopt);
  clock.offset += Millis(100);
  EXPECT_EQ(q.TryGet(), "a");
}

TEST(WorkQueue, BacksOffPerKeyUntilForgotten) {
  FakeClock clock;
  WorkQueue q(clock);
  for (int expected : {5, 10, 20}) {
    q.AddRateLimited("a");
    clock.offset += Millis(expected - 1);
    EXPECT_EQ(q.TryGet(), std::nullopt);
    clock.offset += Millis(1);
    EXPECT_EQ(q.TryGet(), "a");
    q.Done("a");
  }
  q.Forget("a");
  q.AddRateLimited("a");
  clock.offset += Millis(5);
  EXPECT_EQ(q.TryGet(), "a");
}

TEST(Controller, RetriesWhatFailedAndWakesForANewKey) {
  Metrics metrics;
  std::atomic<int> runs{0};
  Controller c(
      "test",
      [&](const std::string&) -> Result<Outcome> {
        if (++runs < 3) return MakeError(Code::kUnavailable, "not yet");
        return Outcome{};
      },
      metrics);
  c.Start();
  std::this_thread::sleep_for(Millis(20));  // the worker waits for a key by now
  c.Enqueue("a");
  auto until = SteadyNow() + std::chrono::seconds(5);
  while (SteadyNow() < until && runs < 3) std::this_thread::sleep_for(Millis(2));
  EXPECT_EQ(runs, 3);
  c.Stop();
  EXPECT_NE(metrics.Text().find("controller_runtime_reconcile_errors_total{controller=\"test\"} 2"), std::string::npos)
      << metrics.Text();
}

TEST(LeaderFsm, TakesOverOnlyAfterItSawTheLeaseStandStill) {
  FakeClock clock;
  LeaderFsm a({.ns = "n", .name = "l", .identity = "a"}, clock), b({.ns = "n", .name = "l", .identity = "b"}, clock);
  Json lease = a.Propose(nullptr);
  EXPECT_EQ(value::Str(lease, "spec", "holderIdentity"), "a");
  EXPECT_TRUE(b.Propose(lease).is_null());
  clock.offset += Millis(14000);
  lease = a.Propose(lease);  // renewed
  EXPECT_FALSE(lease.is_null());
  EXPECT_TRUE(b.Propose(lease).is_null());
  clock.offset += Millis(14000);
  EXPECT_TRUE(b.Propose(lease).is_null()) << "14 s since the last change that b saw";
  clock.offset += Millis(1001);
  Json taken = b.Propose(lease);
  ASSERT_FALSE(taken.is_null());
  EXPECT_EQ(value::Str(taken, "spec", "holderIdentity"), "b");
  EXPECT_EQ(value::Int(taken, "spec", "leaseTransitions"), 1);
  EXPECT_TRUE(a.Propose(taken).is_null());
  taken["spec"]["holderIdentity"] = "";
  EXPECT_FALSE(a.Propose(taken).is_null()) << "a released lease is free";
}

}  // namespace
}  // namespace fairlead::controller
