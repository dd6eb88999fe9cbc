#include "cmd/update_command.h"

#include "cmd/agent_facts.h"
#include "cmd/cni_update.h"
#include "cmd/kubectl_commands.h"
#include "cmd/mesh_plan.h"
#include "cmd/terminal.h"
#include "cmd/update_view.h"
#include "mesh/skew.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/strings.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

constexpr Millis kLook{300};

void Print(const std::string& text) {
  fwrite(text.data(), 1, text.size(), stdout);
  fflush(stdout);
}

struct Seen {
  Json cni;
  std::vector<Json> agents;
};

Result<Json> TheCni(kube::Client& client) {
  auto cni = client.Get(kube::kIstioCnis, "", "default");
  if (!cni.ok() && cni.error().code == Code::kNotFound)
    return MakeError(Code::kNotFound,
                     "there is no IstioCNI \"default\"; make one: see docs/update.md, or fairlead apply -f FILE");
  return cni;
}

Result<Seen> Look(kube::Client& client) {
  Seen seen;
  FL_ASSIGN(seen.cni, TheCni(client));
  FL_ASSIGN(seen.agents, ListAgents(client, seen.cni));
  return seen;
}

// The newest supported version that every control plane can be served with.
Result<std::string> NewestThatFits(kube::Client& client) {
  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  FL_ASSIGN(auto planes, ControlPlanes(client, catalog));
  if (std::string version = mesh::NewestThatFits(catalog, planes); !version.empty()) return version;
  return MakeError(Code::kNotFound,
                   "no supported version fits all control planes (fairlead versions lists them); name one");
}

// Every node with the pod of its agent; of two the newer one.
std::string NodeTable(const std::vector<Json>& agents, const std::vector<NodeProgress>& nodes) {
  std::map<std::string, const Json*> newest;
  for (const Json& pod : agents) {
    const Json*& kept = newest[Str(pod, "spec", "nodeName")];
    if (!kept || Str(*kept, "metadata", "creationTimestamp") < Str(pod, "metadata", "creationTimestamp")) kept = &pod;
  }
  std::vector<std::vector<std::string>> rows = {{"NODE", "VERSION", "POD", "IP", "MADE", "DETAIL"}};
  for (const NodeProgress& n : nodes) {
    const Json& pod = newest.contains(n.node) ? *newest[n.node] : value::Null();
    rows.push_back({n.node, n.version, kube::Name(pod), Str(pod, "status", "podIP"),
                    Str(pod, "metadata", "creationTimestamp"), n.detail});
  }
  return AlignColumns(rows);
}

// A line for each node, as the live view of an update has them.
std::string NodeLines(const Json& cni, const std::vector<NodeProgress>& nodes) {
  Terminal terminal = LookAtTerminal();
  ViewOptions view{terminal.is_terminal ? terminal.width : 200, std::max<size_t>(terminal.height, 30), terminal.color};
  std::string out;
  auto lines = UpdateView(cni, nodes, 0, view);
  for (size_t i = 1; i < lines.size(); ++i) out += lines[i] + "\n";
  return out;
}

// The table that `kubectl get istiocni` prints.
Status PrintTable(const kube::Config& config) {
  KubectlOptions options;
  options.args = {"istiocni", "default"};
  return RunKubectlCommand(KubectlCommand::kGet, config, options);
}

// What findings say, shortly when all is well.
void PrintFindings(const std::vector<Finding>& findings) {
  std::vector<Finding> told;
  for (const Finding& f : findings)
    if (f.result != "ok") told.push_back(f);
  Print("preflight: " + std::to_string(findings.size()) + " checks, " + std::to_string(told.size()) + " to look at\n");
  if (!told.empty()) Print(Text(told, Output::kTable));
}

class Watch {
 public:
  Watch(const kube::Config& config, kube::Client& client, const UpdateOptions& options)
      : config_(config), client_(client), options_(options), terminal_(LookAtTerminal()) {}

  Result<ExitStatus> Run(const std::stop_token& stop) {
    auto began = SteadyNow();
    while (true) {
      auto seen = Look(client_);
      auto elapsed = SteadyNow() - began;
      // An API server that is away for a moment does not end the view.
      if (seen.ok()) Show(*seen, static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(elapsed).count()));
      if (seen.ok())
        if (auto ended = Ended(seen->cni)) return *ended;
      if (options_.timeout > Millis(0) && elapsed > options_.timeout) {
        fprintf(stderr,
                "not complete after the time that was given; it goes on by itself. See it with: fairlead status\n");
        return kNotComplete;
      }
      if (!SleepFor(kLook, stop)) {
        fprintf(stderr,
                "the update goes on by itself. See it with: fairlead status; go back with: fairlead rollback\n");
        return kInterrupted;
      }
    }
  }

 private:
  void Show(const Seen& seen, int seconds) {
    auto nodes = ProgressOf(seen.agents, Str(seen.cni, "spec", "version"));
    if (terminal_.is_terminal)
      live_.Show(UpdateView(seen.cni, nodes, seconds, {terminal_.width, terminal_.height, terminal_.color}));
    else
      for (const std::string& line : ChangesSince(before_, nodes)) Print(line + "\n");
    before_ = std::move(nodes);
  }

  std::optional<Result<ExitStatus>> Ended(const Json& cni) {
    const Json &ready = kube::CurrentCondition(cni, "Ready"), &progressing = kube::CurrentCondition(cni, "Progressing"),
               &reconciled = kube::CurrentCondition(cni, "Reconciled");
    if (Str(ready, "status") == "True") {
      Status printed = PrintTable(config_);
      if (!printed.ok()) return Result<ExitStatus>(printed.error());
      return kDone;
    }
    if (Str(reconciled, "status") == "False") {
      fprintf(stderr, "refused: %s\n", Str(ready, "message").c_str());
      return kRefused;
    }
    if (Str(progressing, "status") == "False") {
      fprintf(stderr, "stopped: %s\nlook at: kubectl describe pods -n %s; go back with: fairlead rollback\n",
              Str(progressing, "message").c_str(), Str(cni, "spec", "namespace").c_str());
      return kNotComplete;
    }
    return std::nullopt;
  }

  const kube::Config& config_;
  kube::Client& client_;
  const UpdateOptions& options_;
  Terminal terminal_;
  LiveText live_;
  std::vector<NodeProgress> before_;
};

}  // namespace

Result<ExitStatus> RunUpdate(const kube::Config& config, const UpdateOptions& options, const std::stop_token& stop) {
  kube::Client client(config);
  FL_ASSIGN(Json cni, TheCni(client));
  std::string version = options.version;
  if (version.empty()) {
    FL_ASSIGN(version, NewestThatFits(client));
    Print(version + " is the newest version that fits\n");
  }
  FL_ASSIGN(auto findings, Preflight(config, version));
  PrintFindings(findings);
  if (HasFailed(findings)) return kRefused;
  if (options.dry_run) return kDone;
  std::string before = Str(cni, "spec", "version");
  FL_TRY(
      client.Patch(kube::kIstioCnis, "", "default", kube::PatchType::kMerge, {{"spec", {{"version", version}}}}, {}));
  Print("istiocni/default: " + (before == version ? version + " already" : before + " -> " + version) + "\n");
  if (!options.wait) return kDone;
  return Watch(config, client, options).Run(stop);
}

Result<ExitStatus> ShowStatus(const kube::Config& config, Output output) {
  kube::Client client(config);
  FL_ASSIGN(Seen seen, Look(client));
  const Json& status = At(seen.cni, "status");
  auto nodes = ProgressOf(seen.agents, Str(seen.cni, "spec", "version"));
  bool fine = Str(status, "state") == "Healthy" && Str(kube::CurrentCondition(seen.cni, "SkewOK"), "status") != "False";
  if (!IsTable(output)) {
    Json list = Json::array();
    for (const NodeProgress& n : nodes)
      list.push_back({{"node", n.node},
                      {"version", n.version},
                      {"updated", n.state == NodeProgress::State::kDone},
                      {"detail", n.detail}});
    Json out = {{"version", Str(seen.cni, "spec", "version")},
                {"runningVersion", Str(status, "runningVersion")},
                {"state", Str(status, "state")},
                {"nodes", list}};
    for (const char* key : {"conditions", "controlPlanes", "rollout"}) out[key] = At(status, key);
    Print(Structured(out, output));
    return fine ? kDone : kNotComplete;
  }
  FL_TRY(PrintTable(config));
  std::vector<std::vector<std::string>> planes = {{"CONTROL PLANE", "VERSION", "FITS"}};
  for (const Json& p : At(status, "controlPlanes"))
    planes.push_back({Str(p, "kind") + "/" + Str(p, "name"), Str(p, "version"),
                      value::Bool(p, "allowed") ? "yes" : "no: " + Str(p, "message")});
  if (planes.size() > 1) Print("\n" + AlignColumns(planes));
  Print("\n" + (output == Output::kWide ? NodeTable(seen.agents, nodes) : NodeLines(seen.cni, nodes)));
  for (const Json& c : At(status, "conditions"))
    if (Str(c, "status") != "True" && !Str(c, "message").empty())
      Print("\n" + Str(c, "type") + ": " + Str(c, "reason") + ": " + Str(c, "message") + "\n");
  return fine ? kDone : kNotComplete;
}

Result<ExitStatus> ShowVersions(const kube::Config& config, Output output) {
  kube::Client client(config);
  FL_ASSIGN(mesh::Catalog catalog, BuiltInCatalog());
  FL_ASSIGN(auto planes, ControlPlanes(client, catalog));
  auto cni = client.Get(kube::kIstioCnis, "", "default");
  std::string running = cni.ok() ? Str(*cni, "status", "runningVersion") : "";
  Json all = Json::array();
  std::vector<std::vector<std::string>> rows = {{"VERSION", "FITS THE CONTROL PLANES", "RUNS"}};
  if (output == Output::kWide) rows[0].push_back("WHY NOT");
  for (const mesh::Version& version : catalog.Supported()) {
    std::vector<mesh::ControlPlane> judged = planes;
    mesh::JudgeSkew(version, judged);
    std::string why = mesh::SkewMessage(judged);
    bool runs = version.name == running;
    all.push_back({{"version", version.name}, {"fits", why.empty()}, {"runs", runs}, {"why", why}});
    rows.push_back({version.name, why.empty() ? "yes" : "no", runs ? "*" : ""});
    if (output == Output::kWide) rows.back().push_back(why);
  }
  Print(IsTable(output) ? AlignColumns(rows) : Structured(all, output));
  return kDone;
}

}  // namespace fairlead::cmd
