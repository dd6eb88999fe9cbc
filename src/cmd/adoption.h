// `fairlead adopt --dry-run`: what would change when the operator takes over an installation of Helm or of the
// sail-operator.
#pragma once
#include "kube/client.h"
#include "kube/mapper.h"

namespace fairlead::cmd {

struct AdoptionPlan {
  std::string text;      // for a person: each change as a diff, and what it means
  bool changes = false;  // anything
};

// What the operator's own code would write for the resource, each write as a dry run.
Result<AdoptionPlan> PlanAdoption(kube::Client& client, kube::ResourceMapper& mapper, const Json& resource,
                                  int context);

}  // namespace fairlead::cmd
