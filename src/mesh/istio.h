// The controller of Istio: which revisions of its control plane there are, and which one is active.
//
// InPlace has one revision with the resource's own name, RevisionBased one a version. A revision that is not active any
// more goes when the active one is ready and nothing has used it for the grace period.
#pragma once
#include "mesh/reconciler.h"

namespace fairlead::mesh {

class IstioController : public Reconciler {
 public:
  explicit IstioController(Operator& op);

 private:
  Result<Looked> Look(const Json& istio, Json& status) override;
  // Makes the active revision what the resource asks for.
  std::optional<Problem> Ensure(const Json& istio, const std::string& active, const Version& version, Json& wanted,
                                Json& status);
  // Deletes what has not been used for the grace period; when to look again.
  Result<std::optional<Millis>> Prune(const Json& istio, const std::string& active);
};

// The name of the revision that an Istio's version makes active. `version`: the concrete one, an alias is followed.
std::string ActiveRevisionName(const Json& istio, const std::string& version);

}  // namespace fairlead::mesh
