// `fairlead render CHART`: a chart's objects as YAML, without a cluster.
#pragma once
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead::cmd {

struct RenderOptions {
  std::string chart;  // a directory
  std::string name = "release-name", ns = "default", kube_version = "v1.34.0";
  std::vector<std::string> value_files;  // later ones win; "-" is standard input
  std::vector<std::string> sets;         // "a.b=c,d=e": true, false, null and whole numbers are not strings
  bool include_crds = false;
  bool json = false;  // an object a line instead
};

// The documents in install order. Errors name the file or the setting.
Result<std::string> RenderChart(const RenderOptions& options);

}  // namespace fairlead::cmd
