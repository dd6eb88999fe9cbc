#include "mesh/cluster_facts.h"

#include <algorithm>

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

Result<Json> Ask(kube::Client& client, const std::string& target) {
  FL_ASSIGN(http::Response answer, client.Raw({.target = target}));
  return value::ParseJson(answer.body, target);
}

}  // namespace

Result<ClusterFacts> LookAtCluster(kube::Client& client) {
  ClusterFacts facts{.kube_version = "", .api_versions = {"v1"}, .platform = ""};
  FL_ASSIGN(Json version, Ask(client, "/version"));
  facts.kube_version = Str(version, "gitVersion");
  FL_ASSIGN(Json groups, Ask(client, "/apis"));
  for (const Json& group : At(groups, "groups"))
    for (const Json& v : At(group, "versions")) facts.api_versions.push_back(Str(v, "groupVersion"));
  const std::string openshift = "operator.openshift.io/v1";
  if (std::ranges::find(facts.api_versions, openshift) == facts.api_versions.end()) return facts;
  FL_ASSIGN(Json kinds, Ask(client, "/apis/" + openshift));
  for (const Json& kind : At(kinds, "resources"))
    if (Str(kind, "kind") == "OpenShiftAPIServer") facts.platform = "openshift";
  return facts;
}

}  // namespace fairlead::mesh
