// How to reach an API server: from a kubeconfig file as kubectl reads it, or from inside a pod.
#pragma once
#include <functional>

#include "http/client.h"

namespace fairlead::kube {

struct Config {
  http::ClientOptions http;
  std::string ns = "default";  // the context's namespace, or the pod's
  // Told of every answer, for metrics; 0: there was none.
  std::function<void(const std::string& method, int status)> on_answer = nullptr;
};

// `path` "": $KUBECONFIG (its first existing file), else ~/.kube/config. `context` "": the current one. Errors name the
// file and the entry that is missing.
Result<Config> LoadKubeconfig(const std::string& path, const std::string& context = "");
// KUBERNETES_SERVICE_HOST/PORT and the service account's files. The token file is read again as it is rotated.
Result<Config> LoadInCluster(const std::string& dir = "/var/run/secrets/kubernetes.io/serviceaccount");
// An explicit kubeconfig path, else in-cluster when the environment says so, else the default kubeconfig.
Result<Config> LoadConfig(const std::string& kubeconfig, const std::string& context = "");

}  // namespace fairlead::kube
