// The controller of IstioCNI.
//
// Guarantees: status never says Ready for a generation whose agents do not run everywhere. What cannot be applied
// leaves the running agents as they are.
#pragma once
#include "mesh/daemonset.h"
#include "mesh/reconciler.h"
#include "mesh/rollout_plan.h"
#include "mesh/skew.h"

namespace fairlead::mesh {

class IstioCniController : public Reconciler {
 public:
  explicit IstioCniController(Operator& op);

 private:
  Result<Looked> Look(const Json& cni, Json& status) override;
  Result<bool> Remove(const Json& cni) override;
  // `spec`: what is to be installed, which is not cni's own once its update was undone.
  std::optional<Problem> Install(const Json& cni, const Json& spec, const Result<Version>& version,
                                 const std::vector<ControlPlane>& planes, int64_t nodes_down, Json& status);
  // The agents' nodes that are not ready.
  std::vector<std::string> NodesDown(const Json& cni) const;
  void DescribeProgress(const Json& cni, Json& status, const Rollout& rollout, const Progress& progress,
                        const std::vector<std::string>& down);

  DaemonSetView agents_;
};

}  // namespace fairlead::mesh
