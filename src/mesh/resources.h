// The charts and profiles that versions are installed from: those built in, or those of a directory in the
// sail-operator's layout, vX.Y.Z/charts/{cni,istiod,base,revisiontags,ztunnel} and vX.Y.Z/profiles/*.yaml.
#pragma once
#include <map>
#include <memory>

#include "chart/chart.h"
#include "mesh/catalog.h"

namespace fairlead::mesh {

inline constexpr const char* kCharts[] = {"cni", "istiod", "base", "revisiontags", "ztunnel"};

struct Resources {
  std::map<std::string, chart::Chart> charts;   // by the names above
  std::map<std::string, std::string> profiles;  // "ambient.yaml" -> text
};

// The charts among the files that lie below charts/, by the names above. Errors name the file.
Result<std::map<std::string, chart::Chart>> LoadCharts(const chart::Files& files);

class ResourceSet {
 public:
  ResourceSet() : ResourceSet({}, "") {}
  // `directory` may be empty: the built-in ones serve every version.
  ResourceSet(Resources builtin, std::string directory)
      : builtin_(std::make_shared<const Resources>(std::move(builtin))), directory_(std::move(directory)) {}
  // What lies in the directory for that version is read anew each time, so it can be changed without a restart; the
  // built-in charts and profiles stand in for what does not. Errors name the file.
  Result<std::shared_ptr<const Resources>> For(const Version& version) const;

 private:
  std::shared_ptr<const Resources> builtin_;
  std::string directory_;
};

}  // namespace fairlead::mesh
