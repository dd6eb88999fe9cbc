// Which control planes a CNI version may serve: those of its own minor version and of one minor version ahead.
#pragma once
#include <string>
#include <vector>

#include "kube/informer.h"
#include "mesh/catalog.h"

namespace fairlead::mesh {

// On the IstioCNI: Enforce (the default) refuses an update that would not fit, of the CNI or of a control plane; Warn
// says so and goes on; Ignore says nothing.
inline constexpr const char* kSkewPolicyAnnotation = "fairlead.io/version-skew-policy";
enum class SkewPolicy { kEnforce, kWarn, kIgnore };
// Errors: kInvalid names the annotation and its value. `cni` may be null.
Result<SkewPolicy> ReadSkewPolicy(const Json& cni);

struct ControlPlane {
  std::string kind, name, version;  // IstioRevision or Istio; v1.28.6
  bool allowed = true;
  std::string message;   // why not, and what to do
  std::string next;      // the version that it is being updated to; "" = none
  bool refused = false;  // it was not installed since it would not fit, so it holds up nothing
};

// Every revision with the version that it runs, and those that it is about to run; an Istio without a revision yet
// with the version that it wants.
std::vector<ControlPlane> ListControlPlanes(const std::vector<kube::ObjectPtr>& revisions,
                                            const std::vector<kube::ObjectPtr>& istios, const Catalog& catalog);
enum class Skew { kFits, kCniAhead, kCniBehind, kUnknown };
Skew CompareVersions(const std::string& cni, const std::string& control_plane);
// Why a CNI of the version does not serve a control plane of the other, and what to do; "" = it does.
std::string ExplainSkew(const std::string& cni, const ControlPlane& plane, const std::string& version);

// Fills `allowed` and `message` of each. A version that does not parse is not allowed.
void JudgeSkew(const Version& cni, std::vector<ControlPlane>& planes);
// Whether it serves every control plane that counts.
bool Fits(const Version& cni, std::vector<ControlPlane> planes);
// The newest supported version that does, no candidate; "" = none.
std::string NewestThatFits(const Catalog& catalog, const std::vector<ControlPlane>& planes);
// "" when all that count are allowed, else one message that names both versions and the fix.
std::string SkewMessage(const std::vector<ControlPlane>& planes);

}  // namespace fairlead::mesh
