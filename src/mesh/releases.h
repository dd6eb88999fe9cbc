// What each kind of resource installs: charts with their values, under the names that the sail-operator gives its Helm
// releases.
#pragma once
#include "mesh/values.h"

namespace fairlead::mesh {

struct Release {
  std::string chart;  // cni, istiod, base, revisiontags, ztunnel
  std::string name, ns;
  Json values;
};

// Errors are ComputeCniValues' and ComputeZtunnelValues'.
Result<std::vector<Release>> CniReleases(const Json& spec, const Version& version, const Resources& resources);
Result<std::vector<Release>> ZtunnelReleases(const Json& spec, const Json& base, const Version& version,
                                             const Resources& resources);
// `operator_ns`: what all revisions share is installed there, by the default one.
std::vector<Release> RevisionReleases(const Json& revision, const Version& version, const std::string& operator_ns);

// Namespaced name of the default revision: no suffix in its objects' names.
inline constexpr const char* kDefaultRevision = "default";

}  // namespace fairlead::mesh
