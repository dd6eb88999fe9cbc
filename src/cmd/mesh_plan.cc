#include "cmd/mesh_plan.h"

#include "chart/render.h"
#include "embedded/catalog.h"
#include "embedded/charts.h"
#include "embedded/profiles.h"

namespace fairlead::cmd {

using value::At;
using value::Str;

namespace {

// The values of the revision that a ZTunnel points to.
Result<Json> BaseOf(kube::Client& client, const Json& ztunnel) {
  const Json& target = At(ztunnel, "spec", "targetRef");
  if (!target.is_object()) return Json();
  std::string name = Str(target, "name");
  if (Str(target, "kind") == "Istio") {
    FL_ASSIGN(Json istio, client.Get(kube::kIstios, "", name));
    name = Str(istio, "status", "activeRevisionName");
  }
  FL_ASSIGN(Json revision, client.Get(kube::kIstioRevisions, "", name));
  return At(revision, "spec", "values");
}

}  // namespace

Result<mesh::Catalog> BuiltInCatalog() {
  return mesh::Catalog::Parse(embedded::catalog().at("versions.yaml"), "version catalogue");
}

Result<std::vector<mesh::ControlPlane>> ControlPlanes(kube::Client& client, const mesh::Catalog& catalog) {
  auto shared = [](const kube::ListResult& listed) {
    std::vector<kube::ObjectPtr> out;
    for (const Json& o : listed.items) out.push_back(std::make_shared<const Json>(o));
    return out;
  };
  FL_ASSIGN(auto revisions, client.List(kube::kIstioRevisions, "", {}));
  FL_ASSIGN(auto istios, client.List(kube::kIstios, "", {}));
  return mesh::ListControlPlanes(shared(revisions), shared(istios), catalog);
}

Result<MeshPlan> PlanFor(kube::Client& client, const Json& resource) {
  MeshPlan plan;
  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  FL_ASSIGN(plan.version, catalog.Resolve(Str(resource, "spec", "version")));
  FL_ASSIGN(plan.cluster, mesh::LookAtCluster(client));
  plan.resources.profiles = embedded::profiles();
  plan.resources.platform = plan.cluster.platform;
  FL_TRY(mesh::LoadCharts(embedded::charts(), plan.resources));
  const Json& spec = At(resource, "spec");
  std::string kind = Str(resource, "kind");
  std::vector<const char*> charts;
  if (kind == "IstioCNI") {
    charts = {"cni"};
    FL_ASSIGN(plan.releases, mesh::CniReleases(spec, plan.version, plan.resources));
  } else if (kind == "ZTunnel") {
    charts = {"ztunnel"};
    FL_ASSIGN(Json base, BaseOf(client, resource));
    FL_ASSIGN(plan.releases, mesh::ZtunnelReleases(spec, base, plan.version, plan.resources));
  } else if (kind == "IstioRevision") {
    charts = mesh::kControlPlaneCharts;
    plan.releases = mesh::RevisionReleases(resource, plan.version, "fairlead-system");
  } else {
    return MakeError(Code::kInvalid, "kind " + kind + ": an IstioCNI, a ZTunnel or an IstioRevision is expected");
  }
  std::vector<const mesh::KnownValues*> known;
  for (const char* chart : charts) known.push_back(&plan.resources.known.at(chart));
  plan.values = mesh::CheckValues(At(spec, "values"), known);
  return plan;
}

Result<std::vector<Json>> RenderRelease(const MeshPlan& plan, const mesh::Release& release) {
  return chart::Render(plan.resources.charts.at(release.chart), value::WithFloatNumbers(release.values),
                       {.name = release.name,
                        .ns = release.ns,
                        .is_upgrade = true,
                        .kube_version = plan.cluster.kube_version,
                        .api_versions = plan.cluster.api_versions});
}

}  // namespace fairlead::cmd
