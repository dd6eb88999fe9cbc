#include "lab/strategy.h"

#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

constexpr const char* kLabelNameRule =
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
    "'example.com/MyName')";
constexpr const char* kLabelValueRule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

// Up to 63 letters, digits, '-', '_' and '.', of which the first and the last are letters or digits.
bool IsLabelPart(std::string_view s) {
  auto alnum = [](char c) { return isalnum(static_cast<unsigned char>(c)); };
  return !s.empty() && s.size() <= 63 && alnum(s.front()) && alnum(s.back()) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

// Source of the behaviour: k8s.io/kubernetes pkg/apis/core/helper/qos.
std::string QosClass(const Json& spec) {
  bool any = false, guaranteed = true;
  for (const char* list : {"containers", "initContainers"})
    for (const Json& c : At(spec, list)) {
      const Json &requests = At(c, "resources", "requests"), &limits = At(c, "resources", "limits");
      any = any || !value::IsEmpty(requests) || !value::IsEmpty(limits);
      for (const char* r : {"cpu", "memory"})
        if (At(limits, r).is_null() || (!At(requests, r).is_null() && At(requests, r) != At(limits, r)))
          guaranteed = false;
    }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

// The classes that every cluster has; others count as 0, since the lab schedules without regard to priority.
int64_t PriorityOf(const std::string& name) {
  return name == "system-node-critical" ? 2000001000 : name == "system-cluster-critical" ? 2000000000 : 0;
}

// What the DefaultTolerationSeconds admission plugin adds.
void AddDefaultTolerations(Json& spec) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool tolerated = false;
    for (const Json& t : At(spec, "tolerations"))
      tolerated = tolerated || ((Str(t, "key") == key || Str(t, "key").empty()) &&
                                (Str(t, "effect") == "NoExecute" || Str(t, "effect").empty()));
    if (!tolerated)
      spec["tolerations"].push_back(
          {{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
  }
}

constexpr const char* kTemplateGeneration = "deprecated.daemonset.template.generation";

// Adds an error at a path.
using AddError = std::function<void(const std::string& path, const char* reason, const std::string& message)>;

void ValidateDaemonSet(const Json& o, const ObjectPtr& live, const AddError& add) {
  auto selector = kube::Selector::FromJson(At(o, "spec", "selector"));
  const Json& labels = At(o, "spec", "template", "metadata", "labels");
  if (live && At(*live, "spec", "selector") != At(o, "spec", "selector"))
    add("spec.selector", "FieldValueInvalid",
        "Invalid value: " + value::Dump(At(o, "spec", "selector")) + ": field is immutable");
  if (selector.ok() && !selector->Matches(labels))
    add("spec.template.metadata.labels", "FieldValueInvalid",
        "Invalid value: " + value::Dump(labels) + ": `selector` does not match template `labels`");
  auto zero = [](const Json& v) { return v == 0 || v == "0" || v == "0%" || v.is_null(); };
  const Json& rolling = At(o, "spec", "updateStrategy", "rollingUpdate");
  if (Str(o, "spec", "updateStrategy", "type") == "RollingUpdate") {
    bool no_surge = zero(At(rolling, "maxSurge")), no_unavailable = zero(At(rolling, "maxUnavailable"));
    if (no_surge && no_unavailable)
      add("spec.updateStrategy.rollingUpdate.maxUnavailable", "FieldValueRequired",
          "Required value: cannot be 0 when maxSurge is 0");
    if (!no_surge && !no_unavailable)
      add("spec.updateStrategy.rollingUpdate.maxSurge", "FieldValueInvalid",
          "Invalid value: " + value::Dump(At(rolling, "maxSurge")) +
              ": may not be set when maxUnavailable is non-zero");
  } else if (Str(o, "spec", "updateStrategy", "type") != "OnDelete") {
    add("spec.updateStrategy", "FieldValueNotSupported",
        "Unsupported value: " + value::Dump(At(o, "spec", "updateStrategy")) +
            ": supported values: \"RollingUpdate\", \"OnDelete\"");
  }
}

void ValidateDataKeys(const Json& o, const AddError& add) {
  for (const auto& [key, v] : At(o, "data").items()) {
    bool ok = !key.empty() && key.size() <= 253 && std::all_of(key.begin(), key.end(), [](unsigned char c) {
      return isalnum(c) || c == '-' || c == '_' || c == '.';
    });
    if (!ok)
      add("data[" + key + "]", "FieldValueInvalid",
          "Invalid value: \"" + key +
              "\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
              "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
}

void ValidateSecret(const Json& o, const AddError& add) {
  for (const auto& [key, v] : At(o, "data").items())
    if (v.is_string() && !Base64Decode(v.get<std::string>()).ok())
      add("data." + key, "FieldValueTypeInvalid", "Invalid value: illegal base64 data");
}

void ValidateRules(const Json& o, const AddError& add) {
  const Json& rules = At(o, "rules");
  for (size_t i = 0; rules.is_array() && i < rules.size(); ++i)
    if (value::IsEmpty(At(rules, i, "verbs")))
      add("rules[" + std::to_string(i) + "].verbs", "FieldValueRequired",
          "Required value: verbs must contain at least one value");
}

void ValidateLease(const Json& o, const AddError& add) {
  const Json& seconds = At(o, "spec", "leaseDurationSeconds");
  if (seconds.is_number() && seconds.get<int64_t>() <= 0)
    add("spec.leaseDurationSeconds", "FieldValueInvalid",
        "Invalid value: " + value::Dump(seconds) + ": must be greater than 0");
}

void ValidatePod(const Json& o, const ObjectPtr& live, const AddError& add) {
  std::string policy = Str(o, "spec", "restartPolicy");
  if (policy != "Always" && policy != "OnFailure" && policy != "Never")
    add("spec.restartPolicy", "FieldValueNotSupported",
        "Unsupported value: \"" + policy + "\": supported values: \"Always\", \"OnFailure\", \"Never\"");
  if (!live) return;
  Json before = At(*live, "spec"), after = At(o, "spec");
  for (Json* spec : {&before, &after}) {
    for (const char* k : {"nodeName", "activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"})
      spec->erase(k);
    for (const char* list : {"containers", "initContainers"})
      if (spec->contains(list))
        for (Json& c : (*spec)[list]) c.erase("image");
  }
  if (before != after)
    add("spec", "FieldValueForbidden",
        "Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
        "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if "
        "it was previously negative)");
}

}  // namespace

const char* const kNameRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

bool IsKind(const ResourceType& t, const char* kind) { return t.resource.kind == kind && !t.custom; }

void ValidateLabels(const Json& labels, const std::string& path, std::vector<FieldError>& errors) {
  if (!labels.is_object()) return;
  for (const auto& [key, v] : labels.items()) {
    size_t slash = key.find('/');
    if (!IsLabelPart(slash == key.npos ? key : key.substr(slash + 1)) || slash == 0)
      errors.push_back({path, "FieldValueInvalid", "Invalid value: \"" + key + "\": " + kLabelNameRule});
    if (std::string text = value::AsString(v); !text.empty() && !IsLabelPart(text))
      errors.push_back({path, "FieldValueInvalid", "Invalid value: \"" + text + "\": " + kLabelValueRule});
  }
}

bool ValidName(const ResourceType& t, const std::string& name) {
  if (name.empty() || name.size() > 253) return false;
  if (t.resource.group == "rbac.authorization.k8s.io")
    return name.find_first_of("/%") == name.npos && name != "." && name != "..";
  for (char c : name)
    if (!(islower(static_cast<unsigned char>(c)) || isdigit(static_cast<unsigned char>(c)) || c == '-' || c == '.'))
      return false;
  return isalnum(static_cast<unsigned char>(name.front())) && isalnum(static_cast<unsigned char>(name.back()));
}

void PrepareCreate(const ResourceType& t, Json& o) {
  if (IsKind(t, "Namespace")) {
    o["spec"]["finalizers"] = {"kubernetes"};
    o["status"] = {{"phase", "Active"}};
    o["metadata"]["labels"]["kubernetes.io/metadata.name"] = kube::Name(o);
  } else if (IsKind(t, "Pod")) {
    Json& spec = o["spec"];
    o["status"] = {{"phase", "Pending"}, {"qosClass", QosClass(spec)}};
    if (At(spec, "enableServiceLinks").is_null()) spec["enableServiceLinks"] = true;
    if (!Str(spec, "serviceAccountName").empty()) spec["serviceAccount"] = spec["serviceAccountName"];
  } else if (IsKind(t, "ServiceAccount") || IsKind(t, "Node") || IsKind(t, "Event")) {
    return;
  } else if (t.has_status) {
    o.erase("status");
    if (IsKind(t, "Deployment")) o["status"] = Json::object();
    if (IsKind(t, "ReplicaSet")) o["status"] = {{"replicas", 0}};
    if (IsKind(t, "DaemonSet")) {
      o["metadata"]["annotations"][kTemplateGeneration] = "1";
      o["status"] = {
          {"currentNumberScheduled", 0}, {"desiredNumberScheduled", 0}, {"numberMisscheduled", 0}, {"numberReady", 0}};
    }
  }
}

void Admit(const ResourceType& t, Json& o) {
  if (!IsKind(t, "Pod")) return;
  Json& spec = o["spec"];
  if (At(spec, "priority").is_null()) spec["priority"] = PriorityOf(Str(spec, "priorityClassName"));
  if (At(spec, "preemptionPolicy").is_null()) spec["preemptionPolicy"] = "PreemptLowerPriority";
  if (Str(spec, "serviceAccountName").empty()) spec["serviceAccount"] = spec["serviceAccountName"] = "default";
  AddDefaultTolerations(spec);
}

void ConvertSecret(Json& o) {
  if (!At(o, "stringData").is_object()) return;
  for (const auto& [k, v] : o["stringData"].items()) o["data"][k] = Base64Encode(value::AsString(v));
  o.erase("stringData");
}

void PrepareUpdate(const ResourceType& t, const Json& live, Json& o) {
  if (!IsKind(t, "DaemonSet")) return;
  int64_t generation = ParseInt(value::AsString(At(live, "metadata", "annotations", kTemplateGeneration))).value_or(1);
  if (At(o, "spec", "template") != At(live, "spec", "template")) ++generation;
  o["metadata"]["annotations"][kTemplateGeneration] = std::to_string(generation);
}

void ValidateKind(const ResourceType& t, const Json& o, const ObjectPtr& live, std::vector<FieldError>& errors) {
  AddError add = [&](const std::string& path, const char* reason, const std::string& message) {
    errors.push_back({path, reason, message});
  };
  if (IsKind(t, "DaemonSet")) ValidateDaemonSet(o, live, add);
  if (IsKind(t, "ConfigMap") || IsKind(t, "Secret")) ValidateDataKeys(o, add);
  if (IsKind(t, "Secret")) ValidateSecret(o, add);
  if (IsKind(t, "Role") || IsKind(t, "ClusterRole")) ValidateRules(o, add);
  if (IsKind(t, "Lease")) ValidateLease(o, add);
  if (IsKind(t, "Pod")) ValidatePod(o, live, add);
  if (IsKind(t, "PriorityClass") && live && At(*live, "value") != At(o, "value"))
    add("value", "FieldValueForbidden", "Forbidden: may not be changed in an update.");
  if ((IsKind(t, "RoleBinding") || IsKind(t, "ClusterRoleBinding")) && live && At(*live, "roleRef") != At(o, "roleRef"))
    add("roleRef", "FieldValueInvalid", "Invalid value: " + value::Dump(At(o, "roleRef")) + ": cannot change roleRef");
}

std::vector<std::string> Unowned(const ResourceType& t, const std::string& subresource) {
  if (IsKind(t, "Namespace"))
    return subresource == "status" ? std::vector<std::string>{"spec"} : std::vector<std::string>{"spec", "status"};
  if (!t.has_status) return {};
  return {subresource == "status" ? "spec" : "status"};
}

void DropNulls(Json& j) {
  if (!j.is_structured()) return;
  if (j.is_object())
    for (auto it = j.begin(); it != j.end();) {
      bool absent = it->is_null() || (it->is_array() && it->empty() && it.key() != "rules");
      it = absent ? j.erase(it) : std::next(it);
    }
  for (Json& member : j) DropNulls(member);
}

bool Removable(const ResourceType& t, const Json& o) {
  if (!kube::IsDeleting(o) || !value::IsEmpty(At(o, "metadata", "finalizers"))) return false;
  if (IsKind(t, "Namespace")) return value::IsEmpty(At(o, "spec", "finalizers"));
  return !IsKind(t, "Pod") || value::Int(o, "metadata", "deletionGracePeriodSeconds") == 0;
}

}  // namespace fairlead::lab
