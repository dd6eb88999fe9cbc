// Renders charts as `helm template` and `helm install` do. Source of the behaviour: helm.sh/helm v3.19 pkg/action,
// pkg/engine.
#pragma once
#include <functional>

#include "chart/manifests.h"

namespace fairlead::chart {

struct Release {
  std::string name, ns;
  bool is_upgrade = false;
  std::string kube_version = "v1.34.0";                        // .Capabilities.KubeVersion.Version
  std::vector<std::string> api_versions = KnownApiVersions();  // .Capabilities.APIVersions
  // What `lookup` finds; none: it finds nothing.
  std::function<Result<Json>(const std::string& api_version, const std::string& kind, const std::string& ns,
                             const std::string& name)>
      lookup;
  static std::vector<std::string> KnownApiVersions();  // those that Helm knows without a cluster
};

// What --kube-version takes: 1.29, v1.29.3; what follows the numbers is dropped. kInvalid in Helm's words.
Result<std::string> ParseKubeVersion(const std::string& text);

struct Rendered : Manifests {
  std::string notes;                                      // NOTES.txt of the chart itself
  std::vector<std::pair<std::string, std::string>> crds;  // path and text of what lies in crds/, in the order of Helm
};

// `values` are the user's; the chart's own, and those of its subcharts, lie under them. Numbers in `values` that stem
// from YAML must be floating point (value::WithFloatNumbers), for Helm's are. Errors are Helm's: of the values, of a
// template with its file, line and column, or of what it renders to.
Result<Rendered> RenderChart(Chart chart, const Json& values, const Release& release);
// Just the objects, in the order of their installation; hooks are left out, and so is what has no kind or name.
Result<std::vector<Json>> Render(const Chart& chart, const Json& values, const Release& release);

}  // namespace fairlead::chart
