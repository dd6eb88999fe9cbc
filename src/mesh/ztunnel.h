// The controller of ZTunnel: the node proxies of ambient mode.
#pragma once
#include "mesh/daemonset.h"
#include "mesh/reconciler.h"

namespace fairlead::mesh {

class ZtunnelController : public Reconciler {
 public:
  explicit ZtunnelController(Operator& op);

 private:
  Result<Looked> Look(const Json& ztunnel, Json& status) override;
  std::optional<Problem> Install(const Json& ztunnel, Json& status);

  DaemonSetView proxies_;
};

}  // namespace fairlead::mesh
