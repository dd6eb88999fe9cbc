#pragma once
#include "chart/chart.h"

namespace fairlead::chart {

// Reads Chart.yaml into `chart`. kInvalid in Helm's words: what is missing or malformed.
Status ReadMetadata(const std::string& text, Chart& chart);
// A version within a range such as ">=1.20-0"; false where either cannot be read.
bool IsCompatibleRange(const std::string& constraint, const std::string& version);

}  // namespace fairlead::chart
