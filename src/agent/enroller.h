// Brings pods into the mesh and out of it: the answer to the plugin's ADD, CHECK and DEL.
//
// Guarantees: an ADD that succeeded means that the kernel has the pod's rules, or that the pod is not of the mesh. ADD
// is idempotent. Threading: every member may be called from any thread.
#pragma once
#include "agent/journal.h"
#include "agent/pods.h"
#include "cni/protocol.h"
#include "controller/metrics.h"
#include "redirect/program.h"

namespace fairlead::agent {

class Enroller {
 public:
  Enroller(std::string version, Pods& pods, Journal& journal, redirect::Programmer& programmer,
           controller::Metrics& metrics)
      : version_(std::move(version)), pods_(pods), journal_(journal), programmer_(programmer), metrics_(metrics) {}

  // error.code 0 = success. `netns` came with the request.
  cni::CniError Handle(const cni::AgentRequest& request, UniqueFd netns, SteadyTime deadline);
  // Compares every enrolled pod with the kernel, repairs what differs, and forgets attachments whose namespace is gone.
  // Returns how many were repaired.
  int VerifyAll(
      const std::function<bool(const std::string& ns, const std::string& name, const std::string& uid)>& still_exists);

 private:
  cni::CniError Add(const cni::AgentRequest& r, UniqueFd netns, SteadyTime deadline);
  cni::CniError Check(const cni::AgentRequest& r, const UniqueFd& netns, SteadyTime deadline);

  std::string version_;
  Pods& pods_;
  Journal& journal_;
  redirect::Programmer& programmer_;
  controller::Metrics& metrics_;
};

}  // namespace fairlead::agent
