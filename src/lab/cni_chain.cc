#include "lab/cni_chain.h"

#include "util/file.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Str;

constexpr const char* kPluginDir = "/opt/cni/bin";

}  // namespace

Result<Json> CniChain::LoadConfig() const {
  std::string dir = "/proc/" + std::to_string(node_pid_) + "/root/etc/cni/net.d";
  FL_ASSIGN(auto names, ListDirectory(dir));
  for (const std::string& name : names) {
    if (!name.ends_with(".conflist") && !name.ends_with(".conf")) continue;
    auto text = ReadFile(dir + "/" + name, 1 << 20);
    auto j = text.ok() ? value::ParseJson(*text, name) : Result<Json>(text.error());
    if (!j.ok() || !j->is_object()) continue;
    if (!j->contains("plugins"))
      return Json{{"name", Str(*j, "name")}, {"cniVersion", Str(*j, "cniVersion")}, {"plugins", {*j}}};
    if (!(*j)["plugins"].empty()) return j;
  }
  return MakeError(Code::kUnavailable, "cni plugin not initialized: no network config found in /etc/cni/net.d");
}

Result<Json> CniChain::Run(const std::string& command, const Json& plugin, const Json& list, const Json& prev,
                           const CniAttachment& a) const {
  std::string type = Str(plugin, "type"), lower = ToLower(command);
  std::string root = "/proc/" + std::to_string(node_pid_) + "/root";
  if (!FileExists(root + kPluginDir + "/" + type))
    return MakeError(Code::kNotFound, "failed to find plugin \"" + type + "\" in path [" + kPluginDir + "]");
  Json config = plugin;
  config["name"] = Str(list, "name");
  config["cniVersion"] = Str(list, "cniVersion").empty() ? "0.4.0" : Str(list, "cniVersion");
  if (!prev.is_null()) config["prevResult"] = prev;
  RunOptions options;
  options.input = value::Dump(config);
  options.replace_env = true;
  options.timeout = std::chrono::milliseconds(115000);
  options.env = {"CNI_COMMAND=" + command,
                 "CNI_CONTAINERID=" + a.container_id,
                 "CNI_NETNS=" + a.netns_path,
                 "CNI_IFNAME=eth0",
                 std::string("CNI_PATH=") + kPluginDir,
                 "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                 "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=" + a.pod_namespace + ";K8S_POD_NAME=" + a.pod_name +
                     ";K8S_POD_INFRA_CONTAINER_ID=" + a.container_id + ";K8S_POD_UID=" + a.pod_uid};
  auto done = RunProgram(
      {"/proc/self/exe", "internal", "in-node", std::to_string(node_pid_), "--", std::string(kPluginDir) + "/" + type},
      options);
  std::string what = "plugin type=\"" + type + "\" name=\"" + Str(list, "name") + "\" failed (" + lower + ")";
  if (!done.ok()) return done.error().Wrap(what);
  auto out = value::ParseJson(done->out.empty() ? "null" : done->out, "its output", 1 << 20);
  if (done->exit_status != 0) {
    std::string message = out.ok() ? Str(*out, "msg") : "";
    if (std::string details = out.ok() ? Str(*out, "details") : ""; !details.empty()) message += "; " + details;
    return MakeError(Code::kUnavailable, what + ": " +
                                             (message.empty() ? "exit status " + std::to_string(done->exit_status) +
                                                                    " " + done->err.substr(0, 500)
                                                              : message));
  }
  if (!out.ok()) return out.error().Wrap(what);
  return *out;
}

Status CniChain::Add(CniAttachment& a) const {
  FL_ASSIGN(a.config, LoadConfig());
  Json result;
  for (const Json& plugin : At(a.config, "plugins")) {
    FL_ASSIGN(result, Run("ADD", plugin, a.config, result, a));
  }
  a.result = result;
  return {};
}

Status CniChain::Del(const CniAttachment& a) const {
  const Json& plugins = At(a.config, "plugins");
  if (!plugins.is_array()) return {};
  Status first;
  for (size_t i = plugins.size(); i-- > 0;)
    if (auto done = Run("DEL", plugins[i], a.config, a.result, a); !done.ok() && first.ok()) first = done.error();
  return first;
}

}  // namespace fairlead::lab
