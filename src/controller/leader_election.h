// Leader election by a Lease, as client-go does it: lease 15 s, renew deadline 10 s, renewed every 2 s; a candidate
// takes over only after the lease's duration has passed since it last saw the record change on its own clock, or as
// soon as it sees that the lease was released.
#pragma once
#include <stop_token>

#include "kube/api.h"
#include "util/clock.h"

namespace fairlead::controller {

struct LeaderConfig {
  std::string ns, name, identity;
  Millis lease_duration{15000}, renew_deadline{10000}, retry_period{2000}, candidate_period{500};
};

// The decision, without I/O: given the Lease as read (null: absent) and the time, the Lease to write, or null to wait.
class LeaderFsm {
 public:
  LeaderFsm(LeaderConfig config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}
  Json Propose(const Json& lease);

 private:
  LeaderConfig config_;
  const Clock& clock_;
  Json seen_spec_;
  SteadyTime seen_at_{};
};

// Blocks until this process leads, calls `lead`, and keeps renewing while it runs. Returns when stop is requested (the
// lease is then released) or with an error when leadership was lost; the process should then end.
Status RunAsLeader(kube::Api& api, const LeaderConfig& config, const std::function<void(std::stop_token)>& lead,
                   std::stop_token stop);

}  // namespace fairlead::controller
