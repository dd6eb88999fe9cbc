// What the live view sees of a cluster, from caches that others keep and from the Events that it asks for while
// somebody looks.
#pragma once
#include "mesh/catalog.h"
#include "view/board.h"

namespace fairlead::view {

// Kept by the operator, or by the program that shows the view on a laptop. Agents and nodes as mesh::TrimAgents and
// mesh::TrimNodes keep them.
struct Sources {
  kube::Informer &cnis, &istios, &revisions, &daemonsets, &agents, &nodes;
};

// Threading: Watched and See are called on one thread.
class Cluster {
 public:
  // `changed` is called whenever there may be something else to see. Before the sources start. `pods`: null where the
  // agents are not asked; then what they tell by Events is seen.
  Cluster(kube::Api& api, Sources sources, const mesh::Catalog& catalog, std::function<PodsReport()> pods,
          std::function<void()> changed);
  void Watched(bool yes);
  Board See();

 private:
  void WatchEvents(const std::string& ns);
  std::vector<kube::ObjectPtr> Events() const;  // newest first
  PodsReport ToldByEvents(const std::vector<kube::ObjectPtr>& events, const std::vector<Agent>& agents) const;

  kube::Api& api_;
  Sources sources_;
  const mesh::Catalog& catalog_;
  std::function<PodsReport()> pods_;
  std::function<void()> changed_;
  std::string events_ns_;
  std::vector<std::unique_ptr<kube::Informer>> events_;
};

}  // namespace fairlead::view
