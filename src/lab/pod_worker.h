// One pod on one node, from sandbox to clean-up.
//
// Flow: sandbox (network namespace, CNI ADD; again after a pause when it fails) -> init containers one after another ->
// containers, probed and restarted with back-off -> on deletion SIGTERM, grace, SIGKILL -> CNI DEL -> the pod object
// goes.
#pragma once
#include "lab/cni_chain.h"
#include "lab/container_plan.h"

namespace fairlead::lab {

struct RunningContainer {
  Json spec;  // of the pod's list
  bool init = false;
  pid_t pid = 0;  // the launcher's; 0 = not running
  int restarts = 0, exit_code = 0;
  bool finished = false;  // ended and will not start again
  bool ready = false, started = false;
  std::string started_at, finished_at, waiting = "ContainerCreating", waiting_message, id, image_id;
  Json last_terminated;
  SteadyTime start_time{}, next_start{}, next_probe{};
  int successes = 0, failures = 0, liveness_failures = 0;
};

class PodWorker {
 public:
  PodWorker(Node& node, ObjectPtr pod);
  ~PodWorker();
  void Observe(ObjectPtr pod);  // the object changed, or is gone (null)
  bool done() const { return done_; }
  void RequestStop() { thread_.request_stop(); }
  Status Signal(const std::string& container, int signal);
  std::string netns_path() const { return netns_path_; }

 private:
  void Run(const std::stop_token& stop);
  bool SetUpSandbox(const std::stop_token& stop);
  Status TrySandbox();
  void TearDown();
  bool Step();  // one round of starting, reaping, probing; false when the pod has ended
  void StartContainer(RunningContainer& c);
  PodOnNode Here();
  Status RenewToken();
  void Reap(RunningContainer& c);
  void Probe(RunningContainer& c);
  void KillContainers(int64_t grace_seconds);
  void WriteStatus();
  void Event(const char* type, const std::string& reason, const std::string& message);
  bool Deleting() const;
  Json Pod() const;

  Node& node_;
  mutable std::mutex mutex_;  // guards pod_ and containers_' pids
  ObjectPtr pod_;
  std::atomic<bool> gone_{false}, done_{false};
  std::string uid_, ns_, name_, netns_path_, ip_;
  std::optional<SteadyTime> token_written_;  // none: the pod has no token
  CniAttachment attachment_;
  bool sandbox_ready_ = false, host_network_ = false;
  int sandbox_attempt_ = 0;
  std::vector<RunningContainer> containers_;
  std::string phase_ = "Pending", last_status_;
  std::map<std::string, std::string> condition_since_;
  std::map<std::string, std::string> condition_status_;
  std::jthread thread_;
};

}  // namespace fairlead::lab
