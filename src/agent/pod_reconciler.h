// What the agent does about pods apart from the plugin's requests: pods that ran before their agent or whose labels
// change are brought into the mesh or out of it, pods that started without their rules are repaired, and the annotation
// that tells others about an ambient pod is kept true.
//
// Flow: pod and namespace informers -> queue -> Reconcile(pod). Threading: one worker of its own. It does nothing while
// another agent serves the node: that is so at first, and whenever it is told to pause.
#pragma once
#include <condition_variable>

#include "agent/enroller.h"
#include "controller/controller.h"

namespace fairlead::agent {

class PodReconciler {
 public:
  PodReconciler(const Config& config, kube::Api& api, kube::Informer& pods, kube::Informer* namespaces,
                Enroller& enroller, controller::Metrics& metrics);
  // Before the informers start.
  void Watch();
  void Start() { controller_.Start(); }
  void Stop() { controller_.Stop(); }
  void Enqueue(const std::string& pod) { controller_.Enqueue(pod); }
  // When Pause(true) returns, no pod is being worked on, but for one that waits for the API server too long.
  void Pause(bool paused);
  // Brings in what runs already: every pod of the node once, on the calling thread. Called before ztunnel is served, so
  // that its first snapshot is complete.
  void AdoptAll();

 private:
  Result<controller::Outcome> Work(const std::string& key);
  Result<controller::Outcome> Reconcile(const std::string& key, Millis ztunnel_wait);
  Status BringIn(const Json& pod, const redirect::PodConfig& config, Millis ztunnel_wait);
  Status Repair(const Json& pod, const redirect::PodConfig& config);
  Status DeleteOrLabel(const Json& pod);
  bool IsBroken(const Json& pod) const;
  Status Annotate(const Json& pod, bool enrolled);

  const Config& config_;
  kube::Api& api_;
  kube::Informer& pods_;
  kube::Informer* namespaces_;
  Enroller& enroller_;
  controller::Metrics& metrics_;
  std::atomic<bool> paused_{true};
  std::mutex mutex_;  // guards working_
  std::condition_variable idle_;
  bool working_ = false;  // on a pod
  controller::Controller controller_;
};

}  // namespace fairlead::agent
