#include "cmd/dashboard.h"

#include <thread>

#include "cmd/agent_facts.h"
#include "cmd/mesh_plan.h"
#include "mesh/caches.h"
#include "util/clock.h"
#include "util/fd.h"
#include "view/live_view.h"

namespace fairlead::cmd {
namespace {

constexpr Millis kBetweenQuestions{10000};
constexpr int kShare = 10;  // of the time, in which agents are asked

struct OwnCaches {
  explicit OwnCaches(kube::Api& api)
      : cnis(api, kube::kIstioCnis),
        istios(api, kube::kIstios),
        revisions(api, kube::kIstioRevisions),
        daemonsets(api, kube::kDaemonSets, "", {.label_selector = mesh::kOwned}),
        agents(api, kube::kPods, "", {.label_selector = mesh::kCniAgents}),
        nodes(api, kube::kNodes) {
    mesh::TrimAgents(agents);
    mesh::TrimNodes(nodes);
  }
  view::Sources sources() { return {cnis, istios, revisions, daemonsets, agents, nodes}; }

  kube::Informer cnis, istios, revisions, daemonsets, agents, nodes;
  const std::vector<kube::Informer*> all = {&cnis, &istios, &revisions, &daemonsets, &agents, &nodes};
};

// They end before what their handlers call.
struct Running {
  explicit Running(std::vector<kube::Informer*> all) : informers(std::move(all)) {
    for (kube::Informer* i : informers) i->Start();
  }
  ~Running() {
    for (kube::Informer* i : informers) i->Stop();
  }
  std::vector<kube::Informer*> informers;
};

// Asks the agents again and again which pods have no rules, as long as somebody looks.
class PodsWatch {
 public:
  PodsWatch(const kube::Config& config, const kube::Informer& agents) : config_(config), agents_(agents) {}

  void OnChange(std::function<void()> changed) { changed_ = std::move(changed); }  // before anybody looks
  void Watched(bool yes) {
    thread_ = yes ? std::jthread([this](std::stop_token stop) { Run(std::move(stop)); }) : std::jthread();
  }
  view::PodsReport Report() const {
    std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  void Run(std::stop_token stop) {
    while (true) {
      auto began = SteadyNow();
      view::PodsReport report{.asked = true, .agents = 0, .without = {}, .silent = {}};
      for (const AgentFacts& f : AskAgents(config_, Running())) {
        ++report.agents;
        report.without.insert(report.without.end(), f.broken.begin(), f.broken.end());
        if (!f.problem.empty()) report.silent.push_back(f.node + ": " + f.problem);
      }
      {
        std::lock_guard lock(mutex_);
        report_ = std::move(report);
      }
      changed_();
      auto took = std::chrono::duration_cast<Millis>(SteadyNow() - began);
      if (!SleepFor(std::max(kBetweenQuestions, took * kShare), stop)) return;
    }
  }
  std::vector<Json> Running() const {
    std::vector<Json> out;
    for (const auto& pod : agents_.List())
      if (value::Str(*pod, "status", "phase") == "Running" && !kube::IsDeleting(*pod)) out.push_back(*pod);
    return out;
  }

  kube::Config config_;
  const kube::Informer& agents_;
  std::function<void()> changed_;
  mutable std::mutex mutex_;  // guards report_
  view::PodsReport report_;
  std::jthread thread_;
};

}  // namespace

Status ShowDashboard(const kube::Config& config, uint16_t port, const std::stop_token& stop) {
  kube::Client client(config);
  OwnCaches caches(client);
  for (const kube::Informer* i : caches.all) FL_TRY(client.Raw({.target = i->resource().Path("") + "?limit=1"}));
  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  view::OneTimeSecret secret;
  PodsWatch pods(config, caches.agents);
  view::LiveView live_view(client, caches.sources(), catalog, secret,
                           {.report = [&] { return pods.Report(); }, .watched = [&](bool yes) { pods.Watched(yes); }});
  pods.OnChange([&] { live_view.Changed(); });
  Running running(caches.all);
  for (kube::Informer* i : caches.all)
    while (!i->WaitForSync(Millis(1000), stop))
      if (stop.stop_requested()) return {};
  FL_TRY(live_view.Start({.port = port}));
  printf(
      "The live view is at http://127.0.0.1:%u/?token=%s\n"
      "The address works once, for one browser. Ctrl-C ends the view.\n",
      live_view.port(), secret.secret().c_str());
  fflush(stdout);
  while (SleepFor(std::chrono::hours(1), stop)) {
  }
  return {};
}

}  // namespace fairlead::cmd
