// The CNI plugin: reads the runtime's request, asks the agent, prints the result. It holds no credentials and makes no
// decision about the mesh; it only knows which pods never need the agent.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "cni/protocol.h"
#include "util/clock.h"

namespace fairlead::cni {

struct PluginInput {
  std::map<std::string, std::string> env;  // CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS
  std::string config;                      // standard input
};

struct PluginOutput {
  int exit_status = 0;
  std::string text;  // for standard output
};

// Runs one CNI command. `log` gets lines for a person.
PluginOutput RunPlugin(const PluginInput& input, const std::function<void(const std::string&)>& log);

// Reads standard input up to `limit` bytes within `timeout`.
std::optional<std::string> ReadConfig(int fd, size_t limit, std::chrono::milliseconds timeout, CniError& error);
PluginOutput ErrorOutput(const std::string& cni_version, const CniError& error);

}  // namespace fairlead::cni
