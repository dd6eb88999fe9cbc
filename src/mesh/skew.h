// Which control planes a CNI version may serve: those of its own minor version and of one minor version ahead.
#pragma once
#include <string>
#include <vector>

#include "mesh/catalog.h"

namespace fairlead::mesh {

struct ControlPlane {
  std::string kind, name, version;  // IstioRevision or Istio; v1.28.6
  bool allowed = true;
  std::string message;  // why not, and what to do
};

// Fills `allowed` and `message` of each. A version that does not parse is not allowed.
void JudgeSkew(const Version& cni, std::vector<ControlPlane>& planes);
// "" when all are allowed, else one message that names both versions and the fix.
std::string SkewMessage(const std::vector<ControlPlane>& planes);

}  // namespace fairlead::mesh
