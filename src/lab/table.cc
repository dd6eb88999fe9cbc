#include "lab/table.h"

#include "util/clock.h"
#include "util/strings.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

std::string Age(const std::string& timestamp) {
  if (timestamp.empty()) return "<unknown>";
  auto t = ParseRfc3339(timestamp);
  if (!t.ok()) return "<invalid>";
  return HumanDuration(std::chrono::duration_cast<std::chrono::seconds>(WallNow() - *t));
}

size_t ListSize(const Json& list) { return list.is_array() ? list.size() : 0; }

// kubectl's STATUS of a pod (printPod).
std::string PodStatus(const Json& pod) {
  std::string reason = Str(pod, "status", "phase");
  if (std::string r = Str(pod, "status", "reason"); !r.empty()) reason = r;
  bool initializing = false;
  const Json& init = At(pod, "status", "initContainerStatuses");
  for (size_t i = 0; i < ListSize(init); ++i) {
    const Json& state = At(init[i], "state");
    if (state.contains("terminated") && Int(state, "terminated", "exitCode") == 0) continue;
    initializing = true;
    if (state.contains("terminated")) {
      std::string r = Str(state, "terminated", "reason");
      reason = r.empty() ? "Init:ExitCode:" + std::to_string(Int(state, "terminated", "exitCode")) : "Init:" + r;
    } else if (std::string w = Str(state, "waiting", "reason"); !w.empty() && w != "PodInitializing") {
      reason = "Init:" + w;
    } else {
      reason = "Init:" + std::to_string(i) + "/" + std::to_string(ListSize(At(pod, "spec", "initContainers")));
    }
    break;
  }
  if (!initializing) {
    bool running = false;
    const Json& statuses = At(pod, "status", "containerStatuses");
    for (size_t i = ListSize(statuses); i-- > 0;) {
      const Json& state = At(statuses[i], "state");
      if (std::string w = Str(state, "waiting", "reason"); !w.empty())
        reason = w;
      else if (state.contains("terminated")) {
        std::string r = Str(state, "terminated", "reason");
        reason = r.empty() ? "ExitCode:" + std::to_string(Int(state, "terminated", "exitCode")) : r;
      } else if (value::Bool(statuses[i], "ready") && state.contains("running"))
        running = true;
    }
    if (reason == "Completed" && running) reason = kube::IsPodReady(pod) ? "Running" : "NotReady";
  }
  if (kube::IsDeleting(pod)) return Str(pod, "status", "reason") == "NodeLost" ? "Unknown" : "Terminating";
  return reason;
}

std::string PodRestarts(const Json& pod) {
  int64_t restarts = 0;
  std::string last;
  for (const Json& c : At(pod, "status", "containerStatuses")) {
    restarts += Int(c, "restartCount");
    last = std::max(last, Str(c, "lastState", "terminated", "finishedAt"));
  }
  return std::to_string(restarts) + (restarts > 0 && !last.empty() ? " (" + Age(last) + " ago)" : "");
}

std::string LabelText(const Json& labels) {
  std::vector<std::string> parts;
  for (const auto& [k, v] : labels.items()) parts.push_back(k + "=" + value::AsString(v));
  return parts.empty() ? "<none>" : Join(parts, ",");
}

std::string TemplateList(const Json& o, const char* member) {
  std::vector<std::string> out;
  for (const Json& c : At(o, "spec", "template", "spec", "containers")) out.push_back(Str(c, member));
  return Join(out, ",");
}

Json Compute(const std::string& f, const Json& o) {
  if (f == "age") return Age(Str(o, "metadata", "creationTimestamp"));
  if (f == "podStatus") return PodStatus(o);
  if (f == "podRestarts") return PodRestarts(o);
  if (f == "podReady") {
    size_t ready = 0;
    for (const Json& c : At(o, "status", "containerStatuses")) ready += value::Bool(c, "ready");
    return std::to_string(ready) + "/" + std::to_string(ListSize(At(o, "spec", "containers")));
  }
  if (f == "deploymentReady")
    return std::to_string(value::Int(o, "status", "readyReplicas")) + "/" +
           std::to_string(value::Int(o, "spec", "replicas"));
  if (f == "updatedReplicas" || f == "availableReplicas") return value::Int(o, "status", f.c_str());
  if (f == "webhookCount") return std::to_string(ListSize(At(o, "webhooks")));
  if (f == "nodeStatus") {
    std::string ready = Str(kube::Condition(o, "Ready"), "status") == "True" ? "Ready" : "NotReady";
    return ready + (value::Bool(o, "spec", "unschedulable") ? ",SchedulingDisabled" : "");
  }
  if (f == "nodeRoles") {
    std::vector<std::string> roles;
    for (const auto& [k, v] : At(o, "metadata", "labels").items())
      if (k.starts_with("node-role.kubernetes.io/")) roles.push_back(k.substr(24));
    return roles.empty() ? "<none>" : Join(roles, ",");
  }
  if (f == "dataCount") return static_cast<int64_t>(At(o, "data").size() + At(o, "binaryData").size());
  if (f == "secretCount") return static_cast<int64_t>(ListSize(At(o, "secrets")));
  if (f == "eventLastSeen") {
    std::string t = Str(o, "lastTimestamp");
    return Age(t.empty() ? Str(o, "metadata", "creationTimestamp") : t);
  }
  if (f == "eventObject") return ToLower(Str(o, "involvedObject", "kind")) + "/" + Str(o, "involvedObject", "name");
  if (f == "nodeSelector") return LabelText(At(o, "spec", "template", "spec", "nodeSelector"));
  if (f == "selector") return LabelText(At(o, "spec", "selector", "matchLabels"));
  if (f == "templateContainers") return TemplateList(o, "name");
  if (f == "templateImages") return TemplateList(o, "image");
  if (f == "controllerName") {
    const Json& c = kube::ControllerOf(o);
    return c.is_null() ? "<none>" : ToLower(Str(c, "kind")) + ".apps/" + Str(c, "name");
  }
  if (f == "roleRef") return Str(o, "roleRef", "kind") + "/" + Str(o, "roleRef", "name");
  return nullptr;
}

Json Cell(const Column& c, const Json& o) {
  if (!c.function.empty()) return Compute(c.function, o);
  const Json& v = c.path ? c.path->First(o) : value::Null();
  if (c.type == "date") return Age(value::AsString(v));
  if (c.type == "integer") return v.is_number() ? v : Json(0);
  if (c.type == "string" && !v.is_null() && !v.is_string()) return value::Dump(v);
  if (v.is_null() && c.priority > 0)
    return "<none>";  // what the built-in printers show; CRDs have no such columns here
  return v;
}

}  // namespace

Json ToTable(const ResourceType& t, const std::vector<const Json*>& objects, const std::string& include, bool headers) {
  Json table = {{"kind", "Table"},
                {"apiVersion", "meta.k8s.io/v1"},
                {"metadata", Json::object()},
                {"columnDefinitions", Json::array()},
                {"rows", Json::array()}};
  if (headers) {
    bool events = t.resource.plural == "events" && !t.custom;
    if (!events)
      table["columnDefinitions"].push_back({{"name", "Name"},
                                            {"type", "string"},
                                            {"format", "name"},
                                            {"priority", 0},
                                            {"description", "Name must be unique within a namespace."}});
    for (const Column& c : t.columns)
      table["columnDefinitions"].push_back({{"name", c.name},
                                            {"type", c.type == "age" ? "string" : c.type},
                                            {"format", ""},
                                            {"description", c.description},
                                            {"priority", c.priority}});
    if (events)
      table["columnDefinitions"].push_back({{"name", "Name"},
                                            {"type", "string"},
                                            {"format", "name"},
                                            {"priority", 1},
                                            {"description", "Name of the event."}});
  }
  for (const Json* o : objects) {
    Json cells = Json::array();
    bool events = t.resource.plural == "events" && !t.custom;
    if (!events) cells.push_back(kube::Name(*o));
    for (const Column& c : t.columns) cells.push_back(Cell(c, *o));
    if (events) cells.push_back(kube::Name(*o));
    Json row = {{"cells", cells}};
    if (include == "Object")
      row["object"] = *o;
    else if (include != "None")
      row["object"] = {
          {"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", At(*o, "metadata")}};
    table["rows"].push_back(std::move(row));
  }
  return table;
}

}  // namespace fairlead::lab
