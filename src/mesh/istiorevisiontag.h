// The controller of IstioRevisionTag: a name by which workloads ask for a revision, and that can be moved to another.
#pragma once
#include "mesh/reconciler.h"
#include "mesh/usage.h"

namespace fairlead::mesh {

class IstioRevisionTagController : public Reconciler {
 public:
  IstioRevisionTagController(Operator& op, Usage& usage);

 private:
  Result<Looked> Look(const Json& tag, Json& status) override;
  std::optional<Problem> Install(const Json& tag, Json& status);
  Usage& usage_;
};

// The revision that a targetRef of an IstioRevisionTag or a ZTunnel means; it, and what led to it, is added to
// `inputs`. Errors: kNotFound says what is missing.
Result<kube::ObjectPtr> ResolveTarget(const Caches& caches, const Json& target, std::vector<Operator::Input>& inputs);

}  // namespace fairlead::mesh
