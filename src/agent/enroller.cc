#include "agent/enroller.h"

#include "util/log.h"

namespace fairlead::agent {

using cni::CniError;

CniError Enroller::Handle(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline) {
  auto started = SteadyNow();
  CniError error;
  if (r.command == "ADD")
    error = Add(r, std::move(netns), deadline);
  else if (r.command == "CHECK")
    error = Check(r, netns, deadline);
  else if (r.command == "DEL") {
    if (Status s = journal_.Erase(r.container_id); !s.ok())
      Log(Level::kWarn, "journal entry not removed", {{"error", s.error().message}});
  } else
    error = {cni::kBadEnvironment, "unknown command " + r.command.substr(0, 40), "ADD, CHECK and DEL are known"};
  double seconds = std::chrono::duration<double>(SteadyNow() - started).count();
  metrics_.Observe(
      "fairlead_agent_request_seconds",
      {{"command", r.command == "ADD" || r.command == "DEL" || r.command == "CHECK" ? r.command : "other"}}, seconds,
      "Time to serve a request of the plugin");
  metrics_.Count("istio_cni_plugin_requests_total", {{"response_code", error.code == 0 ? "200" : "500"}}, 1,
                 "Requests of the CNI plugin by response code");
  if (error.code != 0)
    Log(Level::kWarn, "request refused",
        {{"command", r.command},
         {"pod", r.pod_namespace + "/" + r.pod_name},
         {"uid", r.pod_uid},
         {"code", error.code},
         {"error", error.message},
         {"details", error.details}});
  return error;
}

CniError Enroller::Add(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline) {
  auto id = kernel::IdentifyNetns(netns.get());
  if (!netns.valid() || !id.ok())
    return {cni::kUnknownContainer, "the request carries no network namespace", id.ok() ? "" : id.error().message};
  auto pod = pods_.Find(r.pod_namespace, r.pod_name, r.pod_uid, deadline);
  if (!pod.ok()) {
    int code = pod.error().code == Code::kNotFound ? cni::kUnknownContainer : cni::kTryAgainLater;
    return {code, pod.error().message, ""};
  }
  auto decision = redirect::DecideSidecar(**pod);
  if (!decision.ok())
    return {cni::kRefused, decision.error().message,
            "correct the annotation; the pod is not started without its rules"};
  if (!decision->skip_reason.empty()) {
    Log(Level::kDebug, "pod left alone", {{"pod", r.pod_namespace + "/" + r.pod_name}, {"why", decision->skip_reason}});
    return {};
  }
  auto programmed = programmer_.Apply(netns.get(), decision->config);
  if (!programmed.ok())
    return {cni::kRefused, "programming the redirection of pod " + r.pod_namespace + "/" + r.pod_name + " failed",
            programmed.error().message};
  JournalEntry entry{r.container_id,   kube::Uid(**pod), r.pod_namespace, r.pod_name, r.netns, *id,
                     decision->config, version_};
  if (Status s = journal_.Put(entry, std::make_shared<UniqueFd>(std::move(netns))); !s.ok())
    Log(Level::kError, "journal entry not written",
        {{"pod", r.pod_namespace + "/" + r.pod_name}, {"error", s.error().message}});
  Log(Level::kInfo, "pod enrolled",
      {{"pod", r.pod_namespace + "/" + r.pod_name},
       {"uid", entry.pod_uid},
       {"netns", id->ToString()},
       {"rules", *programmed == redirect::Programmed::kWritten ? "written" : "unchanged"}});
  return {};
}

CniError Enroller::Check(const cni::AgentRequest& r, const UniqueFd& netns, SteadyTime deadline) {
  auto pod = pods_.Find(r.pod_namespace, r.pod_name, r.pod_uid, deadline);
  if (!pod.ok())
    return {pod.error().code == Code::kNotFound ? cni::kUnknownContainer : cni::kTryAgainLater, pod.error().message,
            ""};
  auto decision = redirect::DecideSidecar(**pod);
  if (!decision.ok()) return {cni::kRefused, decision.error().message, ""};
  if (!decision->skip_reason.empty()) return {};
  Status s = programmer_.Verify(netns.get(), decision->config);
  if (s.ok()) return {};
  return {cni::kRulesMissing, "pod " + r.pod_namespace + "/" + r.pod_name + ": " + s.error().message,
          "the agent repairs it; if it stays, something else changes the pod's tables"};
}

int Enroller::VerifyAll(
    const std::function<bool(const std::string&, const std::string&, const std::string&)>& still_exists) {
  int repaired = 0, enrolled = 0;
  for (Enrolled& e : journal_.List()) {
    std::string pod = e.entry.pod_namespace + "/" + e.entry.pod_name;
    if (!still_exists(e.entry.pod_namespace, e.entry.pod_name, e.entry.pod_uid)) {
      (void)journal_.Erase(e.entry.container_id).ok();
      continue;
    }
    ++enrolled;
    if (!e.netns) continue;
    auto programmed = programmer_.Apply(e.netns->get(), e.entry.config);
    if (!programmed.ok()) {
      Log(Level::kError, "pod's rules could not be verified", {{"pod", pod}, {"error", programmed.error().message}});
      metrics_.Count("fairlead_agent_drift_failures_total", {}, 1, "Pods whose rules could not be put right");
    } else if (*programmed == redirect::Programmed::kWritten) {
      ++repaired;
      Log(Level::kWarn, "drift repaired: the pod's rules were not what they should be",
          {{"pod", pod}, {"uid", e.entry.pod_uid}});
      metrics_.Count("fairlead_agent_drift_repaired_total", {}, 1, "Pods whose rules were put right");
    }
  }
  metrics_.Set("fairlead_agent_enrolled_pods", {}, enrolled, "Pods whose redirection this agent keeps");
  return repaired;
}

}  // namespace fairlead::agent
