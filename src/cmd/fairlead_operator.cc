// The operator: reconciles IstioCNI, Istio, IstioRevision, IstioRevisionTag and ZTunnel.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cmd/limits.h"
#include "cmd/signals.h"
#include "cmd/version.h"
#include "controller/health.h"
#include "controller/leader_election.h"
#include "embedded/catalog.h"
#include "embedded/charts.h"
#include "embedded/profiles.h"
#include "kube/client.h"
#include "mesh/istio.h"
#include "mesh/istiocni.h"
#include "mesh/istiorevision.h"
#include "mesh/istiorevisiontag.h"
#include "mesh/ztunnel.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"
#include "view/live_view.h"

namespace {

using namespace fairlead;

struct Flags {
  std::string config_file = "/etc/sail-operator/config.properties";
  std::string kubeconfig, catalog_file, hub, mesh_hub, chart_dir, resource_dir,
      log_level = "info", ns, health = "0.0.0.0:8081", metrics = "0.0.0.0:8443", view = "127.0.0.1:8090";
  bool leader_elect = true, log_json = false;
};

Result<std::pair<std::string, uint16_t>> ParseAddress(const std::string& text) {
  size_t colon = text.rfind(':');
  auto port = ParseInt(colon == text.npos ? "" : text.substr(colon + 1));
  if (!port.ok() || *port < 1 || *port > 65535)
    return MakeError(Code::kInvalid, "\"" + text + "\" is not an address of the form HOST:PORT");
  return std::pair(text.substr(0, colon), static_cast<uint16_t>(*port));
}

// Waits for an API server that answers.
Result<mesh::ClusterFacts> WaitForCluster(kube::Client& client, const std::stop_token& stop) {
  while (true) {
    auto facts = mesh::LookAtCluster(client);
    if (facts.ok()) return facts;
    Log(Level::kWarn, "the API server does not say yet what this cluster is; it is asked again",
        {{"error", facts.error().message}});
    if (!SleepFor(Millis(2000), stop)) return facts;
  }
}

Result<mesh::OperatorConfig> LoadOperatorConfig(const Flags& flags, mesh::ClusterFacts cluster) {
  mesh::OperatorConfig config;
  config.cluster = std::move(cluster);
  std::string catalog = embedded::catalog().at("versions.yaml");
  if (!flags.catalog_file.empty()) {
    FL_ASSIGN(catalog, ReadFile(flags.catalog_file, 4 << 20));
  }
  FL_ASSIGN(config.catalog,
            mesh::Catalog::Parse(catalog, flags.catalog_file.empty() ? "version catalogue" : flags.catalog_file));
  if (!flags.hub.empty()) config.catalog.SetHub(flags.hub);
  if (!flags.mesh_hub.empty()) config.catalog.SetMeshHub(flags.mesh_hub);
  if (FileExists(flags.config_file)) {
    FL_ASSIGN(std::string properties, ReadFile(flags.config_file, 1 << 20));
    for (const std::string& key : config.catalog.SetImages(properties))
      Log(Level::kWarn,
          "an image is named for a version or component that is not known; versions.yaml has the versions, and "
          "components are cni, istiod, proxy and ztunnel",
          {{"file", flags.config_file}, {"key", key}});
  }
  mesh::Resources builtin;
  builtin.profiles = embedded::profiles();
  FL_TRY(mesh::LoadCharts(embedded::charts(), builtin));
  if (!flags.chart_dir.empty()) {
    FL_ASSIGN(chart::Chart chart, chart::Load(flags.chart_dir));
    builtin.Set("cni", std::move(chart));
  }
  builtin.platform = config.cluster.platform;
  config.resources = mesh::ResourceSet(std::move(builtin), flags.resource_dir);
  return config;
}

// Calls `lead` while this process leads, or at once where there is no election.
Status Lead(kube::Client& client, const Flags& flags, const std::string& ns,
            const std::function<void(std::stop_token)>& lead, const std::stop_token& stop) {
  if (!flags.leader_elect) {
    lead(stop);
    return {};
  }
  const char* pod = getenv("POD_NAME");
  char host[256] = "operator";
  ::gethostname(host, sizeof host - 1);
  return controller::RunAsLeader(
      client,
      {.ns = ns, .name = "sail-operator-lock", .identity = (pod ? std::string(pod) : host) + "_" + RandomUuid()}, lead,
      stop);
}

Status Run(const Flags& flags, const std::stop_token& stop) {
  FL_ASSIGN(kube::Config kube_config, kube::LoadConfig(flags.kubeconfig));
  kube_config.http.user_agent = std::string("fairlead-operator/") + cmd::kComponentVersion;
  controller::Metrics metrics;
  controller::CountRequests(kube_config, metrics);
  kube::Client client(kube_config);
  kube::DiscoveryMapper mapper(client);
  std::atomic<bool> started{false};
  std::vector<std::unique_ptr<http::Server>> servers;
  for (const std::string& text : {flags.health, flags.metrics}) {
    if (text.empty() || text == "0") continue;
    FL_ASSIGN(auto address, ParseAddress(text));
    FL_ASSIGN(auto server,
              controller::ServeHealth(address.first, address.second, text == flags.metrics ? &metrics : nullptr,
                                      [&] { return started ? "" : "starting"; }));
    servers.push_back(std::move(server));
  }
  auto cluster = WaitForCluster(client, stop);
  if (stop.stop_requested()) return {};
  if (!cluster.ok()) return cluster.error();
  FL_ASSIGN(mesh::OperatorConfig config, LoadOperatorConfig(flags, *cluster));
  config.ns = flags.ns.empty() ? kube_config.ns : flags.ns;
  started = true;
  mesh::Operator op(client, mapper, config, metrics);
  mesh::Usage usage(op.caches);
  mesh::IstioCniController cni(op);
  mesh::IstioController istio(op);
  mesh::IstioRevisionController revision(op, usage);
  mesh::IstioRevisionTagController tag(op, usage);
  mesh::ZtunnelController ztunnel(op);
  view::ClusterAccess viewers(client);
  view::LiveView live_view(client,
                           {op.caches.cnis, op.caches.istios, op.caches.revisions, op.caches.daemonsets,
                            op.caches.cni_pods, op.caches.nodes},
                           op.config.catalog, viewers);
  if (flags.view != "0") {
    FL_ASSIGN(auto address, ParseAddress(flags.view));
    if (Status shown = live_view.Start({.host = address.first, .port = address.second, .asks_for_token = true});
        !shown.ok())
      Log(Level::kWarn, "the live view is not served; the operator works without it",
          {{"flag", "--view-bind-address=" + flags.view}, {"error", shown.error().message}});
  }
  const std::initializer_list<mesh::Reconciler*> controllers = {&cni, &istio, &revision, &tag, &ztunnel};
  op.caches.Start();
  auto lead = [&](const std::stop_token& s) {
    if (!op.caches.WaitForSync(s)) return;
    for (mesh::Reconciler* c : controllers) c->Start();
    while (SleepFor(std::chrono::hours(1), s)) {
    }
    for (mesh::Reconciler* c : controllers) c->Stop();
  };
  Status led = Lead(client, flags, config.ns, lead, stop);
  op.caches.Stop();
  return led;
}

}  // namespace

int main(int argc, char** argv) {
  fairlead::cmd::KeepMemorySmall();
  CLI::App app{"Fairlead's operator for Istio's control planes and its CNI"};
  app.set_version_flag("--version", std::string("fairlead-operator ") + cmd::kComponentVersion);
  Flags flags;
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Kubeconfig file; without it the pod's service account, or the default kubeconfig");
  app.add_option("--catalog", flags.catalog_file, "Version catalogue to use instead of the built-in one");
  app.add_option("--hub", flags.hub, "Registry and path of the images, instead of the catalogue's");
  app.add_option("--mesh-hub", flags.mesh_hub,
                 "Registry and path of the control plane's and the proxies' images, where that is another than --hub");
  app.add_option(
         "--config-file", flags.config_file,
         "Images of single components, one a line: images.v1_28_6.cni=\"registry.example/install-cni@sha256:...\"")
      ->capture_default_str();
  app.add_option("--chart", flags.chart_dir,
                 "An istio-cni chart, a directory or a .tgz, to use instead of the built-in one");
  app.add_option("--resource-directory", flags.resource_dir,
                 "Directory with vX.Y.Z/charts/cni and vX.Y.Z/profiles, which stand in for the built-in ones");
  app.add_option("--namespace", flags.ns, "Namespace of the leader election lease; the pod's own by default");
  app.add_option("--health-probe-bind-address", flags.health, "Address of /healthz and /readyz; 0 turns it off")
      ->capture_default_str();
  app.add_option("--metrics-bind-address", flags.metrics, "Address of /metrics; 0 turns it off")->capture_default_str();
  app.add_option("--view-bind-address", flags.view,
                 "Loopback address of the live view, which kubectl port-forward reaches; 0 turns it off")
      ->capture_default_str();
  app.add_option("--leader-elect", flags.leader_elect, "Only one of several operators works at a time")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  app.add_flag("--log-as-json", flags.log_json, "Log lines as JSON");
  CLI11_PARSE(app, argc, argv);
  ConfigureLog(ParseLevel(flags.log_level), flags.log_json);
  cmd::StopOnSignals signals;
  if (Status s = Run(flags, signals.token()); !s.ok()) {
    Log(Level::kError, "fairlead-operator cannot go on", {{"error", s.error().message}});
    return 1;
  }
  return 0;
}
