// The charts and profiles that versions are installed from: those built in, or those of a directory in the
// sail-operator's layout, vX.Y.Z/charts/{cni,istiod,base,revisiontags,ztunnel} and vX.Y.Z/profiles/*.yaml. There, too,
// what a vendor wants by default: vendor_defaults.yaml, {vX.Y.Z: {istio: VALUES, istiocni: VALUES, ztunnel: VALUES}}.
#pragma once
#include <map>
#include <memory>

#include "chart/chart.h"
#include "mesh/catalog.h"
#include "mesh/known_values.h"

namespace fairlead::mesh {

inline constexpr const char* kCharts[] = {"cni", "istiod", "base", "revisiontags", "ztunnel"};

// Those that an Istio's or an IstioRevision's values are for.
inline constexpr std::initializer_list<const char*> kControlPlaneCharts = {"istiod", "base", "revisiontags", "ztunnel"};

struct Resources {
  std::map<std::string, chart::Chart> charts;   // by the names above
  std::map<std::string, KnownValues> known;     // what the charts read
  std::map<std::string, std::string> profiles;  // "ambient.yaml" -> text
  Json vendor_defaults;                         // of the version, by kind in lower case
  std::string platform;                         // that the cluster runs on, where that matters: openshift

  void Set(const std::string& name, chart::Chart chart);
};

// Adds the charts among the files that lie below charts/, by the names above. Errors name the file.
Status LoadCharts(const chart::Files& files, Resources& into);

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
