#include "agent/agent.h"

#include "agent/enroller.h"
#include "agent/handover.h"
#include "agent/installer.h"
#include "controller/health.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::agent {
namespace {

constexpr Millis kLongestWait{100000};
constexpr Millis kVerifyPeriod{30000};

// Why the agent is not ready; the first non-empty reason is shown on /readyz.
class Readiness {
 public:
  void Set(const std::string& part, const std::string& why) {
    std::lock_guard lock(mutex_);
    why_[part] = why;
  }
  std::string NotReady() const {
    std::lock_guard lock(mutex_);
    for (const auto& [part, why] : why_)
      if (!why.empty()) return part + ": " + why;
    return "";
  }

 private:
  mutable std::mutex mutex_;  // guards why_
  std::map<std::string, std::string> why_{{"installation", "not done yet"}, {"plugin socket", "not served yet"}};
};

http::Handler PluginHandler(Enroller& enroller, const std::string& version) {
  return [&enroller, version](http::Request& r, http::ResponseWriter& w) {
    auto answer = [&](int status, const cni::CniError& e) {
      w.Send(status, "application/json", value::Dump({{"code", e.code}, {"msg", e.message}, {"details", e.details}}));
    };
    if (!r.peer.unix_credentials || r.peer.unix_credentials->uid != 0)
      return answer(403, {cni::kRefused, "only root may speak to the agent", ""});
    // Which agent serves this node, asked over the very socket that the plugin uses.
    if (r.path == "/version" && r.method == "GET")
      return w.Send(200, "application/json", value::Dump({{"version", version}}));
    if (r.path != cni::kAgentPath || r.method != "POST")
      return answer(404, {cni::kRefused, "not found: " + r.method + " " + r.path.substr(0, 100), ""});
    auto j = value::ParseJson(r.body, "request");
    auto request = j.ok() ? cni::AgentRequestFromJson(*j) : std::nullopt;
    if (!request)
      return answer(400, {cni::kDecodeFailure, j.ok() ? "the request lacks a member" : j.error().message, ""});
    auto wait = ParseInt(r.Header("x-wait-ms"));
    auto deadline = SteadyNow() + std::clamp(Millis(wait.value_or(30000)), Millis(0), kLongestWait);
    cni::CniError error = enroller.Handle(*request, r.fds.empty() ? UniqueFd() : std::move(r.fds[0]), deadline);
    answer(error.code == 0 ? 200 : error.code == cni::kTryAgainLater ? 503 : 500, error);
  };
}

// True only when the API server says that the DaemonSet is gone or going. A doubt means: this is no uninstall.
bool IsUninstall(kube::Api& api, const Config& config) {
  auto ds = api.Get(kube::kDaemonSets, config.pod_namespace, "istio-cni-node");
  if (!ds.ok()) {
    Log(Level::kInfo, "looked whether this is an uninstall", {{"answer", ds.error().message}});
    return ds.error().code == Code::kNotFound;
  }
  return kube::IsDeleting(*ds);
}

}  // namespace

Status RunAgent(const Config& config, kube::Api& api, std::stop_token stop) {
  controller::Metrics metrics;
  Readiness readiness;
  FL_ASSIGN(auto health, controller::ServeHealth("0.0.0.0", static_cast<uint16_t>(config.health_port), nullptr,
                                                 [&] { return readiness.NotReady(); }));
  std::unique_ptr<http::Server> monitoring;
  if (config.monitoring_port > 0) {
    FL_ASSIGN(monitoring, controller::ServeHealth("0.0.0.0", static_cast<uint16_t>(config.monitoring_port), &metrics,
                                                  [&] { return readiness.NotReady(); }));
  }
  FL_TRY(MakeDirectories(config.run_dir, 0755));

  CachedPods pods(api, config.node_name);
  pods.informer().Start();
  Journal journal(config.run_dir + "/journal");
  redirect::Programmer programmer;
  Enroller enroller(config.version, pods, journal, programmer, metrics);

  auto handover = HandoverClient::Begin(config.run_dir, config.version, journal);
  Log(Level::kInfo, handover.ok() ? "taking over from a running agent" : "no agent to take over from",
      {{"old", handover.ok() ? (*handover)->old_version() : handover.error().message},
       {"version", config.version},
       {"node", config.node_name}});
  FL_TRY(journal.Load(config.netns_dir));

  Installer installer(config, metrics);
  UniqueFd listener;
  if (handover.ok()) {
    // The old agent serves until this one can do everything: files in place, pods known.
    listener = (*handover)->TakeListener();
    readiness.Set("plugin socket", "the old agent still serves; waiting for this one's pod cache");
    while (!stop.stop_requested() && !pods.informer().WaitForSync(Millis(500), stop)) {
    }
    for (Status s = installer.Install(); !s.ok() && !stop.stop_requested(); s = installer.Install()) {
      readiness.Set("installation", s.error().message);
      Log(Level::kWarn, "installation incomplete", {{"error", s.error().message}});
      if (!SleepFor(Millis(500), stop)) break;
    }
    if (stop.stop_requested()) return {};
    if (Status s = (*handover)->Take(); !s.ok())
      Log(Level::kWarn, "the old agent ended during the handover", {{"error", s.error().message}});
  } else {
    FL_ASSIGN(listener, ListenUnix(config.run_dir + "/" + cni::kAgentSocket, SocketKind::kStream, 0600));
  }
  FL_ASSIGN(UniqueFd listener_copy, listener.Duplicate());
  http::Server server({.max_header_bytes = 16 << 10,
                       .max_body_bytes = 1 << 20,
                       .request_timeout = Millis(10000),
                       .max_connections = 512},
                      PluginHandler(enroller, config.version));
  FL_TRY(server.AddListener(std::move(listener)));
  readiness.Set("plugin socket", "");
  HandoverServer handover_server(config.run_dir, config.version, journal, listener_copy.get(), server);
  FL_TRY(handover_server.Start());

  std::jthread keeper([&](std::stop_token s) {
    installer.Keep([&](const std::string& problem) { readiness.Set("installation", problem); }, s);
  });
  auto exists = [&](const std::string& ns, const std::string& name, const std::string& uid) {
    if (!pods.informer().synced()) return true;
    auto pod = pods.informer().Get(kube::Key(ns, name));
    return pod && kube::Uid(*pod) == uid;
  };
  // After a start everything is compared with the kernel once; then periodically. A pod that is gone from the cache but
  // was enrolled a moment ago is kept until the next round.
  std::set<std::string> missing_before;
  while (!stop.stop_requested()) {
    if (pods.informer().WaitForSync(Millis(1000), stop) && !handover_server.handed_over()) {
      std::set<std::string> missing;
      enroller.VerifyAll([&](const std::string& ns, const std::string& name, const std::string& uid) {
        if (exists(ns, name, uid)) return true;
        missing.insert(uid);
        return !missing_before.contains(uid);
      });
      missing_before = std::move(missing);
    }
    SleepFor(kVerifyPeriod, stop);
  }

  keeper.request_stop();
  keeper.join();
  bool handed_over = handover_server.handed_over();
  server.Stop(Millis(5000));
  handover_server.Stop();
  if (!handed_over && IsUninstall(api, config)) FL_TRY(installer.Uninstall());
  Log(Level::kInfo, "agent ended", {{"handed_over", handed_over}});
  return {};
}

}  // namespace fairlead::agent
