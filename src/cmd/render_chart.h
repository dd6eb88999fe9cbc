// `fairlead render CHART`: what `helm template` prints, without Helm and without a cluster.
#pragma once
#include <string>
#include <vector>

#include "chart/render.h"

namespace fairlead::cmd {

struct RenderOptions {
  std::string chart;  // a directory or a .tgz
  std::string name = "release-name", ns = "default", kube_version = "v1.34.0";
  std::vector<std::string> value_files;                   // later ones win; "-" is standard input
  std::vector<std::string> sets, string_sets, json_sets;  // "a.b=c,d[0]={e,f}"
  std::vector<std::string> api_versions;                  // added to those that Helm knows
  std::vector<std::string> only;                          // templates to show: "templates/daemonset.yaml"
  bool include_crds = false, no_hooks = false, is_upgrade = false;
  bool json = false;  // an object a line instead
};

Result<chart::Rendered> Render(const RenderOptions& options);

// The documents in the order in which Helm installs them, then the hooks. Errors are Helm's, or name the file or the
// setting.
Result<std::string> RenderedText(const RenderOptions& options);

}  // namespace fairlead::cmd
