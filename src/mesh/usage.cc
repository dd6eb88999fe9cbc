#include "mesh/usage.h"

namespace fairlead::mesh {

using value::At;
using value::Str;

std::string NameAskedFor(const Json& ns) {
  std::string injection = kube::Label(ns, "istio-injection");
  if (injection == "enabled") return "default";
  if (!injection.empty()) return "";
  return kube::Label(ns, "istio.io/rev");
}

std::string NameUsedBy(const Json& pod, const Json& ns) {
  if (Str(pod, "status", "phase") == "Succeeded" || Str(pod, "status", "phase") == "Failed") return "";
  if (std::string injected_by = kube::Annotation(pod, "istio.io/rev"); !injected_by.empty()) return injected_by;
  if (!kube::Label(ns, "istio-injection").empty() || !kube::Label(ns, "istio.io/rev").empty()) return "";
  if (kube::Label(pod, "sidecar.istio.io/inject") == "false") return "";
  if (std::string rev = kube::Label(pod, "istio.io/rev"); !rev.empty()) return rev;
  return kube::Label(pod, "sidecar.istio.io/inject") == "true" ? "default" : "";
}

bool IsAmbient(const Json& o) {
  return kube::Label(o, "istio.io/dataplane-mode") == "ambient" ||
         kube::Annotation(o, "ambient.istio.io/redirection") == "enabled";
}

Usage::Usage(Caches& caches) : caches_(caches) {
  // What is not about usage does not matter: a pod that becomes ready, a namespace's annotations.
  Watch(caches.namespaces, [](const Json& ns) {  // its labels decide about its pods' as well
    std::string injection = kube::Label(ns, "istio-injection"), rev = kube::Label(ns, "istio.io/rev");
    return injection.empty() && rev.empty() ? "" : injection + "\n" + rev;
  });
  Watch(caches.workloads, [](const Json& pod) { return NameUsedBy(pod, value::Null()); });
}

void Usage::Watch(kube::Informer& informer, std::function<std::string(const Json&)> says) {
  auto all = [says](const kube::ObjectPtr& o) {
    return o ? std::pair(says(*o), IsAmbient(*o)) : std::pair(std::string(), false);
  };
  informer.AddHandler([this, all](const kube::ObjectPtr& before, const kube::ObjectPtr& now) {
    if (all(before) == all(now)) return;
    {
      std::lock_guard lock(mutex_);
      valid_ = false;
    }
    for (const auto& handler : handlers_) handler();
  });
}

const Usage::Index& Usage::Current() {
  if (valid_) return index_;
  valid_ = true;
  index_ = {};
  std::map<std::string, kube::ObjectPtr> namespaces;
  for (const auto& ns : caches_.namespaces.List()) {
    namespaces[kube::Name(*ns)] = ns;
    if (std::string name = NameAskedFor(*ns); !name.empty()) index_.names.insert(name);
    index_.ambient = index_.ambient || IsAmbient(*ns);
  }
  for (const auto& pod : caches_.workloads.List()) {
    auto ns = namespaces.find(kube::Namespace(*pod));
    if (std::string name = NameUsedBy(*pod, ns == namespaces.end() ? value::Null() : *ns->second); !name.empty())
      index_.names.insert(name);
    index_.ambient = index_.ambient || IsAmbient(*pod);
  }
  return index_;
}

bool Usage::Names(const std::string& name) {
  std::lock_guard lock(mutex_);
  return Current().names.contains(name);
}

bool Usage::Uses(const Json& revision) {
  std::string name = kube::Name(revision);
  std::lock_guard lock(mutex_);
  const Index& index = Current();
  if (index.names.contains(name)) return true;
  for (const auto& tag : caches_.tags.List())
    if (!kube::IsDeleting(*tag) && Str(*tag, "status", "istioRevision") == name) return true;
  if (index.ambient)
    for (const auto& ztunnel : caches_.ztunnels.List()) {
      std::string used = Str(*ztunnel, "status", "istioRevision");
      if ((used.empty() ? "default" : used) == name) return true;
    }
  return name == "default" &&
         value::Bool(revision, "spec", "values", "sidecarInjectorWebhook", "enableNamespacesByDefault");
}

}  // namespace fairlead::mesh
