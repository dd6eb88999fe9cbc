#include "agent/installer.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/conflist.h"
#include "util/clock.h"
#include "util/file.h"

namespace fairlead::agent {
namespace {

constexpr size_t kMaxBinary = 64u << 20;

PluginEntry EntryOf(const Config& c) {
  const char* level = c.log_level == Level::kDebug   ? "debug"
                      : c.log_level == Level::kWarn  ? "warn"
                      : c.log_level == Level::kError ? "error"
                                                     : "info";
  return {level, c.run_dir, c.pod_namespace, c.exclude_namespaces, c.ambient.enabled};
}

bool IsConfig(const std::string& name) { return name.ends_with(".conflist") || name.ends_with(".conf"); }

}  // namespace

// The first valid configuration in lexical order is the one that the runtime uses.
Result<std::string> Installer::PrimaryConfig() const {
  FL_ASSIGN(auto names, ListDirectory(config_.net_dir));
  std::string problem;
  for (const std::string& name : names) {
    if (!IsConfig(name) || (config_.owned_config && name == config_.owned_config_name)) continue;
    if (!config_.conf_name.empty() && name != config_.conf_name && name != config_.conf_name + "list" &&
        name + "list" != config_.conf_name)
      continue;
    auto text = ReadFile(config_.net_dir + "/" + name, 1 << 20);
    auto valid = text.ok() ? InsertPlugin(*text, {}) : Result<std::string>(text.error());
    if (valid.ok()) return name;
    problem += "; " + name + ": " + valid.error().message;
  }
  return MakeError(Code::kNotFound, "no CNI configuration of a primary CNI in " + config_.net_dir +
                                        (config_.conf_name.empty() ? "" : " named " + config_.conf_name) + problem +
                                        "; waiting for one");
}

Status Installer::InstallBinary() {
  FL_ASSIGN(std::string wanted, ReadFile(config_.plugin_source, kMaxBinary));
  std::string path = config_.bin_dir + "/istio-cni";
  struct stat st {};
  auto have = ReadFile(path, kMaxBinary);
  if (have.ok() && *have == wanted && ::stat(path.c_str(), &st) == 0 && (st.st_mode & 0777) == 0755) return {};
  FL_TRY(WriteFileAtomic(path, wanted, 0755));
  Log(Level::kInfo, "plugin installed", {{"path", path}, {"version", config_.version}});
  return {};
}

Status Installer::InstallConfig() {
  if (!config_.chained) {
    std::string path = config_.net_dir + "/" + (config_.conf_name.empty() ? "YYY-istio-cni.conf" : config_.conf_name);
    std::string wanted = Standalone(EntryOf(config_));
    if (auto have = ReadFile(path, 1 << 20); have.ok() && *have == wanted) return {};
    return WriteFileAtomic(path, wanted, 0600);
  }
  FL_ASSIGN(std::string name, PrimaryConfig());
  std::string path = config_.net_dir + "/" + name;
  FL_ASSIGN(std::string text, ReadFile(path, 1 << 20));
  FL_ASSIGN(std::string wanted, InsertPlugin(text, EntryOf(config_)));
  if (config_.owned_config) return InstallOwned(name, wanted);
  FL_ASSIGN(Json have_json, value::ParseJson(text, name));
  FL_ASSIGN(Json want_json, value::ParseJson(wanted, name));
  if (have_json == want_json) return {};
  struct stat st {};
  unsigned mode = ::stat(path.c_str(), &st) == 0 ? st.st_mode & 0777u : 0600u;
  std::string target = name.ends_with(".conf") ? path + "list" : path;
  FL_TRY(WriteFileAtomic(target, wanted, mode));
  if (target != path) FL_TRY(RemoveFile(path));
  Log(Level::kInfo, "CNI configuration written", {{"path", target}});
  return {};
}

// The primary's plugins and ours in a file of our own that sorts first. The primary's file stays as it is, and every
// change in it is carried over. A node that boots before its agent finds this file, with the plugin in it.
Status Installer::InstallOwned(const std::string& primary, const std::string& wanted) {
  std::string path = config_.net_dir + "/" + config_.owned_config_name;
  if (primary < config_.owned_config_name)
    Log(Level::kWarn, "the runtime will not use this configuration: another one sorts before it",
        {{"ours", config_.owned_config_name},
         {"first", primary},
         {"fix", "set istioOwnedCNIConfigFileName to a name that sorts first"}});
  if (auto have = ReadFile(path, 1 << 20); have.ok() && *have == wanted) return {};
  FL_TRY(WriteFileAtomic(path, wanted, 0600));
  Log(Level::kInfo, "CNI configuration written", {{"path", path}, {"from", primary}});
  return {};
}

Status Installer::Install() {
  auto count = [&](const char* result) {
    metrics_.Count("istio_cni_installs_total", {{"result", result}}, 1, "Total number of CNI plugins installed");
  };
  // The binary goes first: a configuration must never name a plugin that is not there.
  if (Status s = InstallBinary(); !s.ok()) {
    count("COPY_BINARIES_FAILURE");
    return s;
  }
  if (Status s = InstallConfig(); !s.ok()) {
    count("CREATE_CNI_CONFIG_FAILURE");
    return s;
  }
  count("SUCCESS");
  return {};
}

void Installer::TellAboutNode() {
  for (const auto& [name, path] : {std::pair{"bin", &config_.bin_dir}, {"conf", &config_.net_dir}})
    metrics_.Set("fairlead_agent_cni_directory_writable", {{"directory", name}}, ::access(path->c_str(), W_OK) == 0,
                 "Whether the agent can write into the node's CNI directory");
  auto name = config_.chained ? PrimaryConfig() : Result<std::string>(MakeError(Code::kNotFound, "not chained"));
  auto text = name.ok() ? ReadFile(config_.net_dir + "/" + *name, 1 << 20) : Result<std::string>(name.error());
  std::string type = text.ok() ? PrimaryPlugin(*text) : "";
  if (type == primary_) return;
  auto set = [&](const std::string& which, double value) {
    if (!which.empty())
      metrics_.Set("fairlead_agent_primary_cni", {{"type", which}}, value,
                   "1 for the plugin that makes the pods' network on this node");
  };
  set(std::exchange(primary_, type), 0);
  set(primary_, 1);
}

void Installer::Keep(const std::function<void(const std::string&)>& on_state, std::stop_token stop) {
  UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_ATTRIB;
  ::inotify_add_watch(watch.get(), config_.net_dir.c_str(), kEvents);
  ::inotify_add_watch(watch.get(), config_.bin_dir.c_str(), kEvents);
  WakeFd wake(stop);
  bool ready = false;
  while (!stop.stop_requested()) {
    char events[8192];
    while (::read(watch.get(), events, sizeof events) > 0) {
    }
    Status s = Install();
    TellAboutNode();
    if (!s.ok())
      Log(Level::kWarn,
          "the plugin is not completely installed on this node; it is tried again, and new pods of the mesh wait",
          {{"error", s.error().message}});
    metrics_.Set("istio_cni_install_ready", {}, s.ok() ? 1 : 0, "Whether the CNI plugin installation is ready or not");
    // A repair that fails for a moment does not make the agent unready: pods are served meanwhile.
    ready = ready || s.ok();
    on_state(ready ? "" : s.error().message);
    (void)WaitFd(watch.get(), POLLIN, s.ok() ? Millis(10000) : Millis(500), wake.fd()).ok();
  }
}

Status Installer::Uninstall() {
  FL_ASSIGN(auto names, ListDirectory(config_.net_dir));
  for (const std::string& name : names) {
    if (!IsConfig(name)) continue;
    std::string path = config_.net_dir + "/" + name;
    bool whole = config_.chained ? config_.owned_config && name == config_.owned_config_name
                                 : name == config_.conf_name || name == "YYY-istio-cni.conf";
    if (whole) {
      FL_TRY(RemoveFile(path));
      continue;
    }
    auto text = ReadFile(path, 1 << 20);
    if (!text.ok()) continue;
    auto without = RemovePlugin(*text);
    if (without.ok() && *without) FL_TRY(WriteFileAtomic(path, **without, 0600));
  }
  // The binary stays: runtimes keep the configuration that a pod was started with and call the plugin again to delete
  // it. Without a configuration that names it, nothing else does, and without an agent it does nothing.
  Log(Level::kInfo, "plugin taken out of the CNI configuration",
      {{"binary kept for running pods", config_.bin_dir + "/istio-cni"}});
  return {};
}

}  // namespace fairlead::agent
