// Kubernetes Events about objects. The same event again within ten minutes raises the count of the first instead of
// making a new one.
// Threading: every member may be called from any thread. Failure: an event that cannot be written is logged and
// dropped.
#pragma once
#include "kube/api.h"
#include "util/clock.h"

namespace fairlead::controller {

class EventRecorder {
 public:
  EventRecorder(kube::Api& api, std::string component) : api_(api), component_(std::move(component)) {}
  // type: Normal or Warning. Events of cluster-scoped objects go to namespace "default".
  void Emit(const Json& about, const std::string& type, const std::string& reason, const std::string& message);

 private:
  kube::Api& api_;
  std::string component_;
  struct Seen {
    std::string name, ns;
    int64_t count = 1;
    SteadyTime last;
  };
  std::mutex mutex_;  // guards seen_
  std::map<std::string, Seen> seen_;
};

}  // namespace fairlead::controller
