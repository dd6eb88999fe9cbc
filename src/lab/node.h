// A node of the lab: namespaces of its own, and a small kubelet that runs the pods bound to it.
//
// Threading: one thread a node watches for pods, one thread a pod does its work. Failure: what a pod does wrong stays
// with that pod; what the node cannot do becomes an Event.
#pragma once
#include "controller/events.h"
#include "http/message.h"
#include "http/server.h"
#include "lab/auth.h"
#include "lab/local_api.h"

namespace fairlead::lab {

struct NodeConfig {
  std::string name, ip, pod_cidr;
  std::string state_dir;  // of the lab, on disk: logs and container specs
  std::string images_dir;
  std::string cni_plugins_dir = "/usr/lib/cni";
  std::string api_host = "10.96.0.1";  // what pods get as KUBERNETES_SERVICE_HOST
  std::string ca_pem;
  std::chrono::seconds token_lifetime{3600};
  Millis sandbox_retry{10000};  // kubelet's pause before it tries a sandbox again
};

// What the kubelet saw of one pod: for the demo's table and the tests.
struct PodRecord {
  std::string ns, name, uid, node;
  int64_t seen_ms = 0, ready_ms = 0;  // wall clock, when the node first saw it, and Ready
  int sandbox_failures = 0;
  bool mesh = false;  // carries the sidecar annotation
  // Whether istio's nat table existed before its first container started; nothing before one did.
  std::optional<bool> rules_before_start;
  std::string netns_path;
};

class PodWorker;

class Node {
 public:
  Node(NodeConfig config, LocalApi& api, TokenAuthority& tokens);
  ~Node();
  Status Start();  // makes the namespaces; the network is the fabric's to connect
  void Run();      // registers the node and starts the kubelet
  void Stop();
  int pid() const { return pid_; }
  const NodeConfig& config() const { return config_; }
  std::vector<PodRecord> Records() const;
  // The nft ruleset (JSON) in a pod's network namespace. kNotFound when no such pod runs here.
  Result<std::string> Ruleset(const std::string& pod_uid) const;
  // Sends a signal to a container's process. kNotFound when it does not run.
  Status Signal(const std::string& ns, const std::string& pod, const std::string& container, int signal) const;
  std::string LogPath(const Json& pod, const std::string& container) const;

 private:
  friend class PodWorker;
  void Loop(const std::stop_token& stop);
  void Register();
  NodeConfig config_;
  LocalApi& api_;
  TokenAuthority& tokens_;
  controller::EventRecorder events_;
  int pid_ = -1;
  UniqueFd keep_alive_;
  mutable std::mutex mutex_;  // guards workers_, records_
  std::map<std::string, std::unique_ptr<PodWorker>> workers_;
  std::map<std::string, PodRecord> records_;
  std::jthread thread_;
};

// A node's status as a kubelet posts it.
Json NodeStatus(const std::string& name, const std::string& ip);

}  // namespace fairlead::lab
