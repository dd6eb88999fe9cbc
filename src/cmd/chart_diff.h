// `fairlead render CHART --diff ...`: what would change, as helm-diff shows it.
#pragma once
#include "chart/render.h"
#include "kube/mapper.h"

namespace fairlead::cmd {

// From one rendering to another; "" when they are equal. `ns`: the release's, for objects that name none. `context`:
// unchanged lines around a change, -1: all.
std::string DiffRenderings(const chart::Rendered& before, const chart::Rendered& after, const std::string& ns,
                           int context);
// From what the cluster has to what it would have after this was applied, asked from the API server without changing
// anything. What the chart does not render any more is not looked for.
Result<std::string> DiffCluster(kube::Api& api, kube::ResourceMapper& mapper, const chart::Rendered& after,
                                const std::string& ns, const std::string& field_manager, int context);

// One object, as the server has it before and after; null: not there. "": nothing that a person would see.
std::string DiffObject(const Json& before, const Json& after, int context);

}  // namespace fairlead::cmd
