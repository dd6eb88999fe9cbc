// What a chart reads of its values, so that what a user misspelt is told and not just left without effect.
// It is learnt from the chart itself, so that it holds for charts that are dropped in, too: from the defaults in its
// values.yaml, and from what its templates name.
#pragma once
#include <vector>

#include "chart/chart.h"

namespace fairlead::mesh {

// A tree with the shape of the values. An object that is empty, and null: anything may lie below.
using KnownValues = Json;

// `name`: as the sail-operator has them; what cni's and ztunnel's values have at the top may lie below that name, too.
KnownValues KnownValuesOf(const chart::Chart& chart, const std::string& name);

struct ValuesCheck {
  std::vector<std::string> unknown;  // "spec.values.cni.logLevell is not read by any chart; did you mean ...?"
  std::vector<std::string> wrong;    // "spec.values.cni.ambient.enabled: "yes" must be true or false"
};
// Compares a user's values with what `charts` read together.
ValuesCheck CheckValues(const Json& values, const std::vector<const KnownValues*>& charts);

}  // namespace fairlead::mesh
