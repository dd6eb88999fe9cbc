// Who uses which control plane: the names, of revisions and of tags, that namespaces and pods ask for.
// Source of the behaviour: sail-operator controllers/istiorevision, istio's injection and ambient labels.
#pragma once
#include <mutex>
#include <set>

#include "mesh/caches.h"

namespace fairlead::mesh {

// The name that a namespace asks for; "" = none. istio-injection goes before istio.io/rev, as in istiod.
std::string NameAskedFor(const Json& ns);
// The name that a pod uses or asks for; "" = none. `ns` is its namespace, or null.
std::string NameUsedBy(const Json& pod, const Json& ns);
// Whether the node's proxy serves the pods of the namespace, or the pod.
bool IsAmbient(const Json& ns_or_pod);

// Built once after each change, whoever asks.
class Usage {
 public:
  explicit Usage(Caches& caches);  // adds its handlers, so before the caches start
  // Whether anything uses the revision or tag of that name, by that name.
  bool Names(const std::string& name);
  // Whether anything uses the revision: by its name, by a tag, through the node proxies, or since it serves all.
  bool Uses(const Json& revision);
  // Called when the answer may have changed. Before the caches start.
  void OnChange(std::function<void()> handler) { handlers_.push_back(std::move(handler)); }

 private:
  struct Index {
    std::set<std::string> names;
    bool ambient = false;
  };
  // `says`: what of an object decides about usage.
  void Watch(kube::Informer& informer, std::function<std::string(const Json&)> says);
  const Index& Current();  // with mutex_ held
  Caches& caches_;
  std::vector<std::function<void()>> handlers_;
  std::mutex mutex_;  // guards index_, valid_
  Index index_;
  bool valid_ = false;
};

}  // namespace fairlead::mesh
