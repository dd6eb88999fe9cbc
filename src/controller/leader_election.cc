#include "controller/leader_election.h"

#include "util/fd.h"
#include "util/log.h"

namespace fairlead::controller {

using value::At;
using value::Int;
using value::Str;

Json LeaderFsm::Propose(const Json& lease) {
  std::string now = Rfc3339Micro(clock_.Wall());
  Json spec = {
      {"holderIdentity", config_.identity},
      {"leaseDurationSeconds", std::chrono::duration_cast<std::chrono::seconds>(config_.lease_duration).count()},
      {"acquireTime", now},
      {"renewTime", now},
      {"leaseTransitions", 0}};
  if (lease.is_null())
    return {{"apiVersion", "coordination.k8s.io/v1"},
            {"kind", "Lease"},
            {"metadata", {{"name", config_.name}, {"namespace", config_.ns}}},
            {"spec", spec}};
  const Json& old = At(lease, "spec");
  if (old != seen_spec_) {
    seen_spec_ = old;
    seen_at_ = clock_.Now();
  }
  std::string holder = Str(old, "holderIdentity");
  bool mine = holder == config_.identity;
  auto valid_for = std::chrono::seconds(Int(old, "leaseDurationSeconds"));
  if (!mine && !holder.empty() && clock_.Now() < seen_at_ + valid_for) return nullptr;
  if (mine) spec["acquireTime"] = At(old, "acquireTime");
  spec["leaseTransitions"] = Int(old, "leaseTransitions") + (mine ? 0 : 1);
  Json next = lease;
  next["spec"] = spec;
  return next;
}

namespace {

bool TryOnce(kube::Api& api, const LeaderConfig& c, LeaderFsm& fsm) {
  auto lease = api.Get(kube::kLeases, c.ns, c.name);
  if (!lease.ok() && lease.error().code != Code::kNotFound) {
    Log(Level::kWarn,
        "the lease of the leader cannot be read; it is tried again, and the leader goes on while its time lasts",
        {{"lease", c.ns + "/" + c.name}, {"error", lease.error().message}});
    return false;
  }
  Json proposal = fsm.Propose(lease.ok() ? *lease : Json());
  if (proposal.is_null()) return false;
  auto written = lease.ok() ? api.Update(kube::kLeases, proposal) : api.Create(kube::kLeases, proposal);
  return written.ok();
}

void ReleaseLease(kube::Api& api, const LeaderConfig& c) {
  auto lease = api.Get(kube::kLeases, c.ns, c.name);
  if (!lease.ok() || Str(*lease, "spec", "holderIdentity") != c.identity) return;
  (*lease)["spec"]["holderIdentity"] = "";
  (*lease)["spec"]["leaseDurationSeconds"] = 1;
  (void)api.Update(kube::kLeases, *lease).ok();
}

}  // namespace

Status RunAsLeader(kube::Api& api, const LeaderConfig& c, const std::function<void(std::stop_token)>& lead,
                   std::stop_token stop) {
  LeaderFsm fsm(c, Clock::Real());
  while (!TryOnce(api, c, fsm))
    if (!SleepFor(c.candidate_period, stop)) return {};
  Log(Level::kInfo, "became leader", {{"lease", c.ns + "/" + c.name}, {"identity", c.identity}});
  std::jthread work([&](std::stop_token s) { lead(s); });
  auto renewed = SteadyNow();
  while (SleepFor(c.retry_period, stop)) {
    if (TryOnce(api, c, fsm))
      renewed = SteadyNow();
    else if (SteadyNow() - renewed > c.renew_deadline) {
      work.request_stop();
      return MakeError(Code::kUnavailable,
                       "leader election lost: the lease " + c.ns + "/" + c.name + " could not be renewed in time");
    }
  }
  work.request_stop();
  work.join();
  ReleaseLease(api, c);
  return {};
}

}  // namespace fairlead::controller
