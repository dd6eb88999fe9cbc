// The live view put together: what it sees, who hears of changes, and the page.
#pragma once
#include "view/cluster.h"
#include "view/service.h"

namespace fairlead::view {

// Made before the sources start, and ended after they have stopped.
class LiveView {
 public:
  // Where agents are asked about pods: what they said last, and that somebody looks or that nobody does any more.
  struct Pods {
    std::function<PodsReport()> report;
    std::function<void(bool)> watched;
  };
  LiveView(kube::Api& api, Sources sources, const mesh::Catalog& catalog, Access& access, Pods pods = {})
      : access_(access),
        cluster_(api, sources, catalog, std::move(pods.report), [this] { hub_.Changed(); }),
        hub_([this] { return cluster_.See(); },
             [this, watched = std::move(pods.watched)](bool yes) {
               cluster_.Watched(yes);
               if (watched) watched(yes);
             }) {}
  // Errors: as Service::Start.
  Status Start(ServiceOptions options) {
    service_ = std::make_unique<Service>(hub_, access_, std::move(options));
    return service_->Start();
  }
  uint16_t port() const { return service_->port(); }
  void Changed() { hub_.Changed(); }

 private:
  Access& access_;
  Cluster cluster_;
  Hub hub_;
  std::unique_ptr<Service> service_;
};

}  // namespace fairlead::view
