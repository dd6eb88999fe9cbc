// Kubernetes objects are plain JSON here; these functions name the members that every object has.
#pragma once
#include <string>
#include <vector>

#include "value/json.h"

namespace fairlead::kube {

// Where objects of a kind live in the API.
struct Resource {
  std::string group;  // "" for core
  std::string version;
  std::string plural;
  bool namespaced = true;
  std::string kind;

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  // /api/v1/namespaces/x/pods/name or /apis/g/v/...; name and subresource may be empty.
  std::string Path(const std::string& ns, const std::string& name = "", const std::string& subresource = "") const;
  bool operator==(const Resource&) const = default;
};

inline const Resource kPods{"", "v1", "pods", true, "Pod"};
inline const Resource kNamespaces{"", "v1", "namespaces", false, "Namespace"};
inline const Resource kNodes{"", "v1", "nodes", false, "Node"};
inline const Resource kConfigMaps{"", "v1", "configmaps", true, "ConfigMap"};
inline const Resource kSecrets{"", "v1", "secrets", true, "Secret"};
inline const Resource kServiceAccounts{"", "v1", "serviceaccounts", true, "ServiceAccount"};
inline const Resource kEvents{"", "v1", "events", true, "Event"};
inline const Resource kDaemonSets{"apps", "v1", "daemonsets", true, "DaemonSet"};
inline const Resource kDeployments{"apps", "v1", "deployments", true, "Deployment"};
inline const Resource kReplicaSets{"apps", "v1", "replicasets", true, "ReplicaSet"};
inline const Resource kMutatingWebhooks{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", false,
                                        "MutatingWebhookConfiguration"};
inline const Resource kValidatingWebhooks{"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations",
                                          false, "ValidatingWebhookConfiguration"};
inline const Resource kControllerRevisions{"apps", "v1", "controllerrevisions", true, "ControllerRevision"};
inline const Resource kLeases{"coordination.k8s.io", "v1", "leases", true, "Lease"};
inline const Resource kIstioCnis{"sailoperator.io", "v1", "istiocnis", false, "IstioCNI"};
inline const Resource kIstios{"sailoperator.io", "v1", "istios", false, "Istio"};
inline const Resource kIstioRevisions{"sailoperator.io", "v1", "istiorevisions", false, "IstioRevision"};
inline const Resource kIstioRevisionTags{"sailoperator.io", "v1", "istiorevisiontags", false, "IstioRevisionTag"};
inline const Resource kZtunnels{"sailoperator.io", "v1", "ztunnels", false, "ZTunnel"};

inline std::string Name(const Json& o) { return value::Str(o, "metadata", "name"); }
inline std::string Namespace(const Json& o) { return value::Str(o, "metadata", "namespace"); }
inline std::string Uid(const Json& o) { return value::Str(o, "metadata", "uid"); }
inline std::string ResourceVersion(const Json& o) { return value::Str(o, "metadata", "resourceVersion"); }
inline int64_t Generation(const Json& o) { return value::Int(o, "metadata", "generation"); }
inline std::string Label(const Json& o, const std::string& key) {
  return value::Str(o, "metadata", "labels", key.c_str());
}
inline std::string Annotation(const Json& o, const std::string& key) {
  return value::Str(o, "metadata", "annotations", key.c_str());
}
inline bool HasAnnotation(const Json& o, const std::string& key) {
  return value::At(o, "metadata", "annotations").contains(key);
}
inline bool IsDeleting(const Json& o) { return !value::At(o, "metadata", "deletionTimestamp").is_null(); }
// "namespace/name", or "name" for cluster-scoped objects.
std::string Key(const Json& o);
std::string Key(const std::string& ns, const std::string& name);
// The controller among the owner references, or null.
const Json& ControllerOf(const Json& o);
// false for an owner that is not there (null), and for an object of another namespace, whatever it says.
bool IsControlledBy(const Json& o, const Json& owner);
// {apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true}
Json OwnerReference(const Json& owner);
bool HasFinalizer(const Json& o, const std::string& finalizer);
// The condition of that type in status.conditions, or null.
const Json& Condition(const Json& o, const std::string& type);
// The same, if it is about the object's present generation; otherwise null.
const Json& CurrentCondition(const Json& o, const std::string& type);
// True for a pod whose Ready condition is True.
bool IsPodReady(const Json& pod);

// A parsed label selector. The text form is kubectl's -l grammar; the JSON form is metav1.LabelSelector.
class Selector {
 public:
  static Result<Selector> Parse(std::string_view text);
  static Result<Selector> FromJson(const Json& label_selector);  // null or {}: everything
  bool Matches(const Json& labels) const;
  bool empty() const { return requirements_.empty(); }

 private:
  struct Requirement {
    std::string key, op;  // In, NotIn, Exists, DoesNotExist
    std::vector<std::string> values;
  };
  std::vector<Requirement> requirements_;
};

}  // namespace fairlead::kube
