#include "lab/node.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "kernel/nft.h"
#include "lab/launcher.h"
#include "lab/pod_worker.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::lab {

using value::At;
using value::Str;

namespace {

std::string KernelVersion() {
  utsname u{};
  return ::uname(&u) == 0 ? u.release : "unknown";
}

}  // namespace

Node::Node(NodeConfig config, LocalApi& api, TokenAuthority& tokens)
    : config_(std::move(config)), api_(api), tokens_(tokens), events_(api, "kubelet") {}

Node::~Node() { Stop(); }

Status Node::Start() {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
    return ErrnoError("making the pipes to the worker of node " + config_.name, errno);
  UniqueFd in_read(in[0]), out_read(out[0]), out_write(out[1]);
  keep_alive_.reset(in[1]);
  std::string root = config_.state_dir + "/nodes/" + config_.name;
  FL_TRY(MakeDirectories(root));
  FL_ASSIGN(pid_, SpawnInternal({"node", root, config_.name, config_.cni_plugins_dir, config_.images_dir},
                                out_write.get(), -1, in_read.get()));
  out_write.reset();
  char buf[16];
  if (::read(out_read.get(), buf, sizeof buf) <= 0)
    return MakeError(Code::kInternal, "node " + config_.name + " could not be made; the lab needs root, and " +
                                          config_.cni_plugins_dir + " with bridge, host-local and loopback");
  Json bridge = {
      {"type", "bridge"},
      {"bridge", "cni0"},
      {"isGateway", true},
      {"hairpinMode", true},
      {"ipam",
       {{"type", "host-local"}, {"ranges", {{{{"subnet", config_.pod_cidr}}}}}, {"routes", {{{"dst", "0.0.0.0/0"}}}}}}};
  Json list = {{"name", "lab"}, {"cniVersion", "1.0.0"}, {"plugins", {bridge}}};
  return WriteFileAtomic("/proc/" + std::to_string(pid_) + "/root/etc/cni/net.d/10-lab.conflist",
                         value::DumpPretty(list) + "\n", 0600);
}

void Node::Register() {
  Json labels = {
      {"kubernetes.io/hostname", config_.name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", "amd64"}};
  (void)api_
      .Create(kube::kNodes, {{"metadata", {{"name", config_.name}, {"labels", labels}}},
                             {"spec", {{"podCIDR", config_.pod_cidr}, {"podCIDRs", {config_.pod_cidr}}}}})
      .ok();
  (void)api_.UpdateStatus(kube::kNodes, "", config_.name, [&](Json& s) { s = NodeStatus(config_.name, config_.ip); })
      .ok();
}

Json NodeStatus(const std::string& name, const std::string& ip) {
  std::string now = Rfc3339(WallNow());
  Json s;
  s["conditions"] = {{{"type", "Ready"},
                      {"status", "True"},
                      {"reason", "KubeletReady"},
                      {"message", "kubelet is posting ready status"},
                      {"lastTransitionTime", now},
                      {"lastHeartbeatTime", now}}};
  s["addresses"] = {{{"type", "InternalIP"}, {"address", ip}}, {{"type", "Hostname"}, {"address", name}}};
  // Generated clients refuse a node that lacks one of these.
  s["nodeInfo"] = {{"kubeletVersion", "v1.32.4"},
                   {"kubeProxyVersion", ""},
                   {"operatingSystem", "linux"},
                   {"architecture", "amd64"},
                   {"containerRuntimeVersion", "lab://1.0"},
                   {"osImage", "Fairlead lab"},
                   {"kernelVersion", KernelVersion()},
                   {"machineID", name},
                   {"systemUUID", name},
                   {"bootID", name}};
  return s;
}

void Node::Run() {
  Register();
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

void Node::Loop(const std::stop_token& stop) {
  uint64_t seen = 0;
  while (!stop.stop_requested()) {
    uint64_t now = api_.store().version();
    std::map<std::string, ObjectPtr> mine;
    for (const auto& pod : api_.store().List("/pods"))
      if (Str(*pod, "spec", "nodeName") == config_.name) mine[kube::Uid(*pod)] = pod;
    {
      std::vector<std::unique_ptr<PodWorker>> ended;
      std::lock_guard lock(mutex_);
      for (auto it = workers_.begin(); it != workers_.end();) {
        auto found = mine.find(it->first);
        it->second->Observe(found == mine.end() ? nullptr : found->second);
        if (it->second->done()) {
          ended.push_back(std::move(it->second));
          it = workers_.erase(it);
        } else {
          ++it;
        }
      }
      for (const auto& [uid, pod] : mine) {
        std::string phase = Str(*pod, "status", "phase");
        bool over = phase == "Succeeded" || phase == "Failed";
        if (!workers_.contains(uid) && !records_.contains(uid) && !over)
          workers_[uid] = std::make_unique<PodWorker>(*this, pod);
      }
    }
    seen = std::max(seen, now);
    api_.store().WaitForAny(seen, Millis(100));
  }
}

void Node::Stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  std::map<std::string, std::unique_ptr<PodWorker>> workers;
  {
    std::lock_guard lock(mutex_);
    workers.swap(workers_);
  }
  for (auto& [uid, worker] : workers) worker->RequestStop();
  workers.clear();
  keep_alive_.reset();
  if (pid_ > 0) {
    int status;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
  }
}

std::vector<PodRecord> Node::Records() const {
  std::lock_guard lock(mutex_);
  std::vector<PodRecord> out;
  for (const auto& [uid, r] : records_) out.push_back(r);
  return out;
}

Result<std::string> Node::Ruleset(const std::string& pod_uid) const {
  std::string path;
  {
    std::lock_guard lock(mutex_);
    auto it = workers_.find(pod_uid);
    if (it != workers_.end()) path = it->second->netns_path();
  }
  if (path.empty()) return MakeError(Code::kNotFound, "pod " + pod_uid + " does not run on node " + config_.name);
  FL_ASSIGN(UniqueFd fd, kernel::OpenNetns(path));
  Result<std::string> out = std::string();
  FL_TRY(kernel::RunInNetns(fd.get(), [&]() -> Status {
    out = kernel::NftListJson("list ruleset");
    return {};
  }));
  return out;
}

Status Node::Signal(const std::string& ns, const std::string& pod, const std::string& container, int signal) const {
  std::lock_guard lock(mutex_);
  for (const auto& [uid, worker] : workers_) {
    auto it = records_.find(uid);
    if (it != records_.end() && it->second.ns == ns && it->second.name == pod) return worker->Signal(container, signal);
  }
  return MakeError(Code::kNotFound, "pod " + ns + "/" + pod + " does not run on node " + config_.name);
}

std::string Node::LogPath(const Json& pod, const std::string& container) const {
  return config_.state_dir + "/logs/" + kube::Namespace(pod) + "_" + kube::Name(pod) + "_" + kube::Uid(pod) + "/" +
         container + ".log";
}

}  // namespace fairlead::lab
