#include "cmd/cni_update.h"

#include "cmd/agent_facts.h"
#include "cmd/mesh_plan.h"
#include "kube/scheduling.h"
#include "mesh/rollout_plan.h"
#include "mesh/skew.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

constexpr const char* kName = "default";

Finding Judge(const std::string& check, const std::vector<std::string>& wrong, const char* result,
              const std::string& fine) {
  if (wrong.empty()) return {check, "ok", fine};
  return {check, result, Join(wrong, "; ")};
}

Finding CheckSkew(const mesh::Version& version, std::vector<mesh::ControlPlane> planes, const Json& cni) {
  mesh::JudgeSkew(version, planes);
  auto policy = mesh::ReadSkewPolicy(cni);
  if (!policy.ok()) return {"version skew", "failed", policy.error().message};
  std::string skew = mesh::SkewMessage(planes);
  std::vector<std::string> fit;
  for (const auto& p : planes) fit.push_back(p.kind + "/" + p.name + " " + p.version);
  if (skew.empty()) return {"version skew", "ok", planes.empty() ? "no control plane" : "fits " + Join(fit, ", ")};
  return {"version skew", *policy == mesh::SkewPolicy::kEnforce ? "failed" : "warning", skew};
}

// Nodes on which the update cannot be done now, or cannot be told.
std::vector<Finding> CheckNodes(const std::vector<Json>& nodes, const std::vector<Json>& agents) {
  std::vector<std::string> down, pressed, uncovered;
  std::set<std::string> covered;
  for (const Json& pod : agents)
    if (kube::IsPodReady(pod)) covered.insert(Str(pod, "spec", "nodeName"));
  for (const Json& node : nodes) {
    std::string name = kube::Name(node);
    if (Str(kube::Condition(node, "Ready"), "status") != "True") {
      down.push_back(name);
      continue;
    }
    for (const char* type : {"DiskPressure", "MemoryPressure", "PIDPressure"})
      if (Str(kube::Condition(node, type), "status") == "True") pressed.push_back(name + ": " + type);
    if (!covered.contains(name)) uncovered.push_back(name);
  }
  return {Judge("nodes are ready", down, "warning", std::to_string(nodes.size()) + " nodes"),
          Judge("nodes have room", pressed, "warning", "no pressure"),
          Judge("every node has an agent", uncovered, "warning", std::to_string(covered.size()) + " agents are ready")};
}

// Whether the charts render with these values, and what nodes and images that would need.
std::vector<Finding> CheckCharts(kube::Client& client, Json cni, const std::string& wanted,
                                 const std::vector<Json>& nodes) {
  cni["spec"]["version"] = wanted;
  auto plan = PlanFor(client, cni);
  if (!plan.ok()) return {{"chart", "failed", plan.error().message}};
  std::vector<Finding> out = {Judge("values", plan->values.unknown, "warning", "every one is read by the chart")};
  if (!plan->values.wrong.empty()) return {{"values", "failed", Join(plan->values.wrong, "; ")}};
  std::vector<Json> objects;
  for (const mesh::Release& release : plan->releases) {
    auto rendered = RenderRelease(*plan, release);
    if (!rendered.ok()) return {out[0], {"chart", "failed", rendered.error().message}};
    objects.insert(objects.end(), rendered->begin(), rendered->end());
  }
  out.push_back({"chart", "ok", std::to_string(objects.size()) + " objects"});
  for (const Json& o : objects) {
    if (Str(o, "kind") != "DaemonSet") continue;
    Json spec = At(o, "spec", "template", "spec");
    for (const Json& toleration : kube::DaemonSetTolerations()) spec["tolerations"].push_back(toleration);
    std::vector<std::string> without, images;
    for (const Json& node : nodes)
      if (std::string why = kube::WhyNotOnNode(spec, node); !why.empty())
        without.push_back(kube::Name(node) + ": " + why);
    out.push_back(Judge("nodes take the agent", without, "warning", "all"));
    for (const Json& c : At(spec, "containers")) {
      std::string image = Str(c, "image");
      auto has = [&](const Json& node) {
        for (const Json& i : At(node, "status", "images"))
          for (const Json& name : At(i, "names"))
            if (name == image) return true;
        return false;
      };
      auto there = std::ranges::count_if(nodes, has);
      images.push_back(image + " is on " + std::to_string(there) + " of " + std::to_string(nodes.size()) +
                       " nodes; others pull it");
    }
    out.push_back({"images", "ok", Join(images, "; ")});
    std::vector<std::string> missing;
    for (const Json& secret : At(spec, "imagePullSecrets"))
      if (auto there = client.Get(kube::kSecrets, Str(cni, "spec", "namespace"), Str(secret, "name"));
          !there.ok() && there.error().code == Code::kNotFound)
        missing.push_back(Str(secret, "name"));
    if (At(spec, "imagePullSecrets").is_array())
      out.push_back(Judge("pull secrets are there", missing, "warning", "all"));
  }
  return out;
}

// Primary CNIs that chain other plugins after theirs, as far as is known.
const std::set<std::string>& KnownPrimaries() {
  static const std::set<std::string> known = {
      "antrea", "aws-cni",  "azure-vnet", "bridge",   "calico",  "cilium-cni", "cni-genie",   "flannel",
      "gke",    "ipvlan",   "kindnet",    "kube-ovn", "macvlan", "multus",     "multus-shim", "ovn-k8s-cni-overlay",
      "ptp",    "weave-net"};
  return known;
}

std::vector<Finding> CheckAgents(const kube::Config& config, const std::vector<Json>& agents) {
  std::vector<std::string> silent, read_only, unknown, at_risk;
  std::map<std::string, int> primaries;
  for (const AgentFacts& f : AskAgents(config, agents)) {
    if (!f.problem.empty()) {
      silent.push_back(f.node + ": " + f.problem);
      continue;
    }
    for (const std::string& directory : f.read_only) read_only.push_back(f.node + ": " + directory);
    if (!f.primary_cni.empty()) ++primaries[f.primary_cni];
    if (!f.primary_cni.empty() && !KnownPrimaries().contains(f.primary_cni))
      unknown.push_back(f.node + ": " + f.primary_cni + " is not known to chain other plugins");
    if (f.broken_pods + f.unreachable_pods > 0)
      at_risk.push_back(f.node + ": " + std::to_string(f.broken_pods) + " without working rules, " +
                        std::to_string(f.unreachable_pods) + " whose network namespace is not found");
  }
  std::vector<std::string> counted;
  for (const auto& [type, n] : primaries) counted.push_back(type + " on " + std::to_string(n) + " nodes");
  return {Judge("agents answer", silent, "warning", std::to_string(agents.size()) + " agents"),
          Judge("CNI directories can be written", read_only, "failed", "on every node that was asked"),
          Judge("primary CNI", unknown, "warning", counted.empty() ? "none that is chained" : Join(counted, ", ")),
          Judge("pods at risk", at_risk, "warning", "none")};
}

// Pods of the mesh that start while the update goes on wait for an agent; those that do not start already are a problem
// of before.
Finding CheckPods(const std::vector<Json>& pods) {
  std::vector<std::string> waiting;
  for (const Json& pod : pods) {
    bool of_mesh = kube::HasAnnotation(pod, "sidecar.istio.io/status") ||
                   kube::Annotation(pod, "ambient.istio.io/redirection") == "enabled";
    if (of_mesh && Str(pod, "status", "phase") == "Pending") waiting.push_back(kube::Key(pod));
  }
  return Judge("pods of the mesh run", waiting, "warning", "none is waiting");
}

}  // namespace

Result<std::vector<Finding>> Preflight(const kube::Config& config, const std::string& wanted) {
  std::vector<Finding> out;
  auto add = [&](std::vector<Finding> more) { std::ranges::move(more, std::back_inserter(out)); };
  kube::Client api(config);
  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  auto cni = api.Get(kube::kIstioCnis, "", kName);
  if (!cni.ok() && cni.error().code != Code::kNotFound) return cni.error();
  if (!cni.ok())
    return MakeError(Code::kNotFound,
                     "there is no IstioCNI \"default\": there is nothing to update; make one first (docs/update.md)");
  std::string running = Str(*cni, "status", "runningVersion");
  auto version = catalog.Resolve(wanted);
  out.push_back(version.ok() ? Finding{"version", "ok", running + " -> " + version->name}
                             : Finding{"version", "failed", version.error().message});
  FL_ASSIGN(auto planes, ControlPlanes(api, catalog));
  if (version.ok()) out.push_back(CheckSkew(*version, planes, *cni));
  std::string state = Str(*cni, "status", "state");
  out.push_back({"state", state == "Healthy" ? "ok" : "warning",
                 state == "Healthy" ? state : state + ": " + Str(kube::Condition(*cni, "Ready"), "message")});
  FL_ASSIGN(auto nodes, api.List(kube::kNodes, "", {}));
  if (version.ok()) add(CheckCharts(api, *cni, wanted, nodes.items));
  FL_ASSIGN(auto agents, ListAgents(api, *cni));
  add(CheckNodes(nodes.items, agents));
  std::erase_if(agents, [](const Json& pod) { return Str(pod, "status", "phase") != "Running"; });
  add(CheckAgents(config, agents));
  FL_ASSIGN(auto pods, api.List(kube::kPods, "", {}));
  out.push_back(CheckPods(pods.items));
  return out;
}

bool HasFailed(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, [](const Finding& f) { return f.result == "failed"; });
}

std::string Text(const std::vector<Finding>& findings, Output output) {
  if (!IsTable(output)) {
    Json all = Json::array();
    for (const Finding& f : findings) all.push_back({{"check", f.check}, {"result", f.result}, {"detail", f.detail}});
    return Structured(all, output);
  }
  std::vector<std::vector<std::string>> rows = {{"CHECK", "RESULT", "DETAIL"}};
  for (const Finding& f : findings) rows.push_back({f.check, f.result, f.detail});
  return AlignColumns(rows);
}

Result<std::string> History(kube::Api& api, Output output) {
  FL_ASSIGN(Json cni, api.Get(kube::kIstioCnis, "", kName));
  const Json& history = At(cni, "status", "history");
  if (!IsTable(output)) return Structured(history.is_array() ? history : Json::array(), output);
  std::vector<std::vector<std::string>> rows = {{"VERSION", "COMPLETED"}};
  for (const Json& entry : history) rows.push_back({Str(entry, "version"), Str(entry, "completedAt")});
  return AlignColumns(rows);
}

Result<std::string> Rollback(kube::Api& api, const std::string& to) {
  FL_ASSIGN(Json cni, api.Get(kube::kIstioCnis, "", kName));
  std::string now = Str(cni, "spec", "version"), target = to.empty() ? mesh::VersionBefore(cni) : to;
  if (target.empty())
    return MakeError(
        Code::kNotFound,
        "no version before " + now + " was ever complete (status.history of istiocni/default); name one with --to");
  if (target == now) return "istiocni/default has " + now + " already\n";
  FL_ASSIGN(Json changed,
            api.Patch(kube::kIstioCnis, "", kName, kube::PatchType::kMerge, {{"spec", {{"version", target}}}}, {}));
  return "istiocni/default: " + now + " -> " + Str(changed, "spec", "version") +
         "; wait with: kubectl wait --for=condition=Ready istiocnis/default\n";
}

}  // namespace fairlead::cmd
