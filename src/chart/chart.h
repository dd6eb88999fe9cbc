// Helm charts: a set of files, the values they start from, and what they render to.
// Source of the behaviour: helm.sh/helm pkg/chart/loader, pkg/engine, pkg/chart/common/util/coalesce.go.
#pragma once
#include <map>
#include <vector>

#include "value/json.h"

namespace fairlead::chart {

struct Chart {
  std::string name, version, app_version;
  Json metadata;                                 // Chart.yaml
  Json values;                                   // values.yaml
  std::map<std::string, std::string> templates;  // "templates/daemonset.yaml" -> text
  std::map<std::string, std::string> files;      // everything else that .Files shows
};

// Files by path relative to the chart's root. Errors name the file.
Result<Chart> LoadFiles(const std::map<std::string, std::string>& files);
// A chart directory. Symbolic links that lead out of it are refused; more than 20 MB is too.
Result<Chart> LoadDirectory(const std::string& path);

struct Release {
  std::string name, ns;
  bool is_upgrade = false;
  std::string kube_version = "v1.32.0";   // .Capabilities.KubeVersion.Version
  std::vector<std::string> api_versions;  // .Capabilities.APIVersions
};

// The manifests in Helm's install order, each with metadata. `values` are the user's; the chart's own lie under them.
// Errors: Helm's text for template errors; "YAML parse error on FILE: ..." for what renders to something else than
// YAML.
Result<std::vector<Json>> Render(const Chart& chart, const Json& values, const Release& release);

}  // namespace fairlead::chart
