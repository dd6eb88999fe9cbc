#include "agent/enroller.h"

#include <ctime>

#include "util/log.h"

namespace fairlead::agent {
namespace {

using redirect::Programmed;

constexpr size_t kEventsKept = 50;

std::string PodName(const Json& pod) { return kube::Key(pod); }

// The addresses that the pod has in its namespace.
Result<std::vector<std::string>> AddressesIn(int netns_fd) {
  std::vector<std::string> out;
  FL_TRY(kernel::RunInNetns(netns_fd, [&]() -> Status {
    FL_ASSIGN(out, kernel::GlobalAddresses());
    return {};
  }));
  return out;
}

}  // namespace

void Enroller::Remember(const std::string& what, const JournalEntry& e, const std::string& detail) {
  std::lock_guard lock(mutex_);
  Json event = {{"time", static_cast<int64_t>(::time(nullptr))}, {"what", what}, {"pod", e.Pod()}, {"uid", e.pod_uid}};
  if (!detail.empty()) event["detail"] = detail;
  events_.push_back(std::move(event));
  if (events_.size() > kEventsKept) events_.pop_front();
}

Result<Enroller::Decision> Enroller::Decide(const Json& pod) const {
  const std::string ns = kube::Namespace(pod);
  if (std::find(config_.exclude_namespaces.begin(), config_.exclude_namespaces.end(), ns) !=
      config_.exclude_namespaces.end())
    return Decision{"namespace " + ns + " is excluded", {}};
  FL_ASSIGN(redirect::SidecarDecision sidecar, redirect::DecideSidecar(pod, config_.sidecar));
  if (sidecar.skip_reason.empty()) return Decision{"", std::move(sidecar.config)};
  if (!ambient_) return Decision{sidecar.skip_reason, {}};
  auto labels = ambient_->namespaces.Get(ns);
  if (!labels) return MakeError(Code::kUnavailable, "the labels of namespace " + ns + " are not known yet");
  std::string why = redirect::WhyNotAmbient(pod, value::At(*labels, "metadata", "labels"), ambient_->settings);
  if (!why.empty()) return Decision{sidecar.skip_reason + "; " + why, {}};
  return Decision{"", redirect::AmbientConfigOf(pod, ambient_->settings)};
}

Result<Programmed> Enroller::Program(JournalEntry& entry, int netns_fd) {
  auto done = WriteOrRecognise(entry, netns_fd);
  if (done.ok()) {
    Mended(entry.pod_uid);
    return done;
  }
  std::lock_guard lock(mutex_);
  broken_[entry.pod_uid] = {entry, done.error().message};
  metrics_.Set("fairlead_agent_broken_pod", {{"namespace", entry.pod_namespace}, {"pod", entry.pod_name}}, 1,
               "1 for a pod of the mesh that has no working rules");
  return done;
}

// It has its rules, or is gone.
void Enroller::Mended(const std::string& uid) {
  std::lock_guard lock(mutex_);
  auto it = broken_.find(uid);
  if (it == broken_.end()) return;
  const JournalEntry& e = it->second.entry;
  metrics_.Forget("fairlead_agent_broken_pod", {{"namespace", e.pod_namespace}, {"pod", e.pod_name}});
  broken_.erase(it);
}

// Writes the rules, or leaves what another program wrote.
Result<Programmed> Enroller::WriteOrRecognise(JournalEntry& entry, int netns_fd) {
  if (entry.found) {
    FL_ASSIGN(auto by, programmer_.Recognise(netns_fd, entry.config));
    if (by) {
      entry.backend = *by;
      // Equal to ours: from here on it is ours, and kept complete. Otherwise it stays as the other program made it.
      entry.found = !programmer_.Verify(netns_fd, entry.config, *by).ok();
      return Programmed::kUnchanged;
    }
    entry.found = false;
  }
  return programmer_.Apply(netns_fd, entry.config, entry.backend);
}

Status Enroller::Enrol(const Json& pod, const redirect::PodConfig& config, Attachment at, SteadyTime deadline) {
  FL_ASSIGN(kernel::NetnsId id, kernel::IdentifyNetns(at.netns->get()));
  auto before = journal_.FindPod(kube::Uid(pod));
  JournalEntry entry{at.container_id,
                     kube::Uid(pod),
                     kube::Namespace(pod),
                     kube::Name(pod),
                     value::Str(pod, "spec", "serviceAccountName"),
                     at.network,
                     at.netns_path,
                     id,
                     config,
                     backend_,
                     at.found,
                     config_.version};
  if (before && before->entry.netns == id && before->entry.ambient() == entry.ambient())
    entry.backend = before->entry.backend;  // rules never move from one program to another in a pod that runs
  auto programmed = Program(entry, at.netns->get());
  if (!programmed.ok()) return programmed.error().Wrap("programming the redirection of pod " + PodName(pod));
  Status recorded = journal_.Put(entry, at.netns);
  if (!recorded.ok())
    Log(Level::kError,
        "the journal entry of a pod was not written: see whether the node's disk is full; after a restart the pod is "
        "looked for by its address",
        {{"pod", entry.Pod()}, {"error", recorded.error().message}});
  if (before && before->entry.container_id != entry.container_id) (void)journal_.Erase(before->entry.container_id).ok();
  Status announced = entry.ambient() && ambient_ ? Announce(entry, at.netns, deadline) : Status();
  if (recorded.ok() && !journal_.FindPod(entry.pod_uid)) {
    if (entry.ambient() && ambient_) Withdraw(entry);
    return MakeError(Code::kNotFound, "pod " + entry.Pod() + " ended while it was brought in");
  }
  FL_TRY(announced);
  const char* rules = *programmed == Programmed::kWritten ? "written" : entry.found ? "found" : "unchanged";
  Remember("enrolled", entry, std::string("rules ") + rules);
  Log(Level::kInfo, "pod enrolled",
      {{"pod", entry.Pod()},
       {"uid", entry.pod_uid},
       {"mode", entry.ambient() ? "ambient" : "sidecar"},
       {"backend", redirect::BackendName(entry.backend)},
       {"netns", id.ToString()},
       {"rules", rules}});
  return {};
}

// Tells the host's rules and ztunnel of an ambient pod.
Status Enroller::Announce(const JournalEntry& e, const std::shared_ptr<UniqueFd>& netns, SteadyTime deadline) {
  FL_ASSIGN(auto addresses, AddressesIn(netns->get()));
  FL_TRY(ambient_->probes.Set(e.pod_uid, addresses));
  return ambient_->ztunnel.Add({e.pod_uid, e.pod_name, e.pod_namespace, e.service_account, netns}, deadline);
}

void Enroller::Withdraw(const JournalEntry& e) {
  RemoveProbes(e);
  ambient_->ztunnel.Delete(e.pod_uid);
}

void Enroller::RemoveProbes(const JournalEntry& e) {
  if (Status s = ambient_->probes.Remove(e.pod_uid); !s.ok())
    Log(Level::kWarn, "the host still exempts the probes of a pod that is gone; it is removed at the next check",
        {{"pod", e.Pod()}, {"error", s.error().message}});
}

void Enroller::Unenrol(const Enrolled& e, bool alive) {
  if (e.entry.ambient() && ambient_) RemoveProbes(e.entry);
  // Rules first, ztunnel's listeners after: in between nothing is sent to a port that is closed. Also where ambient
  // mode was turned off, and this agent knows no ztunnel.
  if (e.entry.ambient() && alive && e.netns)
    if (Status s = programmer_.Remove(e.netns->get(), e.entry.config); !s.ok())
      Log(Level::kError, "the pod's rules could not be removed; start the pod again to take it out of the mesh",
          {{"pod", e.entry.Pod()}, {"error", s.error().message}});
  if (e.entry.ambient() && ambient_) ambient_->ztunnel.Delete(e.entry.pod_uid);
  if (Status s = journal_.Erase(e.entry.container_id); !s.ok())
    Log(Level::kWarn, "the journal entry of a pod that is gone was not removed; it is tried again",
        {{"pod", e.entry.Pod()}, {"error", s.error().message}});
  Mended(e.entry.pod_uid);
  Remember(alive ? "left the mesh" : "ended", e.entry);
  Log(Level::kInfo, alive ? "pod left the mesh" : "pod ended", {{"pod", e.entry.Pod()}, {"uid", e.entry.pod_uid}});
}

Status Enroller::Verify(int netns_fd, const redirect::PodConfig& config, const std::string& pod_uid) {
  auto known = journal_.FindPod(pod_uid);
  if (known && known->entry.found) {
    FL_ASSIGN(auto by, programmer_.Recognise(netns_fd, config));
    return by ? Status() : MakeError(Code::kNotFound, "the pod has no redirection rules");
  }
  return programmer_.Verify(netns_fd, config, known ? known->entry.backend : backend_);
}

// false: something differed and was put right.
bool Enroller::VerifyOne(const Enrolled& e) {
  JournalEntry entry = e.entry;
  bool found_before = entry.found;
  auto programmed = Program(entry, e.netns->get());
  if (!programmed.ok()) {
    Log(Level::kError, "the pod's rules could not be compared with what they should be; it is tried again",
        {{"pod", entry.Pod()}, {"error", programmed.error().message}});
    metrics_.Count("fairlead_agent_drift_failures_total", {}, 1, "Pods whose rules could not be put right");
    Remember("drift not repaired", entry, programmed.error().message);
    return true;
  }
  if (entry.found != found_before || entry.backend != e.entry.backend) (void)journal_.Put(entry, e.netns).ok();
  if (*programmed != Programmed::kWritten) return true;
  Log(Level::kWarn, "drift repaired: the pod's rules were not what they should be",
      {{"pod", entry.Pod()}, {"uid", entry.pod_uid}});
  metrics_.Count("fairlead_agent_drift_repaired_total", {}, 1, "Pods whose rules were put right");
  Remember("drift repaired", entry);
  std::lock_guard lock(mutex_);
  ++drift_;
  return false;
}

// Pods that were never brought in are in no journal: they end with their broken state.
void Enroller::ForgetBroken(const std::function<bool(const JournalEntry&)>& still_exists) {
  std::map<std::string, BrokenPod> broken;
  {
    std::lock_guard lock(mutex_);
    broken = broken_;
  }
  for (const auto& [uid, b] : broken)
    if (!journal_.FindPod(uid) && !still_exists(b.entry)) Mended(uid);
}

std::string Enroller::Broken() const {
  std::lock_guard lock(mutex_);
  if (broken_.empty()) return "";
  const auto& [entry, error] = broken_.begin()->second;
  return std::to_string(broken_.size()) + " without working rules: " + entry.Pod() + ": " + error;
}

int Enroller::VerifyAll(const std::function<bool(const JournalEntry&)>& still_exists) {
  int repaired = 0;
  std::map<std::string, int> enrolled{{"sidecar", 0}, {"ambient", 0}, {"unreachable", 0}};
  for (const Enrolled& e : journal_.List()) {
    if (!still_exists(e.entry)) {
      Unenrol(e, false);
      continue;
    }
    ++enrolled[!e.netns ? "unreachable" : e.entry.ambient() ? "ambient" : "sidecar"];
    if (e.netns && !VerifyOne(e)) ++repaired;
  }
  if (ambient_) {
    auto changed = ambient_->probes.Ensure();
    if (!changed.ok())
      Log(Level::kError,
          "the host's exemption for probes could not be checked: probes of ambient pods may fail; it is tried again",
          {{"error", changed.error().message}});
    for (const Enrolled& e : journal_.List())
      if (e.entry.ambient() && e.netns)
        if (auto addresses = AddressesIn(e.netns->get()); addresses.ok() && !addresses->empty())
          (void)ambient_->probes.Set(e.entry.pod_uid, *addresses).ok();
    // A pod is in the journal before it is in the set, so one that comes at this moment is not taken out.
    (void)ambient_->probes.KeepOnly([this](const std::string& uid) { return journal_.FindPod(uid).has_value(); }).ok();
  }
  for (const auto& [state, n] : enrolled)
    metrics_.Set("fairlead_agent_pods", {{"state", state}}, n, "Pods that this agent keeps, by state");
  ForgetBroken(still_exists);
  {
    std::lock_guard lock(mutex_);
    metrics_.Set("fairlead_agent_broken_pods", {}, static_cast<double>(broken_.size()),
                 "Pods of the mesh that have no working rules");
  }
  metrics_.Set("fairlead_agent_enrolled_pods", {}, enrolled["sidecar"] + enrolled["ambient"],
               "Pods whose redirection this agent keeps");
  return repaired;
}

std::vector<ZtunnelWorkload> Enroller::Workloads() const {
  std::vector<ZtunnelWorkload> out;
  for (const Enrolled& e : journal_.List())
    if (e.entry.ambient())
      out.push_back({e.entry.pod_uid, e.entry.pod_name, e.entry.pod_namespace, e.entry.service_account, e.netns});
  return out;
}

Json Enroller::Describe() const {
  Json pods = Json::array();
  for (const Enrolled& e : journal_.List())
    pods.push_back({{"pod", e.entry.Pod()},
                    {"uid", e.entry.pod_uid},
                    {"mode", e.entry.ambient() ? "ambient" : "sidecar"},
                    {"backend", redirect::BackendName(e.entry.backend)},
                    {"rules", e.entry.found ? "found" : "own"},
                    {"netns", e.netns ? e.entry.netns.ToString() : ""},
                    {"agentVersion", e.entry.agent_version}});
  std::lock_guard lock(mutex_);
  Json out = {{"version", config_.version},
              {"node", config_.node_name},
              {"backend", redirect::BackendName(backend_)},
              {"pods", pods},
              {"driftRepaired", drift_},
              {"events", events_}};
  out["ztunnels"] = ambient_ ? Json(ambient_->ztunnel.connected()) : Json();
  return out;
}

}  // namespace fairlead::agent
