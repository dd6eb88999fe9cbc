// A whole cluster in one process: API server, controllers, nodes.
#pragma once
#include "lab/api_server.h"
#include "lab/controllers.h"
#include "lab/fabric.h"
#include "lab/simulated_nodes.h"

namespace fairlead::lab {

struct LabConfig {
  std::string name = "lab";
  std::string state_dir;  // kubeconfig, logs; made when absent
  std::string images_dir;
  std::string cni_plugins_dir = "/usr/lib/cni";
  int nodes = 3;
  int simulated_nodes = 0;  // beside those: whose pods do nothing and are ready at once
  uint16_t port = 0;        // on 127.0.0.1; 0: a free one
  std::chrono::seconds token_lifetime{3600};
  Millis sandbox_retry{10000};
};

// Threading: Start and Stop from one thread. Failure: Start says what this machine lacks; nothing is left behind.
class Lab {
 public:
  static Result<std::unique_ptr<Lab>> Create(LabConfig config);
  ~Lab();
  Status Start();
  // kubeconfig of an administrator (system:masters), written to <state_dir>/kubeconfig by Start.
  const std::string& kubeconfig() const { return kubeconfig_path_; }

 private:
  explicit Lab(LabConfig config) : config_(std::move(config)) {}
  Status ServeApi();
  Status WriteKubeconfig();
  void ServeLogs(const Json& pod, const http::Request& r, http::ResponseWriter& w);
  void ServeProxy(const Json& pod, const std::string& port, const std::string& path, http::ResponseWriter& w);
  void ServeExtra(const http::Request& r, http::ResponseWriter& w);

  LabConfig config_;
  http::KeyPair authority_, server_cert_, admin_;
  std::unique_ptr<Registry> registry_;
  Store store_;
  std::unique_ptr<Rest> rest_;
  std::unique_ptr<LocalApi> node_api_;
  TokenAuthority tokens_;
  std::unique_ptr<ApiServer> api_;
  std::unique_ptr<Fabric> fabric_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::unique_ptr<SimulatedNodes> simulated_;
  std::unique_ptr<Controllers> controllers_;
  std::string kubeconfig_path_;
  uint16_t port_ = 0;
  std::mutex fault_mutex_;  // guards fault_
  std::jthread fault_;      // brings the API server back
};

}  // namespace fairlead::lab
