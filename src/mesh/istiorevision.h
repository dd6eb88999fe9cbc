// The controller of IstioRevision: one installation of istiod, with what all revisions share when it is the default
// one.
#pragma once
#include "mesh/readiness.h"
#include "mesh/reconciler.h"
#include "mesh/remote_probe.h"
#include "mesh/skew.h"
#include "mesh/usage.h"

namespace fairlead::mesh {

// Objects that a user wants left alone.
inline constexpr const char* kIgnoreAnnotation = "sailoperator.io/ignore";

class IstioRevisionController : public Reconciler {
 public:
  IstioRevisionController(Operator& op, Usage& usage);

 private:
  Result<Looked> Look(const Json& revision, Json& status) override;
  std::optional<Problem> Validate(const Json& revision) const;
  std::optional<Problem> CheckSkew(const Json& revision, const Version& version, Json& status) const;
  std::optional<Problem> Install(const Json& revision, Json& status);
  void LookAtDependencies(const Json& revision, Json& status) const;
  void LookAtRemote(const Json& revision, Json& status);
  Result<bool> Remove(const Json& revision) override;

  Usage& usage_;
  RemoteProbes probes_;
};

// Of a revision and a tag that want one name the older one has it; of two of the same second the one whose uid sorts
// first.
bool TakesPrecedence(const Json& a, const Json& b);

// "istiod" or "istiod-REVISION".
std::string IstiodName(const std::string& revision);

}  // namespace fairlead::mesh
