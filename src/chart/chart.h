// Helm charts: a set of files, the values they start from, the charts they depend on.
// Source of the behaviour: helm.sh/helm v3.19 pkg/chart, pkg/chart/loader.
#pragma once
#include <map>
#include <vector>

#include "value/json.h"

namespace fairlead::chart {

// An entry of `dependencies` in Chart.yaml.
struct Dependency {
  std::string name, version, alias;
  std::string condition;  // paths into the values, separated by commas; the first that is a boolean decides
  std::vector<std::string> tags;
  Json import_values;  // a list of names below `exports`, and of {child, parent}
  bool enabled = true;
};

struct Chart {
  std::string name, version, app_version;
  Json metadata;                                 // Chart.yaml
  Json values = Json::object();                  // values.yaml; every number is floating point, as in Helm
  std::string schema;                            // values.schema.json, or empty
  std::map<std::string, std::string> templates;  // "templates/daemonset.yaml" -> text
  std::map<std::string, std::string> files;      // everything else that .Files shows, crds/ too
  std::vector<Dependency> requirements;
  std::vector<Chart> charts;  // what lies under charts/

  bool is_library() const;
};

using Files = std::map<std::string, std::string>;  // text by path, relative to the chart's root

// Errors name the file and, for Chart.yaml, the field, in Helm's words.
Result<Chart> LoadFiles(const Files& files);
// A chart directory. What .helmignore names is left out. Symbolic links that lead out of the chart are refused.
Result<Chart> LoadDirectory(const std::string& path);
// The bytes of a .tgz as `helm package` makes it. Paths that lead out of the chart are refused.
Result<Chart> LoadArchive(const std::string& bytes);
// A directory or a .tgz file.
Result<Chart> Load(const std::string& path);

// What a chart may weigh, unpacked, and one file of it.
constexpr size_t kMaxChartBytes = 100u << 20, kMaxFileBytes = 5u << 20;

}  // namespace fairlead::chart
