// The charts and profiles that versions are installed from: those built in, or those of a directory in the
// sail-operator's layout, vX.Y.Z/charts/cni and vX.Y.Z/profiles/*.yaml.
#pragma once
#include <map>

#include "chart/chart.h"
#include "mesh/catalog.h"

namespace fairlead::mesh {

struct Resources {
  chart::Chart chart;
  std::map<std::string, std::string> profiles;  // "ambient.yaml" -> text
};

class ResourceSet {
 public:
  ResourceSet() = default;
  // `directory` may be empty: the built-in ones serve every version.
  ResourceSet(Resources builtin, std::string directory)
      : builtin_(std::move(builtin)), directory_(std::move(directory)) {}
  // What lies in the directory for that version is read anew each time, so it can be changed without a restart; the
  // built-in chart and profiles stand in for what does not. Errors name the file.
  Result<Resources> For(const Version& version) const;

 private:
  Resources builtin_;
  std::string directory_;
};

}  // namespace fairlead::mesh
