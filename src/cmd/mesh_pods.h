// `fairlead pods`: the pods of the mesh, and whether each has its rules.
#pragma once
#include "cmd/output.h"
#include "kube/client.h"

namespace fairlead::cmd {

struct MeshPods {
  std::string text;    // as `output` asks for it
  size_t at_risk = 0;  // how many are not known to have their rules
};

// `at_risk`: only those.
Result<MeshPods> ListMeshPods(const kube::Config& config, bool at_risk, Output output);

}  // namespace fairlead::cmd
