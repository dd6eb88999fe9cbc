// status.conditions and status.state of our resources. Source of the behaviour: sail-operator
// pkg/reconciler/condition.go.
#pragma once
#include "util/clock.h"
#include "value/json.h"

namespace fairlead::mesh {

// Sets a condition; lastTransitionTime changes only when its status does.
void SetCondition(Json& status, const std::string& type, const std::string& condition_status, const std::string& reason,
                  const std::string& message, int64_t generation, WallTime now);
// The reason of the first of `types` that is not True, else "Healthy".
std::string DeriveState(const Json& status, const std::vector<std::string>& types);

}  // namespace fairlead::mesh
