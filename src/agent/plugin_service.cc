#include "agent/plugin_service.h"

#include "util/log.h"
#include "util/strings.h"

namespace fairlead::agent {
namespace {

using cni::CniError;

constexpr Millis kLongestWait{100000};
// istio's plugin gives up after five seconds, and does not try again.
constexpr Millis kIstioPluginWait{4500};
constexpr Millis kSlice{1000};

// A pod that could not be found or understood: worth another try, or not.
CniError Unknown(const Error& e) {
  return {e.code == Code::kNotFound ? cni::kUnknownContainer : cni::kTryAgainLater, e.message, ""};
}

std::string Known(const std::string& command) {
  for (const char* c : {"ADD", "DEL", "CHECK", "GC"})
    if (command == c) return command;
  return "other";
}

}  // namespace

void PluginService::Handle(http::Request& r, http::ResponseWriter& w) {
  auto answer = [&](int status, const CniError& e) {
    w.Send(status, "application/json", value::Dump({{"code", e.code}, {"msg", e.message}, {"details", e.details}}));
  };
  if (!r.peer.unix_credentials || r.peer.unix_credentials->uid != 0)
    return answer(403, {cni::kRefused, "only root may speak to the agent", ""});
  // Which agent serves this node, asked over the very socket that the plugin uses; and what it knows.
  if (r.path == "/version" && r.method == "GET")
    return w.Send(200, "application/json", value::Dump({{"version", config_.version}}));
  if (r.path == "/node" && r.method == "GET") return w.Send(200, "application/json", value::Dump(enroller_.Describe()));
  if (r.path == "/cmdadd" && r.method == "POST") return ServeIstioPlugin(r, w);
  if (r.path != cni::kAgentPath || r.method != "POST")
    return answer(404, {cni::kRefused, "not found: " + r.method + " " + r.path.substr(0, 100), ""});
  auto j = value::ParseJson(r.body, "request");
  auto request = j.ok() ? cni::AgentRequestFromJson(*j) : std::nullopt;
  if (!request)
    return answer(400, {cni::kDecodeFailure, j.ok() ? "the request lacks a member" : j.error().message, ""});
  auto wait = ParseInt(r.Header("x-wait-ms"));
  auto deadline = SteadyNow() + std::clamp(Millis(wait.value_or(30000)), Millis(0), kLongestWait);
  CniError error = Serve(*request, r.fds.empty() ? UniqueFd() : std::move(r.fds[0]), deadline);
  answer(error.code == 0 ? 200 : error.code == cni::kTryAgainLater ? 503 : 500, error);
}

CniError PluginService::Serve(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline) {
  auto started = SteadyNow();
  CniError error;
  if (r.container_id.find('/') != r.container_id.npos)
    error = {cni::kBadEnvironment, "not a container ID: " + r.container_id.substr(0, 80), ""};
  else if (r.command == "ADD")
    error = Add(r, std::move(netns), deadline);
  else if (r.command == "CHECK")
    error = Check(r, netns, deadline);
  else if (r.command == "DEL")
    Delete(r);
  else if (r.command == "GC")
    CollectGarbage(r);
  else
    error = {cni::kBadEnvironment, "unknown command " + r.command.substr(0, 40), "ADD, CHECK, DEL and GC are known"};
  metrics_.Observe("fairlead_agent_request_seconds", {{"command", Known(r.command)}},
                   std::chrono::duration<double>(SteadyNow() - started).count(),
                   "Time to serve a request of the plugin");
  metrics_.Count("istio_cni_plugin_requests_total", {{"response_code", error.code == 0 ? "200" : "500"}}, 1,
                 "Requests of the CNI plugin by response code");
  if (error.code != 0)
    Log(Level::kWarn, "a request of the plugin was refused; the runtime reports it on the pod and asks again",
        {{"command", r.command},
         {"pod", r.pod_namespace + "/" + r.pod_name},
         {"uid", r.pod_uid},
         {"code", error.code},
         {"error", error.message},
         {"details", error.details}});
  return error;
}

CniError PluginService::Add(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline) {
  auto id = kernel::IdentifyNetns(netns.get());
  if (!netns.valid() || !id.ok())
    return {cni::kUnknownContainer, "the request carries no network namespace", id.ok() ? "" : id.error().message};
  Result<kube::ObjectPtr> pod = MakeError(Code::kUnavailable, "another agent takes over");
  while (!draining_ && !pod.ok() && pod.error().code == Code::kUnavailable && SteadyNow() < deadline)
    pod = enroller_.pods().Find(r.pod_namespace, r.pod_name, r.pod_uid, std::min(deadline, SteadyNow() + kSlice));
  if (!pod.ok()) return Unknown(pod.error());
  auto decision = enroller_.Decide(**pod);
  while (!draining_ && !decision.ok() && decision.error().code == Code::kUnavailable &&
         SteadyNow() + Millis(20) < deadline) {
    std::this_thread::sleep_for(Millis(20));
    decision = enroller_.Decide(**pod);
  }
  if (!decision.ok() && decision.error().code == Code::kUnavailable) return Unknown(decision.error());
  if (!decision.ok())
    return {cni::kRefused, decision.error().message,
            "correct the annotation; the pod is not started without its rules"};
  if (!decision->skip_reason.empty()) {
    Log(Level::kDebug, "pod left alone", {{"pod", r.pod_namespace + "/" + r.pod_name}, {"why", decision->skip_reason}});
    return {};
  }
  Status s = enroller_.Enrol(**pod, decision->config,
                             {r.container_id, r.network, r.netns, std::make_shared<UniqueFd>(std::move(netns)), false},
                             deadline);
  if (!s.ok()) {
    bool later = s.error().code == Code::kDeadlineExceeded || s.error().code == Code::kUnavailable ||
                 s.error().code == Code::kConflict;
    return {later ? cni::kTryAgainLater : cni::kRefused,
            "pod " + r.pod_namespace + "/" + r.pod_name + " could not be brought into the mesh", s.error().message};
  }
  on_enrolled_(r.pod_namespace + "/" + r.pod_name);
  return {};
}

CniError PluginService::Check(const cni::AgentRequest& r, const UniqueFd& netns, SteadyTime deadline) {
  auto pod = enroller_.pods().Find(r.pod_namespace, r.pod_name, r.pod_uid, deadline);
  if (!pod.ok()) return Unknown(pod.error());
  auto decision = enroller_.Decide(**pod);
  if (!decision.ok() && decision.error().code == Code::kUnavailable) return Unknown(decision.error());
  if (!decision.ok()) return {cni::kRefused, decision.error().message, ""};
  if (!decision->skip_reason.empty()) return {};
  Status s = enroller_.Verify(netns.get(), decision->config, kube::Uid(**pod));
  if (s.ok()) return {};
  return {cni::kRulesMissing, "pod " + r.pod_namespace + "/" + r.pod_name + ": " + s.error().message,
          "the agent repairs it; if it stays, something else changes the pod's tables"};
}

void PluginService::Delete(const cni::AgentRequest& r) {
  if (auto e = enroller_.journal().Find(r.container_id))
    enroller_.Unenrol(*e, false);
  else
    (void)enroller_.journal().Erase(r.container_id).ok();  // a file that another agent left
}

// Attachments of this network that the runtime does not know any more. Those that no runtime told of are the pods' to
// end.
void PluginService::CollectGarbage(const cni::AgentRequest& r) {
  for (const Enrolled& e : enroller_.journal().List()) {
    if (e.entry.network.empty() || e.entry.network != r.network || e.entry.container_id.starts_with("uid-")) continue;
    if (std::find(r.attachments.begin(), r.attachments.end(), e.entry.container_id) != r.attachments.end()) continue;
    Log(Level::kInfo, "attachment collected", {{"pod", e.entry.Pod()}, {"container", e.entry.container_id}});
    enroller_.Unenrol(e, true);
  }
}

// POST /cmdadd of istio's plugin: {"Netns", "PodName", "PodNamespace", "IPs"}; 200 without a body, or a text error.
void PluginService::ServeIstioPlugin(http::Request& r, http::ResponseWriter& w) {
  auto j = value::ParseJson(r.body, "request");
  std::string netns_path = j.ok() ? value::Str(*j, "Netns") : "", name = j.ok() ? value::Str(*j, "PodName") : "",
              ns = j.ok() ? value::Str(*j, "PodNamespace") : "";
  if (netns_path.empty() || name.empty() || ns.empty())
    return w.Send(400, "text/plain",
                  j.ok() ? "Netns, PodName and PodNamespace are needed\n" : j.error().message + "\n");
  auto netns = kernel::OpenNetns(config_.netns_dir + "/" + netns_path.substr(netns_path.rfind('/') + 1));
  if (!netns.ok()) return w.Send(500, "text/plain", netns.error().message + "\n");
  auto deadline = SteadyNow() + kIstioPluginWait;
  auto pod = enroller_.pods().Find(ns, name, "", deadline);
  if (!pod.ok()) return w.Send(500, "text/plain", pod.error().message + "\n");
  cni::AgentRequest request{"ADD", "uid-" + kube::Uid(**pod), "eth0", netns_path, name, ns, kube::Uid(**pod), "", {}};
  CniError error = Serve(request, std::move(*netns), deadline);
  if (error.code != 0) return w.Send(500, "text/plain", error.message + ": " + error.details + "\n");
  w.Send(200, "text/plain", "");
}

}  // namespace fairlead::agent
