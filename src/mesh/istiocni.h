// The controller of IstioCNI.
//
// Flow of one pass: first say that the new generation is not ready; check namespace, version, skew, values; render;
// apply; prune; look how far the nodes are; write status if it changed. Guarantees: status never says Ready for a
// generation whose agents do not run everywhere. What cannot be applied leaves the running agents as they are. Nothing
// changed means nothing written.
#pragma once
#include "controller/controller.h"
#include "controller/events.h"
#include "kube/informer.h"
#include "mesh/applier.h"
#include "mesh/catalog.h"
#include "mesh/readiness.h"
#include "mesh/resources.h"
#include "mesh/skew.h"
#include "util/clock.h"

namespace fairlead::mesh {

inline constexpr const char* kFinalizer = "sailoperator.io/sail-operator";

struct IstioCniConfig {
  Catalog catalog;
  ResourceSet resources;
  std::string kube_version;               // .Capabilities.KubeVersion
  std::vector<std::string> api_versions;  // .Capabilities.APIVersions
};

class IstioCniController {
 public:
  IstioCniController(kube::Api& api, kube::ResourceMapper& mapper, IstioCniConfig config, controller::Metrics& metrics);
  void Start();
  void Stop();

 private:
  struct Problem {
    std::string reason, message;
    bool retry = true;
  };
  Result<controller::Outcome> Reconcile(const std::string& name);
  Result<controller::Outcome> Finalize(const Json& cni);
  std::optional<Problem> Validate(const Json& cni, const Result<Version>& version,
                                  const std::vector<ControlPlane>& planes);
  std::vector<ControlPlane> ControlPlanes() const;
  Rollout Look(const Json& cni, const Json& applied) const;
  // Renders, applies and prunes; or, when nothing that this depends on has changed since it was last done, says what
  // came of it then. Most passes of an update are about pods that become ready: they cost no request.
  std::optional<Problem> Install(const Json& cni, const Version& version, const Json& inventory);
  Status WriteStatus(const Json& cni, const Json& status);
  void Report(const Json& cni, const Json& before, const Json& after);

  kube::Api& api_;
  kube::ResourceMapper& mapper_;
  IstioCniConfig config_;
  controller::Metrics& metrics_;
  Applier applier_;
  controller::EventRecorder events_;
  // What is installed, as of the last look at all of it. Touched by the controller's one worker only.
  struct Installed {
    std::string wanted;  // what it was made from
    Json inventory, daemonset;
    SteadyTime at{};
  } installed_;
  std::atomic<bool> changed_{true};  // something installed may have changed since
  kube::Informer cnis_, istios_, revisions_, namespaces_, daemonsets_, pods_, configmaps_, accounts_;
  std::vector<kube::Informer*> informers_;
  controller::Controller controller_;
};

}  // namespace fairlead::mesh
