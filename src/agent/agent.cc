#include "agent/agent.h"

#include <set>

#include "agent/backend_choice.h"
#include "agent/handover.h"
#include "agent/installer.h"
#include "agent/plugin_service.h"
#include "agent/pod_reconciler.h"
#include "controller/events.h"
#include "controller/health.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/strings.h"

namespace fairlead::agent {
namespace {

constexpr Millis kVerifyPeriod{30000};
constexpr Millis kVerifyBrokenPeriod{2000};
// Longer than anything takes that an agent writes for one pod.
constexpr Millis kDrainTime{4000};

// Why the agent is not ready; the first non-empty reason is shown on /readyz.
class Readiness {
 public:
  void Set(const std::string& part, const std::string& why) {
    std::lock_guard lock(mutex_);
    why_[part] = why;
  }
  std::string NotReady() const {
    std::lock_guard lock(mutex_);
    for (const auto& [part, why] : why_)
      if (!why.empty()) return part + ": " + why;
    return "";
  }

 private:
  mutable std::mutex mutex_;  // guards why_
  std::map<std::string, std::string> why_{{"installation", "not done yet"},
                                          {"plugin socket", "not served yet"},
                                          {"pods", "not compared with the kernel yet"}};
};

// True only when the API server says that the DaemonSet is gone or going. A doubt means: this is no uninstall.
bool IsUninstall(kube::Api& api, const Config& config) {
  auto ds = api.Get(kube::kDaemonSets, config.pod_namespace, "istio-cni-node");
  if (!ds.ok()) {
    Log(Level::kInfo, "looked whether this is an uninstall", {{"answer", ds.error().message}});
    return ds.error().code == Code::kNotFound;
  }
  return kube::IsDeleting(*ds);
}

// The parts of a serving agent and the order in which they start, hand over, take up again and end.
class Agent {
 public:
  Agent(const Config& config, kube::Api& api, controller::Metrics& metrics)
      : config_(config),
        api_(api),
        metrics_(metrics),
        pods_(api, config.node_name),
        journal_(config.run_dir + "/journal") {}
  // The informers call what is made after them, and goes before them.
  ~Agent() {
    pods_.informer().Stop();
    if (namespaces_) namespaces_->Stop();
  }

  Status Run(const std::stop_token& stop) {
    FL_ASSIGN(auto health, controller::ServeHealth("0.0.0.0", static_cast<uint16_t>(config_.health_port), nullptr,
                                                   [&] { return readiness_.NotReady(); }));
    std::unique_ptr<http::Server> monitoring;
    if (config_.monitoring_port > 0) {
      FL_ASSIGN(monitoring, controller::ServeHealth("0.0.0.0", static_cast<uint16_t>(config_.monitoring_port),
                                                    &metrics_, [&] { return readiness_.NotReady(); }));
    }
    FL_TRY(MakeDirectories(config_.run_dir, 0755));
    FL_TRY(Build());
    FL_TRY(TakeNode(stop));
    if (stop.stop_requested()) return {};
    std::jthread keeper([&](std::stop_token s) {
      installer_.Keep(
          [&](const std::string& problem) {
            readiness_.Set("installation", problem);
            metrics_.Set("istio_cni_install_ready", {}, problem.empty(),
                         "Whether the CNI plugin installation is ready");
          },
          s);
    });
    KeepTrue(stop);
    keeper.request_stop();
    keeper.join();
    return End();
  }

 private:
  Status Build() {
    auto host = kernel::OpenNetns(config_.host_netns);
    if (!host.ok() && config_.ambient.enabled)
      return host.error().Wrap("the host's network namespace, which ambient mode needs");
    redirect::BackendKind backend = ChooseBackend(config_, host.ok() ? host->get() : -1);
    if (config_.ambient.enabled) {
      const auto& settings = config_.ambient.settings;
      probes_.emplace(std::move(*host), settings.probe_address, settings.probe_address6);
      namespaces_.emplace(api_, kube::kNamespaces);
      ztunnel_.emplace([this] { return enroller_->Workloads(); }, metrics_);
      ambient_.emplace(Ambient{settings, *namespaces_, *ztunnel_, *probes_});
    }
    enroller_.emplace(config_, pods_, journal_, programmer_, metrics_, backend, ambient_ ? &*ambient_ : nullptr);
    reconciler_.emplace(config_, api_, pods_.informer(), namespaces_ ? &*namespaces_ : nullptr, *enroller_, metrics_);
    service_.emplace(config_, *enroller_, metrics_, [this](const std::string& pod) { reconciler_->Enqueue(pod); });
    reconciler_->Watch();
    reconciler_->Start();
    pods_.informer().Start();
    if (namespaces_) namespaces_->Start();
    server_.emplace(http::ServerOptions{.max_header_bytes = 16 << 10,
                                        .max_body_bytes = 1 << 20,
                                        .request_timeout = Millis(10000),
                                        .max_connections = 512},
                    [this](http::Request& r, http::ResponseWriter& w) { service_->Handle(r, w); });
    return {};
  }

  bool Synced(Millis timeout, const std::stop_token& stop) {
    return pods_.informer().WaitForSync(timeout, stop) && (!namespaces_ || namespaces_->WaitForSync(timeout, stop));
  }

  // From here on this agent serves the node; the one before, if any, does not any more.
  Status TakeNode(const std::stop_token& stop) {
    auto handover = HandoverClient::Begin(config_.run_dir, config_.version, journal_);
    Log(Level::kInfo, handover.ok() ? "taking over from a running agent" : "no agent to take over from",
        {{"old", handover.ok() ? (*handover)->old_version() : handover.error().message},
         {"version", config_.version},
         {"node", config_.node_name}});
    FL_TRY(journal_.Load(config_.netns_dir));
    UniqueFd listener, ztunnel_listener;
    std::vector<UniqueFd> ztunnels;
    if (handover.ok()) {
      // The old agent serves until this one can do everything: files in place, pods known.
      readiness_.Set("plugin socket", "the old agent still serves; waiting for this one's pod cache");
      while (!stop.stop_requested() && !Synced(Millis(500), stop)) {
      }
      for (Status s = installer_.Install(); !s.ok() && !stop.stop_requested(); s = installer_.Install()) {
        readiness_.Set("installation", s.error().message);
        Log(Level::kWarn,
            "the plugin is not completely installed on this node; it is tried again, and new pods of the mesh wait",
            {{"error", s.error().message}});
        if (!SleepFor(Millis(500), stop)) break;
      }
      if (stop.stop_requested()) return {};
      auto taken = (*handover)->Take();
      if (!taken.ok()) Log(Level::kWarn, "the old agent ended during the handover", {{"error", taken.error().message}});
      if (taken.ok()) ztunnels = std::move(*taken);
      FL_TRY(journal_.Refresh(config_.netns_dir));
      listener = (*handover)->TakeListener();
      ztunnel_listener = (*handover)->TakeZtunnelListener();
      handover_ = std::move(*handover);
    } else {
      FL_ASSIGN(listener, ListenUnix(config_.run_dir + "/" + cni::kAgentSocket, SocketKind::kStream, 0600));
    }
    FL_ASSIGN(plugin_listener_, listener.Duplicate());
    FL_TRY(server_->AddListener(std::move(listener)));
    readiness_.Set("plugin socket", "");
    if (ambient_) FL_TRY(ServeZtunnel(std::move(ztunnel_listener), std::move(ztunnels), stop));
    Serving serving{plugin_listener_.get(), ztunnel_listener_.get(), [this] { return Release(); },
                    [this] { Resume(); }};
    handover_server_.emplace(config_.run_dir, config_.version, journal_, std::move(serving));
    FL_TRY(handover_server_->Start());
    reconciler_->Pause(false);
    return {};
  }

  // ztunnel drops every pod that its first snapshot lacks, so that must be complete: with the pods that ran before
  // their agent. Where a journal says that an agent has done that already, nothing is waited for.
  Status ServeZtunnel(UniqueFd listener, std::vector<UniqueFd> connections, const std::stop_token& stop) {
    const std::string done = config_.run_dir + "/journal/complete";
    readiness_.Set("ztunnel", "the pods that ran before are not brought in yet");
    FL_ASSIGN(bool made, probes_->Ensure());
    if (made) Log(Level::kInfo, "the host's exemption for probes was made");
    if (!ReadFile(done, 16).ok()) {
      while (!stop.stop_requested() && !Synced(Millis(500), stop)) {
      }
      if (stop.stop_requested()) return {};
      reconciler_->AdoptAll();
      FL_TRY(WriteFileAtomic(done, "1\n", 0600));
    }
    if (!listener.valid()) {
      std::string path = config_.ambient.ztunnel_socket;
      FL_TRY(MakeDirectories(path.substr(0, path.rfind('/')), 0755));
      FL_ASSIGN(listener, ListenUnix(path, SocketKind::kSeqPacket, 0600));
    }
    FL_ASSIGN(ztunnel_listener_, listener.Duplicate());
    ztunnel_->Start(std::move(listener), std::move(connections));
    readiness_.Set("ztunnel", "");
    return {};
  }

  // The journal is complete when this returns: whatever had begun is written, and nothing begins.
  std::vector<UniqueFd> Release() {
    service_->Drain(true);
    server_->Pause();
    auto connections = ztunnel_ ? ztunnel_->Release() : std::vector<UniqueFd>();
    if (!server_->WaitForAnswers(kDrainTime))
      Log(Level::kWarn, "requests are still going on while another agent takes over");
    reconciler_->Pause(true);
    return connections;
  }

  void Resume() {
    if (Status s = journal_.Refresh(config_.netns_dir); !s.ok())
      Log(Level::kError,
          "the journal could not be read after another agent had served; pods are looked for by their addresses",
          {{"error", s.error().message}});
    if (ztunnel_)
      if (auto again = ztunnel_listener_.Duplicate(); again.ok()) ztunnel_->Start(std::move(*again));
    service_->Drain(false);
    server_->Resume();
    reconciler_->Pause(false);
  }

  // After a start everything is compared with the kernel once; then periodically. An agent that cannot give the pods
  // that it took over their rules does not become ready, so an update goes no further than its node. A pod that is gone
  // from the cache but was enrolled a moment ago is kept until the next round.
  void KeepTrue(const std::stop_token& stop) {
    std::set<std::string> missing_before;
    std::string told;
    while (!stop.stop_requested()) {
      if (!pods_.informer().WaitForSync(Millis(1000), stop)) continue;
      std::string broken;
      if (!handover_server_->handed_over()) {
        std::set<std::string> missing;
        enroller_->VerifyAll([&](const JournalEntry& e) {
          auto pod = pods_.informer().Get(kube::Key(e.pod_namespace, e.pod_name));
          if (pod && kube::Uid(*pod) == e.pod_uid) return true;
          missing.insert(e.pod_uid);
          return !missing_before.contains(e.pod_uid);
        });
        missing_before = std::move(missing);
        broken = enroller_->Broken();
      }
      readiness_.Set("pods", broken);
      if (!broken.empty() && broken != told) Tell(broken);
      told = broken;
      DropTextPages();
      SleepFor(broken.empty() ? kVerifyPeriod : kVerifyBrokenPeriod, stop);
    }
  }

  // As an Event of this agent's own pod, where people look when it is not ready.
  void Tell(const std::string& problem) {
    auto cached = pods_.informer().Get(kube::Key(config_.pod_namespace, config_.pod_name));
    if (!cached) return;
    Json self = *cached;
    self["apiVersion"] = "v1";
    self["kind"] = "Pod";
    events_.Emit(self, "Warning", "PodsNotRedirected", problem);
  }

  Status End() {
    bool handed_over = handover_server_->handed_over();
    server_->Stop(Millis(5000));
    handover_server_->Stop();
    reconciler_->Stop();
    if (ztunnel_) ztunnel_->Stop();
    if (!handed_over && IsUninstall(api_, config_)) {
      FL_TRY(installer_.Uninstall());
      if (probes_) FL_TRY(probes_->Uninstall());
    }
    Log(Level::kInfo, "agent ended", {{"handed_over", handed_over}});
    return {};
  }

  const Config& config_;
  kube::Api& api_;
  controller::Metrics& metrics_;
  controller::EventRecorder events_{api_, "istio-cni-node"};
  Readiness readiness_;
  CachedPods pods_;
  Journal journal_;
  redirect::Programmer programmer_;
  Installer installer_{config_, metrics_};
  std::optional<redirect::HostProbes> probes_;
  std::optional<kube::Informer> namespaces_;
  std::optional<ZtunnelServer> ztunnel_;
  std::optional<Ambient> ambient_;
  std::optional<Enroller> enroller_;
  std::optional<PodReconciler> reconciler_;
  std::optional<PluginService> service_;
  std::optional<http::Server> server_;
  UniqueFd plugin_listener_, ztunnel_listener_;
  std::unique_ptr<HandoverClient> handover_;  // its open connection tells the old agent that this one lives
  std::optional<HandoverServer> handover_server_;
};

}  // namespace

Status RunAgent(const Config& config, kube::Api& api, controller::Metrics& metrics, std::stop_token stop) {
  return Agent(config, api, metrics).Run(stop);
}

}  // namespace fairlead::agent
