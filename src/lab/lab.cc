#include "lab/lab.h"

#include <signal.h>
#include <unistd.h>

#include "embedded/lab_types.h"
#include "http/client.h"
#include "lab/status.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"

namespace fairlead::lab {

using value::Str;

Result<std::unique_ptr<Lab>> Lab::Create(LabConfig config) {
  if (::geteuid() != 0)
    return MakeError(Code::kForbidden, "the lab makes network namespaces and mounts: run it as root");
  for (const char* plugin : {"bridge", "host-local", "loopback"})
    if (!FileExists(config.cni_plugins_dir + "/" + plugin))
      return MakeError(Code::kNotFound, config.cni_plugins_dir + "/" + plugin +
                                            " is missing: install the package containernetworking-plugins");
  if (config.nodes < 0 || config.nodes > 50 || config.nodes + config.simulated_nodes < 1)
    return MakeError(Code::kInvalid, "--nodes: " + std::to_string(config.nodes) + " is not between 1 and 50");
  if (config.simulated_nodes < 0 || config.simulated_nodes > 10000)
    return MakeError(Code::kInvalid,
                     "--simulated-nodes: " + std::to_string(config.simulated_nodes) + " is not between 0 and 10000");
  auto lab = std::unique_ptr<Lab>(new Lab(std::move(config)));
  FL_ASSIGN(lab->registry_, Registry::Create(embedded::lab_types().at("types.yaml")));
  lab->rest_ = std::make_unique<Rest>(*lab->registry_, lab->store_);
  lab->node_api_ = std::make_unique<LocalApi>(*lab->rest_, "kubelet");
  return lab;
}

Status Lab::Start() {
  FL_TRY(MakeDirectories(config_.state_dir, 0700));
  FL_TRY(MakeDirectories(config_.state_dir + "/specs", 0700));
  FL_ASSIGN(authority_, http::CreateAuthority("fairlead-lab-ca", 30));
  FL_ASSIGN(server_cert_,
            http::IssueCertificate(authority_, {.common_name = "kube-apiserver",
                                                .organizations = {},
                                                .days = 30,
                                                .alt_names = {"DNS:localhost", "DNS:kubernetes.default.svc",
                                                              "IP:127.0.0.1", "IP:10.96.0.1"}}));
  FL_ASSIGN(admin_,
            http::IssueCertificate(
                authority_,
                {.common_name = "kubernetes-admin", .organizations = {"system:masters"}, .days = 30, .alt_names = {}}));
  FL_ASSIGN(fabric_, Fabric::Create());
  for (const char* ns : {"default", "kube-system", "kube-public"})
    FL_TRY([&]() -> Status {
      auto made = node_api_->Create(kube::kNamespaces, {{"metadata", {{"name", ns}}}});
      return made.ok() ? Status() : Status(made.error());
    }());
  api_ = std::make_unique<ApiServer>(*rest_, tokens_);
  api_->SetLogHandler(
      [this](const Json& pod, const http::Request& r, http::ResponseWriter& w) { ServeLogs(pod, r, w); });
  api_->SetProxyHandler([this](const Json& pod, const std::string& port, const std::string& path,
                               http::ResponseWriter& w) { ServeProxy(pod, port, path, w); });
  api_->SetExtraHandler([this](const http::Request& r, http::ResponseWriter& w) { ServeExtra(r, w); });
  port_ = config_.port;
  FL_TRY(ServeApi());
  controllers_ = std::make_unique<Controllers>(*rest_, authority_.certificate);
  for (int i = 1; i <= config_.nodes; ++i) {
    NodeConfig n{.name = "node-" + std::to_string(i),
                 .ip = "172.31.0." + std::to_string(10 + i),
                 .pod_cidr = "10.244." + std::to_string(i) + ".0/24",
                 .state_dir = config_.state_dir,
                 .images_dir = config_.images_dir,
                 .cni_plugins_dir = config_.cni_plugins_dir,
                 .ca_pem = authority_.certificate,
                 .token_lifetime = config_.token_lifetime,
                 .sandbox_retry = config_.sandbox_retry};
    nodes_.push_back(std::make_unique<Node>(n, *node_api_, tokens_));
    FL_TRY(nodes_.back()->Start());
    FL_TRY(fabric_->Connect(*nodes_.back()));
    nodes_.back()->Run();
  }
  if (config_.simulated_nodes > 0) simulated_ = std::make_unique<SimulatedNodes>(*node_api_, config_.simulated_nodes);
  return WriteKubeconfig();
}

Lab::~Lab() {
  {
    std::lock_guard lock(fault_mutex_);
    fault_ = {};
  }
  for (auto& n : nodes_) n->Stop();
  simulated_.reset();
  controllers_.reset();
  if (api_) api_->Down();
}

Status Lab::ServeApi() {
  std::vector<UniqueFd> listeners;
  FL_ASSIGN(UniqueFd local, http::ListenTcp("127.0.0.1", port_));
  port_ = http::LocalPort(local.get());
  listeners.push_back(std::move(local));
  FL_ASSIGN(UniqueFd pods, fabric_->ListenForPods());
  listeners.push_back(std::move(pods));
  return api_->Up(std::move(listeners), {server_cert_.certificate, server_cert_.key, authority_.certificate});
}

Status Lab::WriteKubeconfig() {
  kubeconfig_path_ = config_.state_dir + "/kubeconfig";
  std::string ctx = "fairlead-" + config_.name;
  Json config = {{"apiVersion", "v1"},
                 {"kind", "Config"},
                 {"current-context", ctx},
                 {"clusters",
                  {{{"name", ctx},
                    {"cluster",
                     {{"server", "https://127.0.0.1:" + std::to_string(port_)},
                      {"certificate-authority-data", Base64Encode(authority_.certificate)}}}}}},
                 {"users",
                  {{{"name", ctx},
                    {"user",
                     {{"client-certificate-data", Base64Encode(admin_.certificate)},
                      {"client-key-data", Base64Encode(admin_.key)}}}}}},
                 {"contexts", {{{"name", ctx}, {"context", {{"cluster", ctx}, {"user", ctx}}}}}}};
  return WriteFileAtomic(kubeconfig_path_, value::DumpPretty(config) + "\n", 0600);
}

void Lab::ServeLogs(const Json& pod, const http::Request& r, http::ResponseWriter& w) {
  std::string container = r.Query("container");
  if (container.empty()) container = Str(pod, "spec", "containers", 0, "name");
  const Node* node = nullptr;
  for (auto& n : nodes_)
    if (n->config().name == Str(pod, "spec", "nodeName")) node = n.get();
  if (!node)
    return w.Send(400, "application/json",
                  value::Dump(BadRequest("pod " + kube::Name(pod) + " does not have a host assigned")));
  std::string path = node->LogPath(pod, container);
  if (!FileExists(path))
    return w.Send(400, "application/json",
                  value::Dump(BadRequest("container \"" + container + "\" in pod \"" + kube::Name(pod) +
                                         "\" is waiting to start or does not exist")));
  std::string text = ReadFile(path).value_or("");
  size_t sent = text.size();
  if (auto tail = ParseInt(r.Query("tailLines")); tail.ok()) {
    size_t at = text.size();
    for (int64_t n = 0; at > 0; --at)
      if (text[at - 1] == '\n' && at != text.size() && ++n == *tail) break;
    text = *tail == 0 ? "" : text.substr(at);
  }
  if (r.Query("follow") != "true") return w.Send(200, "text/plain", text);
  w.BeginStream(200, "text/plain");
  w.Write(text);
  while (!w.ClientGone() && !WaitFd(w.wake_fd(), 1, Millis(200)).ok()) {
    std::string now = ReadFile(path).value_or("");
    if (now.size() > sent && !w.Write(now.substr(sent))) return;
    sent = std::max(sent, now.size());
    if (!store_.Get("/pods", kube::Key(pod))) return;
  }
}

void Lab::ServeProxy(const Json& pod, const std::string& port, const std::string& path, http::ResponseWriter& w) {
  http::Response answer;
  Status reached = fabric_->Run([&]() -> Status {
    http::Client client({.base_url = "http://" + Str(pod, "status", "podIP") + ":" + port});
    FL_ASSIGN(answer, client.Do({.target = path, .timeout = Millis(10000)}));
    return {};
  });
  if (!reached.ok())
    return w.Send(
        503, "application/json",
        value::Dump(Failure(503, "ServiceUnavailable", "error trying to reach service: " + reached.error().message)));
  auto type = answer.headers.find("content-type");
  w.Send(answer.status, type == answer.headers.end() ? "text/plain" : type->second, answer.body);
}

// /fairlead-lab/records | ruleset?uid= | kill?namespace=&pod=&container=&signal= | api-down?seconds= | compact
void Lab::ServeExtra(const http::Request& r, http::ResponseWriter& w) {
  auto reply = [&](const Status& s) {
    if (s.ok())
      w.Send(200, "application/json", "{}");
    else
      w.Send(s.error().code == Code::kNotFound ? 404 : 500, "application/json",
             value::Dump(Failure(500, "InternalError", s.error().message)));
  };
  std::string what = r.path.substr(strlen("/fairlead-lab/"));
  if (what == "records") {
    Json out = Json::array();
    for (auto& n : nodes_)
      for (const PodRecord& p : n->Records())
        out.push_back({{"namespace", p.ns},
                       {"name", p.name},
                       {"uid", p.uid},
                       {"node", p.node},
                       {"seenMs", p.seen_ms},
                       {"readyMs", p.ready_ms},
                       {"sandboxFailures", p.sandbox_failures},
                       {"mesh", p.mesh},
                       {"rulesBeforeStart", p.rules_before_start ? Json(*p.rules_before_start) : Json()},
                       {"netns", p.netns_path}});
    return w.Send(200, "application/json", value::Dump(out));
  }
  if (what == "ruleset") {
    for (auto& n : nodes_)
      if (auto text = n->Ruleset(r.Query("uid")); text.ok()) return w.Send(200, "application/json", *text);
    return reply(MakeError(Code::kNotFound, "no such pod runs"));
  }
  if (what == "kill") {
    int signal = static_cast<int>(ParseInt(r.Query("signal")).value_or(SIGKILL));
    Status last = MakeError(Code::kNotFound, "no such pod runs");
    for (auto& n : nodes_)
      if (last = n->Signal(r.Query("namespace"), r.Query("pod"), r.Query("container"), signal); last.ok()) break;
    return reply(last);
  }
  if (what == "api-down") {
    int64_t seconds = std::clamp<int64_t>(ParseInt(r.Query("seconds")).value_or(10), 1, 600);
    w.Send(200, "application/json", "{}");
    std::lock_guard lock(fault_mutex_);
    fault_ = std::jthread([this, seconds](std::stop_token stop) {
      Log(Level::kInfo, "the API server goes away", {{"seconds", seconds}});
      api_->Down();
      SleepFor(Millis(1000 * seconds), stop);
      for (Status s = ServeApi(); !s.ok() && SleepFor(Millis(200), stop); s = ServeApi())
        Log(Level::kWarn, "the API server cannot come back yet", {{"error", s.error().message}});
      Log(Level::kInfo, "the API server is back");
    });
    return;
  }
  if (what == "node-info") {
    Json out = Json::object();
    for (auto& n : nodes_) out[n->config().name] = {{"pid", n->pid()}};
    return w.Send(200, "application/json", value::Dump(out));
  }
  if (what == "compact") {
    store_.Compact();
    return reply({});
  }
  w.Send(404, "application/json",
         value::Dump(Failure(404, "NotFound", "the server could not find the requested resource")));
}

}  // namespace fairlead::lab
