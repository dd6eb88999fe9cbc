// Calls a node's CNI plugins as a container runtime does (libcni): the first configuration of /etc/cni/net.d, plugins
// in order for ADD, in reverse for DEL.
#pragma once
#include "value/json.h"

namespace fairlead::lab {

struct CniAttachment {
  std::string container_id, netns_path, pod_namespace, pod_name, pod_uid;
  Json config;  // the configuration that ADD used; DEL uses it again, as containerd does
  Json result;  // of ADD
};

class CniChain {
 public:
  explicit CniChain(int node_pid) : node_pid_(node_pid) {}
  // kUnavailable: no configuration. Other errors read as containerd words them: `plugin type="x" failed (add): ...`.
  Status Add(CniAttachment& a) const;
  Status Del(const CniAttachment& a) const;

 private:
  Result<Json> LoadConfig() const;
  Result<Json> Run(const std::string& command, const Json& plugin, const Json& list, const Json& prev,
                   const CniAttachment& a) const;
  int node_pid_;
};

}  // namespace fairlead::lab
