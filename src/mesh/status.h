// status.conditions and status.state of our resources. Source of the behaviour: sail-operator
// pkg/reconciler/condition.go.
#pragma once
#include "util/clock.h"
#include "value/json.h"

namespace fairlead::mesh {

// Why what a resource asks for is not done, as its conditions say it.
struct Problem {
  std::string reason, message;
  bool retry = true;   // it may work without a change of the resource
  bool stale = false;  // the cache was behind, so nothing was done, and nothing is to be said
};

// Sets a condition; lastTransitionTime changes only when its status does.
void SetCondition(Json& status, const std::string& type, const std::string& condition_status, const std::string& reason,
                  const std::string& message, int64_t generation, WallTime now);
// The condition of that type, or null.
const Json& FindCondition(const Json& status, const std::string& type);
// The reason of the first of `types` that is not True, else "Healthy".
std::string DeriveState(const Json& status, const std::vector<std::string>& types);

}  // namespace fairlead::mesh
