// How an update of the CNI goes over the nodes, when it has failed, and what is installed then. All of it follows from
// spec, status and the time, so an operator that restarts goes on where the last one was.
//
//   spec.rollout      canary, maxSurge, maxUnavailable, progressDeadlineSeconds, rollbackOnFailure
//   status.rollout    generation (what the rest is about), progressedAt, undoneGeneration, undoneBecause
//   status.lastGood   the version, profile and values of the last update that was complete
//   status.history    the versions that were complete, newest first
#pragma once
#include "mesh/readiness.h"
#include "util/clock.h"

namespace fairlead::mesh {

// The spec that is to be installed: the resource's own, or, once its update has been undone, the last good one.
Json SpecToInstall(const Json& cni);
// Whether the update to the resource's present generation has been undone.
bool IsUndone(const Json& status, int64_t generation);

// Puts into `values` how many nodes may change at once at this moment: one while a canary has not worked yet, and one
// more for each node that is down, since a pod that cannot start there would hold up the others. `status`: as of the
// last look. What the user set in updateStrategy stays as it is.
void SetLimits(Json& values, const Json& spec, const Json& status, int64_t generation, int64_t nodes_down);

struct Progress {
  bool stalled = false;        // no node was updated for the deadline
  std::optional<Millis> left;  // until it would be
  bool undo = false;           // and it is to be undone: a node that is up does not run it
};
// Records progress in status.rollout. `status` has the rollout of the last look still.
Progress TrackProgress(Json& status, const Json& spec, const Rollout& rollout, int64_t generation, int64_t nodes_down,
                       WallTime now);
// An update is complete: remembers it as the last good one, and in the history.
void RecordComplete(Json& status, const Json& spec, WallTime now);
// The version that was complete before the one that is asked for; "" = none.
std::string VersionBefore(const Json& cni);

}  // namespace fairlead::mesh
