#include "mesh/releases.h"

#include "kube/object.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

Result<std::vector<Release>> CniReleases(const Json& spec, const Version& version, const Resources& resources) {
  FL_ASSIGN(Json values, ComputeCniValues(spec, version, resources));
  return std::vector<Release>{{.chart = "cni", .name = "istio-cni", .ns = Str(spec, "namespace"), .values = values}};
}

Result<std::vector<Release>> ZtunnelReleases(const Json& spec, const Json& base, const Version& version,
                                             const Resources& resources) {
  FL_ASSIGN(Json values, ComputeZtunnelValues(spec, base, version, resources));
  return std::vector<Release>{{.chart = "ztunnel", .name = "ztunnel", .ns = Str(spec, "namespace"), .values = values}};
}

std::vector<Release> RevisionReleases(const Json& revision, const Version& version, const std::string& operator_ns) {
  std::string name = kube::Name(revision);
  Json values = ComputeIstiodValues(At(revision, "spec"), version);
  std::vector<Release> out = {
      {.chart = "istiod", .name = name + "-istiod", .ns = Str(revision, "spec", "namespace"), .values = values}};
  if (name == kDefaultRevision)
    out.push_back({.chart = "base", .name = "default-base", .ns = operator_ns, .values = values});
  return out;
}

}  // namespace fairlead::mesh
