#include "agent/pods.h"

namespace fairlead::agent {
namespace {

void Keep(Json& object, std::initializer_list<const char*> members) {
  if (!object.is_object()) return;
  Json kept = Json::object();
  for (const char* m : members)
    if (auto it = object.find(m); it != object.end()) kept[m] = std::move(*it);
  object = std::move(kept);
}

// What the agent looks at: a tenth of a pod. Of containers only the proxy's settings matter.
void Trim(Json& pod) {
  Keep(pod, {"metadata", "spec", "status"});
  if (pod.contains("metadata"))
    Keep(pod["metadata"],
         {"name", "namespace", "uid", "labels", "annotations", "resourceVersion", "deletionTimestamp"});
  if (pod.contains("spec")) {
    Keep(pod["spec"], {"hostNetwork", "serviceAccountName", "containers", "initContainers"});
    for (const char* list : {"containers", "initContainers"}) {
      if (!pod["spec"].contains(list)) continue;
      for (Json& c : pod["spec"][list]) {
        if (value::Str(c, "name") == "istio-proxy")
          Keep(c, {"name", "args", "env", "securityContext"});
        else
          Keep(c, {"name"});
      }
    }
  }
  if (pod.contains("status")) Keep(pod["status"], {"phase", "podIP", "podIPs", "initContainerStatuses"});
}

}  // namespace

CachedPods::CachedPods(kube::Api& api, const std::string& node)
    : api_(api), informer_(api, kube::kPods, "", {.label_selector = "", .field_selector = "spec.nodeName=" + node}) {
  informer_.SetTrim(Trim);
}

Result<kube::ObjectPtr> CachedPods::Find(const std::string& ns, const std::string& name, const std::string& uid,
                                         SteadyTime deadline) {
  // The runtime knows a static pod by the hash that its mirror in the API carries, not by the mirror's UID.
  auto fits = [&](const Json& pod) {
    return uid.empty() || kube::Uid(pod) == uid || kube::Annotation(pod, "kubernetes.io/config.hash") == uid;
  };
  Error last = MakeError(Code::kUnavailable, "the agent's pod cache is not filled yet");
  for (Millis pause{5};; pause = std::min(pause * 2, Millis(500))) {
    if (auto pod = informer_.Get(kube::Key(ns, name)); pod && fits(*pod)) return pod;
    // The cache lags by moments. Asking costs one request; a pod that the kubelet starts is there.
    if (pause > Millis(20)) {
      auto got = api_.Get(kube::kPods, ns, name);
      if (got.ok() && fits(*got)) return std::make_shared<const Json>(std::move(*got));
      if (got.ok() || got.error().code == Code::kNotFound)
        return MakeError(Code::kNotFound, "pod " + ns + "/" + name + (uid.empty() ? "" : " with UID " + uid) +
                                              " does not exist any more");
      last = got.error();
    }
    if (SteadyNow() + pause >= deadline)
      return MakeError(Code::kUnavailable, "cannot learn about pod " + ns + "/" + name + ": " + last.message);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace fairlead::agent
