// The exemption of the kubelet's probes: connections from the node itself to an enrolled pod get a source address that
// the pod's rules let pass by ztunnel. One table in the host's network namespace: inet istio-ambient-nat with the sets
// istio-inpod-probes-v4 and -v6 of pod addresses, each with the pod's UID as its comment.
//
// It is only ever changed by difference: an agent that starts finds the sets as the one before left them and takes
// nothing out that is still valid, so no probe meets a moment without its exemption.
//
// Threading: every member may be called from any thread.
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "redirect/ambient.h"
#include "util/fd.h"

namespace fairlead::redirect {

class HostProbes {
 public:
  HostProbes(UniqueFd host_netns, std::string address, std::string address6)
      : netns_(std::move(host_netns)), address_(std::move(address)), address6_(std::move(address6)) {}
  // Table, chain and sets as they shall be; true when something was missing or different.
  Result<bool> Ensure();
  // Makes the pod's addresses exactly these.
  Status Set(const std::string& pod_uid, const std::vector<std::string>& addresses);
  // Takes the pod's addresses out: only those that carry its UID, since an address may have a new owner already.
  Status Remove(const std::string& pod_uid) { return Set(pod_uid, {}); }
  // Takes out the pods of which `keep` says no; it is asked about what is in the set at that moment. Returns how many.
  Result<int> KeepOnly(const std::function<bool(const std::string& pod_uid)>& keep);
  Result<std::map<std::string, std::string>> List();  // UID by address
  // The whole table goes: an uninstall.
  Status Uninstall();

 private:
  Result<std::map<std::string, std::string>> ListHere();
  std::mutex mutex_;  // one change at a time
  UniqueFd netns_;
  std::string address_, address6_;
};

}  // namespace fairlead::redirect
