// What the agent answers on the plugin's socket: our plugin's requests, those of istio's plugin, and two questions that
// a person or a test may ask.
#pragma once
#include "agent/enroller.h"
#include "cni/protocol.h"
#include "http/server.h"

namespace fairlead::agent {

class PluginService {
 public:
  // `on_enrolled` hears the key of each pod that came in.
  PluginService(const Config& config, Enroller& enroller, controller::Metrics& metrics,
                std::function<void(const std::string& pod)> on_enrolled)
      : config_(config), enroller_(enroller), metrics_(metrics), on_enrolled_(std::move(on_enrolled)) {}
  void Handle(http::Request& r, http::ResponseWriter& w);
  // One request of the plugin; error.code 0 = success. `netns` came with it.
  cni::CniError Serve(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline);
  // Another agent takes over: requests that wait for something are told to try again. false undoes it.
  void Drain(bool draining) { draining_ = draining; }

 private:
  cni::CniError Add(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline);
  cni::CniError Check(const cni::AgentRequest& r, const UniqueFd& netns, SteadyTime deadline);
  void Delete(const cni::AgentRequest& r);
  void CollectGarbage(const cni::AgentRequest& r);
  void ServeIstioPlugin(http::Request& r, http::ResponseWriter& w);

  const Config& config_;
  Enroller& enroller_;
  controller::Metrics& metrics_;
  std::function<void(const std::string&)> on_enrolled_;
  std::atomic<bool> draining_{false};
};

}  // namespace fairlead::agent
