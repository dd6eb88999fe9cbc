// Where the agent learns about pods: its cache of this node's pods, and the API server for one that is not there yet.
#pragma once
#include "kube/informer.h"
#include "util/clock.h"

namespace fairlead::agent {

class Pods {
 public:
  virtual ~Pods() = default;
  // The pod with that UID ("": whatever its UID). Waits for it to appear until the deadline. kNotFound: there is no
  // such pod now; kUnavailable: nobody could say in time.
  virtual Result<kube::ObjectPtr> Find(const std::string& ns, const std::string& name, const std::string& uid,
                                       SteadyTime deadline) = 0;
};

class CachedPods : public Pods {
 public:
  CachedPods(kube::Api& api, const std::string& node);
  Result<kube::ObjectPtr> Find(const std::string& ns, const std::string& name, const std::string& uid,
                               SteadyTime deadline) override;
  kube::Informer& informer() { return informer_; }

 private:
  kube::Api& api_;
  kube::Informer informer_;
};

}  // namespace fairlead::agent
