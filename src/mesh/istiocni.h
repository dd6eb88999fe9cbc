// The controller of IstioCNI.
//
// Guarantees: status never says Ready for a generation whose agents do not run everywhere. What cannot be applied
// leaves the running agents as they are.
#pragma once
#include "mesh/readiness.h"
#include "mesh/reconciler.h"
#include "mesh/skew.h"

namespace fairlead::mesh {

class IstioCniController : public Reconciler {
 public:
  explicit IstioCniController(Operator& op);

 private:
  Result<Looked> Look(const Json& cni, Json& status) override;
  Result<bool> Remove(const Json& cni) override;
  std::optional<Problem> Install(const Json& cni, const Result<Version>& version,
                                 const std::vector<ControlPlane>& planes, Json& status);
};

}  // namespace fairlead::mesh
