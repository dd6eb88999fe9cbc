// Brings pods into the mesh and out of it, in both modes: rules in the pod's namespace, the journal, and for ambient
// pods ztunnel and the host's exemption for probes.
//
// Guarantees: an enrolment that succeeded means that the kernel has the pod's rules and, in ambient mode, that ztunnel
// has the pod. It is idempotent: what is there already is not written again. Threading: every member may be called from
// any thread.
#pragma once
#include "agent/ambient.h"
#include "agent/journal.h"
#include "agent/pods.h"
#include "controller/metrics.h"

namespace fairlead::agent {

class Enroller {
 public:
  // `ambient` is null in a sidecar-only agent.
  Enroller(const Config& config, Pods& pods, Journal& journal, redirect::Programmer& programmer,
           controller::Metrics& metrics, redirect::BackendKind backend, Ambient* ambient)
      : config_(config),
        pods_(pods),
        journal_(journal),
        programmer_(programmer),
        metrics_(metrics),
        backend_(backend),
        ambient_(ambient) {}

  // Whether and how a pod is redirected. "" in skip_reason: it is.
  struct Decision {
    std::string skip_reason;
    redirect::PodConfig config;
  };
  // kInvalid: an annotation is wrong; kUnavailable: the namespace's labels are not known yet.
  Result<Decision> Decide(const Json& pod) const;

  // Where a pod is attached.
  struct Attachment {
    std::string container_id, network, netns_path;
    std::shared_ptr<UniqueFd> netns;
    bool found = false;  // its rules may be there already, from another program
  };
  Status Enrol(const Json& pod, const redirect::PodConfig& config, Attachment at, SteadyTime deadline);
  // `alive`: the pod goes on running outside the mesh, so its rules are taken away.
  void Unenrol(const Enrolled& e, bool alive);
  // The rules as they should be, compared with the kernel.
  Status Verify(int netns_fd, const redirect::PodConfig& config, const std::string& pod_uid);

  // Compares every enrolled pod with the kernel and repairs what differs; forgets those of which `still_exists` says
  // no. Returns how many were repaired.
  int VerifyAll(const std::function<bool(const JournalEntry&)>& still_exists);
  // Which pods should be redirected and could not be, the last time that it was tried; "" when there is none.
  std::string Broken() const;
  // What ztunnel is told when it connects.
  std::vector<ZtunnelWorkload> Workloads() const;

  Pods& pods() { return pods_; }
  Journal& journal() { return journal_; }
  bool has_ambient() const { return ambient_ != nullptr; }
  // How often, and when last, each kind of thing happened; for a person who looks at the node.
  Json Describe() const;

 private:
  Result<redirect::Programmed> Program(JournalEntry& entry, int netns_fd);
  Result<redirect::Programmed> WriteOrRecognise(JournalEntry& entry, int netns_fd);
  void Mended(const std::string& uid);
  void ForgetBroken(const std::function<bool(const JournalEntry&)>& still_exists);
  bool VerifyOne(const Enrolled& e);
  Status Announce(const JournalEntry& e, const std::shared_ptr<UniqueFd>& netns, SteadyTime deadline);
  void Withdraw(const JournalEntry& e);
  void RemoveProbes(const JournalEntry& e);
  void Remember(const std::string& what, const JournalEntry& e, const std::string& detail = "");

  const Config& config_;
  Pods& pods_;
  Journal& journal_;
  redirect::Programmer& programmer_;
  controller::Metrics& metrics_;
  redirect::BackendKind backend_;
  Ambient* ambient_;
  struct BrokenPod {
    JournalEntry entry;
    std::string error;
  };
  mutable std::mutex mutex_;                 // guards what follows
  std::map<std::string, BrokenPod> broken_;  // by the pod's UID
  std::deque<Json> events_;                  // the newest last
  int64_t drift_ = 0;
};

}  // namespace fairlead::agent
