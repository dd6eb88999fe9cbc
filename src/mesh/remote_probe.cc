#include "mesh/remote_probe.h"

#include "http/client.h"
#include "kube/object.h"
#include "util/strings.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Str;

constexpr Millis kTimeout{5000};

// "https://HOST:PORT" of the webhook's server.
Result<std::string> ServerOf(const Json& client_config, const std::string& name) {
  if (const Json& service = At(client_config, "service"); service.is_object())
    return "https://" + Str(service, "name") + "." + Str(service, "namespace") +
           ".svc:" + std::to_string(value::AsInt(At(service, "port"), 443));
  std::string url = Str(client_config, "url");
  if (!url.starts_with("https://"))
    return MakeError(Code::kInvalid, "MutatingWebhookConfiguration " + name +
                                         ": webhooks[0].clientConfig has no https url and no service");
  return url.substr(0, url.find('/', 8));
}

}  // namespace

Status ProbeWebhook(const Json& configuration, Millis timeout) {
  std::string name = kube::Name(configuration);
  const Json& client_config = At(configuration, "webhooks", 0, "clientConfig");
  FL_ASSIGN(std::string server, ServerOf(client_config, name));
  auto authority = Base64Decode(Str(client_config, "caBundle"));
  if (!authority.ok() || authority->empty())
    return MakeError(Code::kInvalid,
                     "MutatingWebhookConfiguration " + name +
                         ": webhooks[0].clientConfig.caBundle is not set; the remote istiod sets it: check "
                         "that it can reach this cluster");
  http::Client client({.base_url = server, .ca_pem = *authority});
  auto answer = client.Do({.target = "/ready", .timeout = timeout});
  std::string failed = "readiness probe on remote istiod failed: GET " + server + "/ready: ";
  if (!answer.ok()) return MakeError(Code::kUnavailable, failed + answer.error().message);
  if (answer->status != 200)
    return MakeError(Code::kUnavailable, failed + "it answers " + std::to_string(answer->status));
  return {};
}

RemoteProbes::RemoteProbes(kube::Api& api, std::function<void(const std::string&)> changed, Millis period)
    : api_(api), changed_(std::move(changed)), period_(period) {}

RemoteProbes::~RemoteProbes() = default;  // the thread is asked to stop, and joined, first of all members

std::optional<Status> RemoteProbes::Of(const std::string& owner, const std::string& webhook) {
  std::lock_guard lock(mutex_);
  Target& target = targets_[owner];
  if (target.webhook != webhook) target = {webhook, std::nullopt};
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { Loop(std::move(stop)); });
  return target.last;
}

void RemoteProbes::Forget(const std::string& owner) {
  std::lock_guard lock(mutex_);
  targets_.erase(owner);
}

void RemoteProbes::Loop(std::stop_token stop) {
  do {
    std::map<std::string, Target> targets;
    {
      std::lock_guard lock(mutex_);
      targets = targets_;
    }
    for (const auto& [owner, target] : targets) {
      if (stop.stop_requested()) return;
      auto configuration = api_.Get(kube::kMutatingWebhooks, "", target.webhook);
      Status now;
      if (configuration.ok())
        now = ProbeWebhook(*configuration, kTimeout);
      else if (configuration.error().code == Code::kNotFound)
        now = MakeError(Code::kNotFound, "MutatingWebhookConfiguration " + target.webhook + " not found");
      else
        continue;  // the API server is away: nothing is known anew
      auto said = [](const Status& s) { return s.ok() ? "" : s.error().message; };
      bool differs = !target.last || said(*target.last) != said(now);
      {
        std::lock_guard lock(mutex_);
        auto it = targets_.find(owner);
        if (it == targets_.end() || it->second.webhook != target.webhook) continue;
        it->second.last = now;
      }
      if (differs) changed_(owner);
    }
  } while (SleepFor(period_, stop));
}

}  // namespace fairlead::mesh
