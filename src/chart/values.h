// How the values of a chart, of the charts it depends on and of the user come together.
// Source of the behaviour: helm.sh/helm v3.19 pkg/chartutil/coalesce.go and dependencies.go.
#pragma once
#include "chart/chart.h"

namespace fairlead::chart {

// Takes out the charts that conditions or tags switch off, gives the others their aliases, and lets the parents have
// the values that they import. `user` only decides about conditions and tags.
Status ProcessDependencies(Chart& chart, const Json& user);
// `user` over the chart's values; below the name of a chart it depends on, that chart's values lie under both. A null
// takes a default away. kInvalid: something that is no map stands in the place of such a chart's values.
Result<Json> CoalesceValues(const Chart& chart, const Json& user);

}  // namespace fairlead::chart
