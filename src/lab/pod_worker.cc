#include "lab/pod_worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "kernel/netns.h"
#include "kernel/nft.h"
#include "lab/images.h"
#include "lab/probe.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

// Runs a helper of ours to its end.
Status RunHelper(std::vector<std::string> args) {
  std::vector<std::string> argv = {"/proc/self/exe", "internal"};
  argv.insert(argv.end(), args.begin(), args.end());
  FL_ASSIGN(RunResult r, RunProgram(argv));
  if (r.exit_status != 0) return MakeError(Code::kInternal, args[0] + ": " + std::string(Trim(r.err)));
  return {};
}

int64_t WallMs() { return std::chrono::duration_cast<Millis>(WallNow().time_since_epoch()).count(); }

bool IsMeshPod(const Json& pod) { return kube::HasAnnotation(pod, "sidecar.istio.io/status"); }

}  // namespace

PodWorker::PodWorker(Node& node, ObjectPtr pod) : node_(node), pod_(std::move(pod)) {
  uid_ = kube::Uid(*pod_);
  ns_ = kube::Namespace(*pod_);
  name_ = kube::Name(*pod_);
  host_network_ = value::Bool(*pod_, "spec", "hostNetwork");
  for (const char* list : {"initContainers", "containers"})
    for (const Json& c : At(*pod_, "spec", list)) {
      RunningContainer rc;
      rc.spec = c;
      rc.init = std::string_view(list) == "initContainers";
      containers_.push_back(std::move(rc));
    }
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

PodWorker::~PodWorker() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void PodWorker::Observe(ObjectPtr pod) {
  if (!pod) {
    gone_ = true;
    return;
  }
  std::lock_guard lock(mutex_);
  pod_ = std::move(pod);
}

Json PodWorker::Pod() const {
  std::lock_guard lock(mutex_);
  return *pod_;
}

bool PodWorker::Deleting() const {
  std::lock_guard lock(mutex_);
  return gone_ || kube::IsDeleting(*pod_);
}

void PodWorker::Event(const char* type, const std::string& reason, const std::string& message) {
  node_.events_.Emit(Pod(), type, reason, message);
}

void PodWorker::Run(const std::stop_token& stop) {
  {
    std::lock_guard lock(node_.mutex_);
    node_.records_[uid_] = {ns_, name_, uid_, node_.config_.name, WallMs(), 0, 0, IsMeshPod(*pod_), std::nullopt, ""};
  }
  if (SetUpSandbox(stop)) {
    while (!stop.stop_requested() && !Deleting()) {
      bool alive = Step();
      WriteStatus();
      if (!alive) {
        while (!stop.stop_requested() && !Deleting()) SleepFor(Millis(50), stop);
        break;
      }
      SleepFor(Millis(20), stop);
    }
  }
  int64_t grace =
      stop.stop_requested() ? 0 : std::max<int64_t>(Int(Pod(), "metadata", "deletionGracePeriodSeconds"), 0);
  KillContainers(grace);
  if (stop.stop_requested()) return;  // the lab ends, and the kernel takes the namespaces away with it
  TearDown();
  if (!gone_)
    (void)node_.api_
        .Delete(kube::kPods, ns_, name_, {.uid = uid_, .resource_version = "", .propagation = "", .grace_seconds = 0})
        .ok();
  done_ = true;
}

// ---- sandbox

bool PodWorker::SetUpSandbox(const std::stop_token& stop) {
  while (!stop.stop_requested() && !Deleting()) {
    Status s = TrySandbox();
    if (s.ok()) {
      sandbox_ready_ = true;
      return true;
    }
    {
      std::lock_guard lock(node_.mutex_);
      ++node_.records_[uid_].sandbox_failures;
    }
    Event("Warning", "FailedCreatePodSandBox",
          "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"" +
              attachment_.container_id + "\": " + s.error().message);
    TearDown();
    WriteStatus();
    for (auto until = SteadyNow() + node_.config_.sandbox_retry; SteadyNow() < until && !Deleting();)
      if (!SleepFor(Millis(50), stop)) return false;
  }
  return false;
}

Status PodWorker::TrySandbox() {
  if (host_network_) {
    ip_ = node_.config_.ip;
    return {};
  }
  attachment_ = {RandomHex(64), "/var/run/netns/cni-" + RandomUuid(), ns_, name_, uid_, {}, {}};
  FL_TRY(RunHelper({"netns-add", std::to_string(node_.pid()), attachment_.netns_path}));
  netns_path_ = "/proc/" + std::to_string(node_.pid()) + "/root" + attachment_.netns_path;
  FL_TRY(CniChain(node_.pid()).Add(attachment_));
  std::string address = Str(attachment_.result, "ips", 0, "address");
  ip_ = address.substr(0, address.find('/'));
  if (ip_.empty()) return MakeError(Code::kInternal, "the CNI result has no address");
  std::lock_guard lock(node_.mutex_);
  node_.records_[uid_].netns_path = netns_path_;
  return {};
}

void PodWorker::TearDown() {
  if (attachment_.netns_path.empty()) return;
  if (Status s = CniChain(node_.pid()).Del(attachment_); !s.ok())
    Event("Warning", "FailedKillPodSandBox",
          "error killing pod: failed to destroy network for sandbox \"" + attachment_.container_id +
              "\": " + s.error().message);
  (void)RunHelper({"netns-del", std::to_string(node_.pid()), attachment_.netns_path}).ok();
  attachment_.netns_path.clear();
  netns_path_.clear();
}

// ---- containers

bool PodWorker::Step() {
  if (token_written_ && SteadyNow() - *token_written_ > node_.config_.token_lifetime * 4 / 5)
    if (Status s = RenewToken(); !s.ok())
      Log(Level::kWarn, "the token of a pod's account was not renewed; it is tried again",
          {{"pod", ns_ + "/" + name_}, {"error", s.error().message}});
  std::string policy = Str(Pod(), "spec", "restartPolicy");
  bool all_done = true, any_failed = false, init_pending = false;
  for (RunningContainer& c : containers_) {
    Reap(c);
    if (c.finished) {
      any_failed = any_failed || c.exit_code != 0;
      if (c.init && c.exit_code != 0) break;
      continue;
    }
    all_done = false;
    if (!c.init && init_pending) continue;
    if (c.init) {
      if (init_pending) continue;
      init_pending = true;  // the next ones wait for this one
    }
    if (c.pid == 0 && SteadyNow() >= c.next_start) StartContainer(c);
    if (c.pid != 0 && !c.init) Probe(c);
  }
  if (all_done && policy != "Always") {
    phase_ = any_failed ? "Failed" : "Succeeded";
    return false;
  }
  bool started = std::any_of(containers_.begin(), containers_.end(), [](const auto& c) {
    return !c.init && (c.pid != 0 || c.restarts > 0 || !c.started_at.empty());
  });
  phase_ = started ? "Running" : "Pending";
  return true;
}

void PodWorker::StartContainer(RunningContainer& c) {
  auto back_off = [&](const std::string& waiting, const std::string& message) {
    c.waiting = waiting;
    c.waiting_message = message;
    c.next_start = SteadyNow() + std::chrono::seconds(std::min(300, 5 << std::min(c.restarts, 6)));
  };
  std::string name = Str(c.spec, "name"), image = Str(c.spec, "image");
  auto found = FindImage(node_.config_.images_dir, image);
  if (!found.ok()) {
    Event("Warning", "Failed", "Failed to pull image \"" + image + "\": " + found.error().message);
    bool again = c.waiting == "ErrImagePull" || c.waiting == "ImagePullBackOff";
    back_off(again ? "ImagePullBackOff" : "ErrImagePull", found.error().message);
    c.next_start = SteadyNow() + std::chrono::seconds(5);
    return;
  }
  c.image_id = found->path;
  PodOnNode here = Here();
  auto spec = PlanContainer(here, c.spec);
  Status token = spec.ok() && HasToken(here) ? RenewToken() : Status();
  if (!spec.ok() || !token.ok()) {
    std::string message = spec.ok() ? token.error().message : spec.error().message;
    Event("Warning", "Failed", "Error: " + message);
    back_off("CreateContainerConfigError", message);
    c.next_start = SteadyNow() + std::chrono::seconds(2);
    return;
  }
  if (!c.init && c.restarts == 0 && !host_network_) {
    // What a user of the mesh is promised: the rules are there before the first container starts.
    bool rules = false;
    if (auto fd = kernel::OpenNetns(netns_path_); fd.ok())
      rules = kernel::RunInNetns(fd->get(), [] {
                for (const char* of :
                     {"table inet istio-proxy-nat", "table inet istio-ambient-nat", "chain ip nat ISTIO_OUTPUT"})
                  if (kernel::NftListJson(std::string("list ") + of).ok()) return Status();
                return Status(MakeError(Code::kNotFound, "none of istio's tables"));
              }).ok();
    std::lock_guard lock(node_.mutex_);
    auto& record = node_.records_[uid_];
    bool first = std::none_of(containers_.begin(), containers_.end(),
                              [](const auto& o) { return !o.init && !o.started_at.empty(); });
    if (first) record.rules_before_start = rules;
  }
  c.id = RandomHex(64);
  std::string spec_file = node_.config_.state_dir + "/specs/" + c.id + ".json", log = node_.LogPath(Pod(), name);
  (void)MakeDirectories(log.substr(0, log.rfind('/'))).ok();
  (void)WriteFileAtomic(spec_file, value::Dump(ToJson(*spec)), 0600).ok();
  UniqueFd out(::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644));
  auto pid = SpawnInternal({"container", spec_file}, out.get(), out.get());
  if (!pid.ok()) return back_off("RunContainerError", pid.error().message);
  {
    std::lock_guard lock(mutex_);
    c.pid = *pid;
  }
  c.waiting.clear();
  c.started_at = Rfc3339(WallNow());
  c.start_time = c.next_probe = SteadyNow();
  c.successes = c.failures = c.liveness_failures = 0;
  c.started = At(c.spec, "startupProbe").is_null();
  c.ready = !c.init && At(c.spec, "readinessProbe").is_null();
  Event("Normal", "Started", "Started container " + name);
}

PodOnNode PodWorker::Here() {
  return {node_.config_, node_.pid(), node_.api_, node_.tokens_, Pod(), ip_, attachment_.netns_path};
}

Status PodWorker::RenewToken() {
  token_written_ = SteadyNow();
  return WriteToken(Here());
}

void PodWorker::Reap(RunningContainer& c) {
  if (c.pid == 0) return;
  int status = 0;
  if (::waitpid(c.pid, &status, WNOHANG) != c.pid) return;
  {
    std::lock_guard lock(mutex_);
    c.pid = 0;
  }
  c.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  c.finished_at = Rfc3339(WallNow());
  c.ready = false;
  c.last_terminated = {{"exitCode", c.exit_code},
                       {"reason", c.exit_code == 0 ? "Completed" : "Error"},
                       {"startedAt", c.started_at},
                       {"finishedAt", c.finished_at},
                       {"containerID", "lab://" + c.id}};
  std::string policy = Str(Pod(), "spec", "restartPolicy");
  if (c.init ? c.exit_code == 0 : (policy == "Never" || (policy == "OnFailure" && c.exit_code == 0))) {
    c.finished = true;
    return;
  }
  if (c.init && policy == "Never") {
    c.finished = true;
    return;
  }
  // A container that ran for ten minutes starts again at once; others wait 10 s, doubling to five minutes. The first
  // restart is immediate, as kubelet's.
  if (SteadyNow() - c.start_time > std::chrono::minutes(10)) c.restarts = 0;
  auto pause = c.restarts == 0 ? Millis(0) : Millis(10000) * (1 << std::min(c.restarts - 1, 5));
  ++c.restarts;
  c.next_start = SteadyNow() + std::min(pause, Millis(300000));
  c.waiting = pause.count() > 0 ? "CrashLoopBackOff" : "ContainerCreating";
  c.waiting_message = "back-off " + std::to_string(pause.count() / 1000) +
                      "s restarting failed container=" + Str(c.spec, "name") + " pod=" + name_ + "_" + ns_ + "(" +
                      uid_ + ")";
  if (pause.count() > 0)
    Event("Warning", "BackOff",
          "Back-off restarting failed container " + Str(c.spec, "name") + " in pod " + name_ + "_" + ns_ + "(" + uid_ +
              ")");
}

// ---- probes

void PodWorker::Probe(RunningContainer& c) {
  if (SteadyNow() < c.next_probe) return;
  bool starting = !c.started;
  const Json& probe = starting                                  ? At(c.spec, "startupProbe")
                      : !At(c.spec, "readinessProbe").is_null() ? At(c.spec, "readinessProbe")
                                                                : At(c.spec, "livenessProbe");
  if (!probe.is_object()) {
    c.next_probe = SteadyNow() + std::chrono::hours(1);
    return;
  }
  auto delay = std::chrono::seconds(Int(probe, "initialDelaySeconds"));
  if (SteadyNow() - c.start_time < delay) {
    c.next_probe = c.start_time + delay;
    return;
  }
  const ProbeTarget target{node_.pid(), ip_, c.spec, c.pid};
  Status result = RunProbe(probe, target);
  // kubelet probes a container that is not ready yet as soon as it starts; until then the lab asks more often than the
  // period.
  bool settled = c.ready || SteadyNow() - c.start_time > std::chrono::seconds(10);
  c.next_probe = SteadyNow() + (settled ? Millis(1000 * value::AsInt(At(probe, "periodSeconds"), 10)) : Millis(200));
  c.successes = result.ok() ? c.successes + 1 : 0;
  c.failures = result.ok() ? 0 : c.failures + 1;
  bool passed = c.successes >= std::max<int64_t>(1, Int(probe, "successThreshold")),
       failed = c.failures >= value::AsInt(At(probe, "failureThreshold"), 3);
  if (starting) {
    if (passed) c.started = true;
  } else if (!At(c.spec, "readinessProbe").is_null()) {
    if (passed) c.ready = true;
    if (failed) {
      if (c.ready) Event("Warning", "Unhealthy", "Readiness probe failed: " + result.error().message);
      c.ready = false;
    }
  }
  const Json& liveness = At(c.spec, "livenessProbe");
  if (c.started && liveness.is_object()) {
    Status alive = RunProbe(liveness, target);
    c.liveness_failures = alive.ok() ? 0 : c.liveness_failures + 1;
    if (c.liveness_failures >= value::AsInt(At(liveness, "failureThreshold"), 3)) {
      Event("Warning", "Unhealthy", "Liveness probe failed: " + alive.error().message);
      ::kill(c.pid, SIGKILL);
    }
  }
}

void PodWorker::KillContainers(int64_t grace_seconds) {
  for (RunningContainer& c : containers_)
    if (c.pid != 0) ::kill(c.pid, SIGTERM);
  auto running = [&] {
    for (RunningContainer& c : containers_) Reap(c);
    return std::any_of(containers_.begin(), containers_.end(), [](const auto& c) { return c.pid != 0; });
  };
  auto until = SteadyNow() + std::chrono::seconds(grace_seconds);
  while (running() && SteadyNow() < until && !gone_) std::this_thread::sleep_for(Millis(20));
  for (RunningContainer& c : containers_) {
    if (c.pid == 0) continue;
    ::kill(c.pid, SIGKILL);
    int status;
    ::waitpid(c.pid, &status, 0);
    std::lock_guard lock(mutex_);
    c.pid = 0;
  }
}

Status PodWorker::Signal(const std::string& container, int signal) {
  std::lock_guard lock(mutex_);
  for (RunningContainer& c : containers_) {
    if (Str(c.spec, "name") != container || c.pid == 0) continue;
    if (signal != SIGKILL) {
      ::kill(c.pid, signal);
      return {};
    }
    // kill -9 is for the program itself: the launcher's only child.
    auto children = ReadFile("/proc/" + std::to_string(c.pid) + "/task/" + std::to_string(c.pid) + "/children", 4096);
    auto pids = SplitNonEmpty(children.value_or(""), ' ');
    if (pids.empty()) return MakeError(Code::kNotFound, "container " + container + " has no process");
    ::kill(static_cast<pid_t>(ParseInt(pids[0]).value_or(0)), SIGKILL);
    return {};
  }
  return MakeError(Code::kNotFound, "container " + container + " does not run");
}

// ---- status

void PodWorker::WriteStatus() {
  auto status_of = [](const RunningContainer& c) {
    Json state;
    if (c.pid != 0)
      state = {{"running", {{"startedAt", c.started_at}}}};
    else if (c.finished)
      state = {{"terminated", c.last_terminated}};
    else
      state = {{"waiting", {{"reason", c.waiting}}}};
    if (state.contains("waiting") && !c.waiting_message.empty()) state["waiting"]["message"] = c.waiting_message;
    Json s = {{"name", Str(c.spec, "name")},
              {"image", Str(c.spec, "image")},
              {"imageID", c.image_id},
              {"ready", c.init ? c.finished && c.exit_code == 0 : c.pid != 0 && c.ready && c.started},
              {"started", c.pid != 0 && c.started},
              {"restartCount", c.restarts},
              {"state", state},
              {"lastState", Json::object()}};
    if (!c.id.empty()) s["containerID"] = "lab://" + c.id;
    if (!c.last_terminated.is_null() && !c.finished) s["lastState"] = {{"terminated", c.last_terminated}};
    return s;
  };
  Json init = Json::array(), main = Json::array();
  bool ready = sandbox_ready_, initialized = true;
  for (const RunningContainer& c : containers_) {
    (c.init ? init : main).push_back(status_of(c));
    if (c.init)
      initialized = initialized && c.finished && c.exit_code == 0;
    else
      ready = ready && c.pid != 0 && c.ready && c.started;
  }
  std::string now = Rfc3339(WallNow());
  Json conditions = Json::array();
  for (const auto& [type, yes] :
       std::vector<std::pair<std::string, bool>>{{"PodReadyToStartContainers", sandbox_ready_},
                                                 {"Initialized", initialized},
                                                 {"Ready", ready},
                                                 {"ContainersReady", ready},
                                                 {"PodScheduled", true}}) {
    std::string text = yes ? "True" : "False";
    if (std::exchange(condition_status_[type], text) != text) condition_since_[type] = now;
    Json c = {
        {"type", type}, {"status", text}, {"lastProbeTime", nullptr}, {"lastTransitionTime", condition_since_[type]}};
    if (!yes && (type == "Ready" || type == "ContainersReady")) c["reason"] = "ContainersNotReady";
    conditions.push_back(c);
  }
  Json status = {{"phase", phase_},
                 {"conditions", conditions},
                 {"hostIP", node_.config_.ip},
                 {"containerStatuses", main},
                 {"qosClass", "Burstable"}};
  if (!init.empty()) status["initContainerStatuses"] = init;
  if (!ip_.empty()) {
    status["podIP"] = ip_;
    status["podIPs"] = {{{"ip", ip_}}};
  }
  std::string text = value::Dump(status);
  if (text == last_status_) return;
  auto written = node_.api_.UpdateStatus(kube::kPods, ns_, name_, [&](Json& s) {
    std::string started = Str(s, "startTime");
    s = status;
    s["startTime"] = started.empty() ? now : started;
  });
  if (!written.ok()) return;
  last_status_ = text;
  std::lock_guard lock(node_.mutex_);
  auto& record = node_.records_[uid_];
  if (ready && record.ready_ms == 0) record.ready_ms = WallMs();
}

}  // namespace fairlead::lab
