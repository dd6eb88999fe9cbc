#include "agent/conflist.h"

namespace fairlead::agent {
namespace {

using value::Str;

Result<Json> ParseList(const std::string& text) {
  FL_ASSIGN(Json j, value::ParseJson(text, "CNI configuration", 1 << 20));
  if (!j.is_object()) return MakeError(Code::kInvalid, "CNI configuration: not a JSON object");
  if (!j.contains("plugins")) {
    if (Str(j, "type").empty()) return MakeError(Code::kInvalid, "CNI configuration: neither \"plugins\" nor \"type\"");
    std::string version = Str(j, "cniVersion");
    return Json{{"name", "k8s-pod-network"},
                {"cniVersion", version.empty() ? "0.3.1" : version},
                {"plugins", Json::array({j})}};
  }
  if (!j["plugins"].is_array()) return MakeError(Code::kInvalid, "CNI configuration: \"plugins\" is not a list");
  for (const Json& p : j["plugins"])
    if (!p.is_object())
      return MakeError(Code::kInvalid, "CNI configuration: \"plugins\" holds something that is not an object");
  return j;
}

bool EraseOurs(Json& list) {
  Json kept = Json::array();
  for (const Json& p : list["plugins"])
    if (Str(p, "type") != "istio-cni") kept.push_back(p);
  bool changed = kept.size() != list["plugins"].size();
  list["plugins"] = kept;
  return changed;
}

}  // namespace

Json ToJson(const PluginEntry& e) {
  return {{"name", "istio-cni"},
          {"type", "istio-cni"},
          {"plugin_log_level", e.log_level},
          {"cni_agent_run_dir", e.run_dir},
          {"ambient_enabled", e.ambient},
          {"exclude_namespaces", e.exclude_namespaces},
          {"pod_namespace", e.pod_namespace}};
}

Result<std::string> InsertPlugin(const std::string& text, const PluginEntry& entry) {
  FL_ASSIGN(Json list, ParseList(text));
  EraseOurs(list);
  list["plugins"].push_back(ToJson(entry));
  return value::DumpPretty(list) + "\n";
}

Result<std::optional<std::string>> RemovePlugin(const std::string& text) {
  FL_ASSIGN(Json list, ParseList(text));
  if (!EraseOurs(list)) return std::optional<std::string>();
  return std::optional<std::string>(value::DumpPretty(list) + "\n");
}

std::string PrimaryPlugin(const std::string& text) {
  auto list = ParseList(text);
  if (!list.ok()) return "";
  for (const Json& p : (*list)["plugins"])
    if (Str(p, "type") != "istio-cni") return Str(p, "type");
  return "";
}

std::string Standalone(const PluginEntry& entry) {
  Json j = ToJson(entry);
  j["cniVersion"] = "0.3.1";
  return value::DumpPretty(j) + "\n";
}

}  // namespace fairlead::agent
