// What the plugin and the agent say to each other: one HTTP request on the agent's Unix socket, with the pod's network
// namespace attached as a descriptor. Version 1; an agent answers versions that differ by one.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::cni {

inline constexpr int kProtocolVersion = 1;
inline constexpr const char* kAgentSocket = "pluginevent.sock";  // in the agent's run directory
inline constexpr const char* kAgentPath = "/fairlead/v1/cni";

struct AgentRequest {
  std::string command;  // ADD, DEL, CHECK, GC
  std::string container_id, ifname, netns;
  std::string pod_name, pod_namespace, pod_uid;
  std::string network;                   // the configuration's name
  std::vector<std::string> attachments;  // GC: the containers that are valid
};

// An error in the CNI specification's form. code 0: none.
struct CniError {
  int code = 0;
  std::string message, details;
};

// Codes of the CNI specification, section "Error", and ours from 100 on.
inline constexpr int kIncompatibleVersion = 1, kUnknownContainer = 3, kBadEnvironment = 4, kIoFailure = 5,
                     kDecodeFailure = 6, kInvalidConfig = 7, kTryAgainLater = 11, kRulesMissing = 100, kRefused = 101;

nlohmann::json ToJson(const AgentRequest& r);
// nullopt when a member is missing or of the wrong type.
std::optional<AgentRequest> AgentRequestFromJson(const nlohmann::json& j);

}  // namespace fairlead::cni
