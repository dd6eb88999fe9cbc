#include "cni/protocol.h"

namespace fairlead::cni {
namespace {

struct Member {
  const char* key;
  std::string AgentRequest::*field;
};
constexpr Member kMembers[] = {{"command", &AgentRequest::command},  {"containerID", &AgentRequest::container_id},
                               {"ifname", &AgentRequest::ifname},    {"netns", &AgentRequest::netns},
                               {"podName", &AgentRequest::pod_name}, {"podNamespace", &AgentRequest::pod_namespace},
                               {"podUID", &AgentRequest::pod_uid}};

}  // namespace

nlohmann::json ToJson(const AgentRequest& r) {
  nlohmann::json j = {{"version", kProtocolVersion}};
  for (const Member& m : kMembers) j[m.key] = r.*m.field;
  j["network"] = r.network;
  if (!r.attachments.empty()) j["attachments"] = r.attachments;
  return j;
}

std::optional<AgentRequest> AgentRequestFromJson(const nlohmann::json& j) {
  AgentRequest r;
  if (!j.is_object()) return std::nullopt;
  for (const Member& m : kMembers) {
    auto it = j.find(m.key);
    if (it == j.end() || !it->is_string()) return std::nullopt;
    r.*m.field = it->get<std::string>();
  }
  // These came later; a plugin of an earlier version does not send them.
  if (auto it = j.find("network"); it != j.end() && it->is_string()) r.network = it->get<std::string>();
  if (auto it = j.find("attachments"); it != j.end() && it->is_array())
    for (const auto& a : *it)
      if (a.is_string()) r.attachments.push_back(a.get<std::string>());
  return r;
}

}  // namespace fairlead::cni
