#pragma once
#include "chart/chart.h"

namespace fairlead::chart {

// Compares the values with the values.schema.json of the chart and, for what lies below their names, of its subcharts.
// kInvalid lists what differs in Helm's words; kUnsupported names a keyword or a reference that is not understood here.
Status ValidateAgainstSchemas(const Chart& chart, const Json& values);

}  // namespace fairlead::chart
