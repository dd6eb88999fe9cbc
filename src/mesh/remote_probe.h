// Asks control planes that run elsewhere whether they are ready, the way that the API server reaches them: by the
// address and authority in their injection webhook. Source of the behaviour: sail-operator controllers/webhook.
#pragma once
#include <map>
#include <mutex>
#include <thread>

#include "kube/api.h"
#include "util/clock.h"

namespace fairlead::mesh {

class RemoteProbes {
 public:
  // `changed` is told the owner's name when a probe has another result than the one before. One thread, which starts
  // with the first probe.
  RemoteProbes(kube::Api& api, std::function<void(const std::string& owner)> changed,
               Millis period = std::chrono::seconds(3));
  ~RemoteProbes();

  // The result of the last probe for `owner` by that MutatingWebhookConfiguration; nothing before the first.
  // Errors: kUnavailable, it is not ready; kNotFound, there is no such configuration; kInvalid, it cannot be asked.
  std::optional<Status> Of(const std::string& owner, const std::string& webhook);
  void Forget(const std::string& owner);

 private:
  struct Target {
    std::string webhook;
    std::optional<Status> last;
  };
  void Loop(std::stop_token stop);

  kube::Api& api_;
  const std::function<void(const std::string&)> changed_;
  const Millis period_;
  std::mutex mutex_;  // guards targets_ and thread_'s start
  std::map<std::string, Target> targets_;
  std::jthread thread_;
};

// One probe: GET /ready where webhooks[0].clientConfig points. Errors as above.
Status ProbeWebhook(const Json& configuration, Millis timeout);

}  // namespace fairlead::mesh
