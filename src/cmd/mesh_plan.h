// What the operator would install for a resource, computed here with its own code: the built-in catalogue, charts and
// profiles. An operator that was started with others installs those.
#pragma once
#include "kube/client.h"
#include "mesh/cluster_facts.h"
#include "mesh/releases.h"
#include "mesh/skew.h"

namespace fairlead::cmd {

struct MeshPlan {
  mesh::Version version;
  mesh::Resources resources;
  mesh::ClusterFacts cluster;
  std::vector<mesh::Release> releases;
  mesh::ValuesCheck values;  // of the user's
};

Result<mesh::Catalog> BuiltInCatalog();
// Those that the cluster has, not judged yet.
Result<std::vector<mesh::ControlPlane>> ControlPlanes(kube::Client& client, const mesh::Catalog& catalog);
// For an IstioCNI, a ZTunnel or an IstioRevision. Errors are what its condition would say.
Result<MeshPlan> PlanFor(kube::Client& client, const Json& resource);
// The objects of one of its releases.
Result<std::vector<Json>> RenderRelease(const MeshPlan& plan, const mesh::Release& release);

}  // namespace fairlead::cmd
