#include "view/cluster.h"

namespace fairlead::view {
namespace {

using value::At;
using value::Str;

// Times, what is said, and about what.
void KeepEvent(Json& e) {
  Json kept = {{"metadata", {{"name", kube::Name(e)}, {"namespace", kube::Namespace(e)}}}};
  for (const char* key : {"type", "reason", "message", "count", "lastTimestamp", "eventTime"})
    if (const Json& v = At(e, key); !v.is_null()) kept[key] = v;
  kept["involvedObject"] = {{"kind", Str(e, "involvedObject", "kind")}, {"name", Str(e, "involvedObject", "name")}};
  e = std::move(kept);
}

}  // namespace

Cluster::Cluster(kube::Api& api, Sources sources, const mesh::Catalog& catalog, std::function<PodsReport()> pods,
                 std::function<void()> changed)
    : api_(api), sources_(sources), catalog_(catalog), pods_(std::move(pods)), changed_(std::move(changed)) {
  for (kube::Informer* i :
       {&sources_.cnis, &sources_.istios, &sources_.revisions, &sources_.daemonsets, &sources_.agents, &sources_.nodes})
    i->AddHandler([this](const auto&, const auto&) { changed_(); });
}

void Cluster::Watched(bool yes) {
  if (yes) return;
  events_.clear();
  events_ns_.clear();
}

void Cluster::WatchEvents(const std::string& ns) {
  if (!events_.empty() && events_ns_ == ns) return;
  events_.clear();
  events_ns_ = ns;
  auto watch = [&](const std::string& where, const char* fields) {
    auto& informer = events_.emplace_back(
        std::make_unique<kube::Informer>(api_, kube::kEvents, where, kube::ListOptions{.field_selector = fields}));
    informer->SetTrim(KeepEvent);
    informer->AddHandler([this](const auto&, const auto&) { changed_(); });
    informer->Start();
  };
  watch("", "involvedObject.apiVersion=sailoperator.io/v1");
  if (!ns.empty()) watch(ns, "involvedObject.kind=Pod,type=Warning");
}

std::vector<kube::ObjectPtr> Cluster::Events() const {
  std::vector<kube::ObjectPtr> all;
  for (const auto& informer : events_)
    for (auto& e : informer->List()) all.push_back(std::move(e));
  std::ranges::sort(all, [](const auto& a, const auto& b) { return LastSeen(*a) > LastSeen(*b); });
  return all;
}

PodsReport Cluster::ToldByEvents(const std::vector<kube::ObjectPtr>& events, const std::vector<Agent>& agents) const {
  PodsReport report;
  for (const Agent& agent : agents) {
    if (agent.pod.ready || agent.pod.ended) continue;
    auto told = std::ranges::find_if(events, [&](const auto& e) {
      return Str(*e, "reason") == "PodsNotRedirected" && Str(*e, "involvedObject", "name") == agent.name;
    });
    if (told != events.end()) report.without.push_back("node " + agent.pod.node + ": " + Str(**told, "message"));
  }
  return report;
}

Board Cluster::See() {
  Seen seen;
  if (auto cni = sources_.cnis.Get("default")) seen.cni = *cni;
  std::string ns = Str(seen.cni, "spec", "namespace");
  WatchEvents(ns);
  seen.events = Events();
  seen.planes = mesh::ListControlPlanes(sources_.revisions.List(), sources_.istios.List(), catalog_);
  seen.newest = mesh::NewestThatFits(catalog_, seen.planes);
  if (auto version = catalog_.Resolve(Str(seen.cni, "spec", "version")); version.ok()) {
    mesh::JudgeSkew(*version, seen.planes);
    if (seen.newest == version->name) seen.newest.clear();
  }
  auto ds = sources_.daemonsets.Get(kube::Key(ns, mesh::kCniDaemonSet));
  const Json& daemonset = ds ? *ds : value::Null();
  const std::string tmpl = mesh::WantedTemplate(nullptr, daemonset);
  for (const auto& pod : sources_.agents.List())
    if (kube::IsControlledBy(*pod, daemonset)) seen.agents.push_back(ReadAgent(*pod, tmpl));
  for (const auto& [name, node] : sources_.nodes.Entries())
    seen.nodes.emplace_back(name, Str(kube::Condition(*node, "Ready"), "status") == "True");
  seen.pods = pods_ ? pods_() : ToldByEvents(seen.events, seen.agents);
  return Draw(seen);
}

}  // namespace fairlead::view
