#include "cmd/version_report.h"

#include "cmd/mesh_plan.h"
#include "cmd/version.h"
#include "mesh/caches.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

using value::Str;

struct Component {
  std::string name, version, where;
};

std::string Print(const std::vector<Component>& all, Output output) {
  if (IsTable(output)) {
    std::vector<std::vector<std::string>> rows = {{"COMPONENT", "VERSION", "WHERE"}};
    for (const Component& c : all) rows.push_back({c.name, c.version, c.where});
    return AlignColumns(rows);
  }
  Json list = Json::array();
  for (const Component& c : all) {
    list.push_back({{"component", c.name}, {"version", c.version}});
    if (!c.where.empty()) list.back()["where"] = c.where;
  }
  return Structured(list, output);
}

Component Own() { return {"fairlead", kComponentVersion, ""}; }

}  // namespace

std::string ClientVersion(Output output) { return Print({Own()}, output); }

Result<std::string> Versions(const kube::Config& config, Output output) {
  kube::Client client(config);
  FL_ASSIGN(http::Response answer, client.Raw({.target = "/version"}));
  FL_ASSIGN(Json server, value::ParseJson(answer.body, "the API server's version"));
  std::vector<Component> all = {Own(), {"API server", Str(server, "gitVersion"), config.http.base_url}};

  FL_ASSIGN(auto operators, client.List(kube::kDeployments, "", {.label_selector = mesh::kOperator}));
  for (const Json& d : operators.items)
    all.push_back({"operator", kube::Label(d, "app.kubernetes.io/version"), kube::Key(d)});

  FL_ASSIGN(auto agents, client.List(kube::kPods, "", {.label_selector = mesh::kCniAgents}));
  std::map<std::string, std::set<std::string>> nodes;  // of each version
  for (const Json& pod : agents.items)
    if (std::string node = Str(pod, "spec", "nodeName"); !node.empty() && !kube::IsDeleting(pod))
      nodes["v" + kube::Label(pod, "app.kubernetes.io/version")].insert(node);
  for (const auto& [version, on] : nodes)
    all.push_back({"CNI", version, std::to_string(on.size()) + (on.size() == 1 ? " node" : " nodes")});

  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  auto planes = ControlPlanes(client, catalog);
  if (!planes.ok() && planes.error().code != Code::kNotFound) return planes.error();
  if (planes.ok())  // otherwise the cluster does not have these kinds
    for (const mesh::ControlPlane& p : *planes)
      if (!p.refused) all.push_back({"control plane", p.version, p.kind + "/" + p.name});
  return Print(all, output);
}

}  // namespace fairlead::cmd
