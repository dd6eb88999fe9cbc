// From rendered templates to manifests. Source of the behaviour: helm.sh/helm v3.19 pkg/releaseutil.
#pragma once
#include "chart/chart.h"

namespace fairlead::chart {

struct Manifest {
  std::string path;  // of the template: istio-cni/templates/daemonset.yaml
  std::string text;
  Json object;  // null where the text has only comments
};
struct Hook : Manifest {
  std::vector<std::string> events;  // pre-install, ...
  int weight = 0;
};
struct Manifests {
  std::vector<Manifest> objects;  // in the order in which Helm installs them
  std::vector<Hook> hooks;
};

// `rendered`: text by template path; a file may hold several documents. kInvalid: "YAML parse error on PATH: ...".
Result<Manifests> SortManifests(const Files& rendered);

}  // namespace fairlead::chart
