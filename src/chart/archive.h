#pragma once
#include "chart/chart.h"

namespace fairlead::chart {

// The files of a gzipped tar archive without the folder that they lie in. Refused: paths that are absolute or lead out
// of that folder, and more than kMaxChartBytes.
Result<Files> ReadArchive(const std::string& bytes);
// What gzip has packed, up to a little more than kMaxChartBytes. Errors: kInvalid.
Result<std::string> Gunzip(const std::string& bytes);

}  // namespace fairlead::chart
