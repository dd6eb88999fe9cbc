// The command line for a person: what there is to be said, and which function says it.
#include <CLI/CLI.hpp>

#include "cmd/adoption.h"
#include "cmd/bundle.h"
#include "cmd/chart_diff.h"
#include "cmd/cli_docs.h"
#include "cmd/cni_update.h"
#include "cmd/dashboard.h"
#include "cmd/kubectl_commands.h"
#include "cmd/lab_commands.h"
#include "cmd/mesh_pods.h"
#include "cmd/node_report.h"
#include "cmd/output.h"
#include "cmd/render_chart.h"
#include "cmd/signals.h"
#include "cmd/update_command.h"
#include "cmd/usage.h"
#include "cmd/version.h"
#include "cmd/version_report.h"
#include "kube/client.h"
#include "kube/mapper.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace {

using namespace fairlead;
using value::Str;

// A command: what may be given to it, and what it does.
struct Command {
  CLI::App* app;
  std::function<Result<int>()> run;  // the exit status
};

struct Cli {
  CLI::App app{"Updates Istio's CNI, and shows how", "fairlead"};
  std::vector<Command> commands;
  std::string kubeconfig, context, ns;

  // `run` is called when this command was given; what its options fill lives as long as it does.
  template <class Options>
  CLI::App* Add(const char* name, const char* help, std::shared_ptr<Options> options,
                std::function<Result<int>(Options&)> run) {
    CLI::App* command = app.add_subcommand(name, help);
    commands.push_back({command, [options, run] { return run(*options); }});
    return command;
  }
  Result<kube::Config> Cluster() const { return kube::LoadConfig(kubeconfig, context); }
};

Result<int> Print(const Result<std::string>& text, int status = cmd::kDone) {
  if (!text.ok()) return text.error();
  fputs(text->c_str(), stdout);
  return status;
}

void TakeOutput(CLI::App* command, std::string& into) {
  command->add_option("-o,--output", into, Join(cmd::kOutputs, ", "))->check(CLI::IsMember(cmd::kOutputs));
}

// What rendering would change: in the cluster, or beside another chart.
struct DiffOptions {
  std::string against, field_manager = "fairlead";
  int context = 3;
  bool detailed_exit_code = false;
};

Result<std::string> Diff(const Cli& cli, const cmd::RenderOptions& render, const DiffOptions& diff) {
  FL_ASSIGN(chart::Rendered after, cmd::Render(render));
  if (diff.against != "live") {
    cmd::RenderOptions other = render;
    other.chart = diff.against;
    FL_ASSIGN(chart::Rendered before, cmd::Render(other));
    return cmd::DiffRenderings(before, after, render.ns, diff.context);
  }
  FL_ASSIGN(kube::Config config, cli.Cluster());
  kube::Client client(std::move(config));
  kube::DiscoveryMapper mapper(client);
  return cmd::DiffCluster(client, mapper, after, render.ns, diff.field_manager, diff.context);
}

Result<std::vector<Json>> ReadResources(const std::string& file) {
  FL_ASSIGN(std::string text, ReadFile(file == "-" ? "/dev/stdin" : file, 4 << 20));
  return value::ParseYamlStream(text, file);
}

// What the operator would do for each of them.
Result<cmd::AdoptionPlan> PlanFor(const kube::Config& config, const std::vector<Json>& resources, int context) {
  kube::Client client(config);
  kube::DiscoveryMapper mapper(client);
  cmd::AdoptionPlan all;
  for (const Json& resource : resources) {
    auto plan = cmd::PlanAdoption(client, mapper, resource, context);
    if (!plan.ok()) return plan.error().Wrap(Str(resource, "kind") + "/" + kube::Name(resource));
    all.text += "# " + Str(resource, "kind") + "/" + kube::Name(resource) + "\n" + plan->text;
    all.changes |= plan->changes;
  }
  return all;
}

Result<std::vector<Json>> ResourcesThere(const kube::Config& config) {
  kube::Client client(config);
  std::vector<Json> out;
  for (const kube::Resource* r : {&kube::kIstioRevisions, &kube::kIstioCnis, &kube::kZtunnels}) {
    FL_ASSIGN(auto there, client.List(*r, "", {}));
    out.insert(out.end(), there.items.begin(), there.items.end());
  }
  if (out.empty())
    return MakeError(
        Code::kNotFound,
        "there is no IstioCNI, ZTunnel or IstioRevision; name the file of one that you would make with -f");
  return out;
}

// --- the commands

struct PlanOptions {
  std::string file, version;
  bool dry_run = false, exit_code = false;
  int context = 3;
};

void TakePlanOptions(CLI::App* command, PlanOptions& o) {
  command->add_option("--diff-context", o.context, "Unchanged lines around a change; -1: all")->capture_default_str();
  command->add_flag("--detailed-exitcode", o.exit_code, "Exit status 2 when there is a change");
}

Result<int> PrintPlan(const Result<cmd::AdoptionPlan>& plan, const PlanOptions& o) {
  if (!plan.ok()) return plan.error();
  return Print(plan->text, o.exit_code && plan->changes ? 2 : cmd::kDone);
}

void AddUpdateCommands(Cli& cli) {
  struct Options {
    cmd::UpdateOptions update;
    std::string timeout, version, output;
    PlanOptions plan;
  };
  auto add = [&cli](const char* name, const char* help, std::function<Result<int>(Options&, const kube::Config&)> run) {
    auto o = std::make_shared<Options>();
    auto* command = cli.Add<Options>(name, help, o, [&cli, run](Options& options) -> Result<int> {
      FL_ASSIGN(kube::Config config, cli.Cluster());
      return run(options, config);
    });
    return std::pair(command, o);
  };
  {
    auto [command, o] =
        add("update",
            "Update the CNI: preflight, the change, and the nodes as they go on. Ctrl-C leaves the update running",
            [](Options& options, const kube::Config& config) -> Result<int> {
              cmd::StopOnSignals signals;
              if (!options.timeout.empty()) {
                FL_ASSIGN(options.update.timeout, cmd::ParseDuration(options.timeout));
              }
              FL_ASSIGN(int status, cmd::RunUpdate(config, options.update, signals.token()));
              return status;
            });
    command->add_option("version", o->update.version,
                        "The version; without one, the newest that fits the control planes");
    command->add_flag("--dry-run", o->update.dry_run, "Preflight only");
    command->add_option("--wait", o->update.wait, "Look on until it is complete")->capture_default_str();
    command->add_option("--timeout", o->timeout, "Look on for so long only: 30s, 5m");
  }
  {
    auto [command, o] =
        add("preflight", "Say what an update of the CNI would meet; exit status 2 when it would be refused",
            [](Options& options, const kube::Config& config) -> Result<int> {
              FL_ASSIGN(auto findings, cmd::Preflight(config, options.version));
              return Print(cmd::Text(findings, cmd::OutputNamed(options.output)),
                           cmd::HasFailed(findings) ? cmd::kRefused : cmd::kDone);
            });
    command->add_option("version", o->version, "The version to update to")->required();
    TakeOutput(command, o->output);
  }
  {
    auto [command, o] =
        add("diff", "Show what an update of the CNI, or a resource in a file, would change in the cluster's objects",
            [](Options& options, const kube::Config& config) -> Result<int> {
              std::vector<Json> resources;
              if (!options.plan.file.empty()) {
                FL_ASSIGN(resources, ReadResources(options.plan.file));
              } else {
                kube::Client client(config);
                FL_ASSIGN(Json cni, client.Get(kube::kIstioCnis, "", "default"));
                resources.push_back(std::move(cni));
              }
              if (!options.plan.version.empty())
                for (Json& r : resources) r["spec"]["version"] = options.plan.version;
              return PrintPlan(PlanFor(config, resources, options.plan.context), options.plan);
            });
    command->add_option("version", o->plan.version, "The version; without one, that of the resource");
    command->add_option("-f,--filename", o->plan.file,
                        "An IstioCNI, ZTunnel or IstioRevision instead of the cluster's IstioCNI");
    TakePlanOptions(command, o->plan);
  }
  {
    auto [command, o] = add("status", "Show the CNI, its nodes and its control planes, and what is wrong",
                            [](Options& options, const kube::Config& config) -> Result<int> {
                              FL_ASSIGN(int status, cmd::ShowStatus(config, cmd::OutputNamed(options.output)));
                              return status;
                            });
    TakeOutput(command, o->output);
  }
  {
    auto [command, o] = add("versions", "Show the versions that can be installed, and which fit",
                            [](Options& options, const kube::Config& config) -> Result<int> {
                              FL_ASSIGN(int status, cmd::ShowVersions(config, cmd::OutputNamed(options.output)));
                              return status;
                            });
    TakeOutput(command, o->output);
  }
  {
    auto [command, o] = add("history", "Show the versions of the CNI that were installed everywhere",
                            [](Options& options, const kube::Config& config) {
                              kube::Client client(config);
                              return Print(cmd::History(client, cmd::OutputNamed(options.output)));
                            });
    TakeOutput(command, o->output);
  }
  {
    auto [command, o] = add("rollback", "Ask for the version of the CNI before the present one",
                            [](Options& options, const kube::Config& config) {
                              kube::Client client(config);
                              return Print(cmd::Rollback(client, options.version));
                            });
    command->add_option("--to", o->version, "Another version");
  }
  {
    auto [command, o] =
        add("adopt", "Show what changes when the operator takes over an installation of Helm or of the sail-operator",
            [](Options& options, const kube::Config& config) -> Result<int> {
              auto resources = options.plan.file.empty() ? ResourcesThere(config) : ReadResources(options.plan.file);
              if (!resources.ok()) return resources.error();
              return PrintPlan(PlanFor(config, *resources, options.plan.context), options.plan);
            });
    command->add_flag("--dry-run", o->plan.dry_run, "Only show it; the operator does it, once there is a resource")
        ->required();
    command->add_option("-f,--filename", o->plan.file,
                        "The IstioCNI, ZTunnel or IstioRevision that would be made; otherwise those that there are");
    TakePlanOptions(command, o->plan);
  }
}

void AddViewCommands(Cli& cli) {
  struct Options {
    std::string output, file = "fairlead-bundle.tar.gz", run_dir = "/var/run/istio-cni";
    bool at_risk = false, client = false;
    uint16_t port = 0;
  };
  auto o = std::make_shared<Options>();
  auto* version =
      cli.Add<Options>("version", "Show the versions of this command, the operator, the CNI and the control planes", o,
                       [&cli](Options& options) -> Result<int> {
                         cmd::Output as = cmd::OutputNamed(options.output);
                         if (options.client) return Print(cmd::ClientVersion(as));
                         FL_ASSIGN(kube::Config config, cli.Cluster());
                         return Print(cmd::Versions(config, as));
                       });
  version->add_flag("--client", o->client, "Of this command only; asks no cluster");
  TakeOutput(version, o->output);
  auto* pods = cli.Add<Options>(
      "pods", "Show the pods of the mesh, and whether each has its rules", o, [&cli](Options& options) -> Result<int> {
        FL_ASSIGN(kube::Config config, cli.Cluster());
        FL_ASSIGN(auto listed, cmd::ListMeshPods(config, options.at_risk, cmd::OutputNamed(options.output)));
        bool bad = options.at_risk && listed.at_risk > 0;
        return Print(listed.text, bad ? cmd::kNotComplete : cmd::kDone);
      });
  pods->add_flag("--at-risk", o->at_risk, "Only those that are not known to; exit status 3 when there are any");
  TakeOutput(pods, o->output);
  auto* dashboard =
      cli.Add<Options>("dashboard", "Show the live view in a browser: nodes, the update, control planes, pods, Events",
                       o, [&cli](Options& options) -> Result<int> {
                         FL_ASSIGN(kube::Config config, cli.Cluster());
                         cmd::StopOnSignals signals;
                         FL_TRY(cmd::ShowDashboard(config, options.port, signals.token()));
                         return cmd::kDone;
                       });
  dashboard->add_option("--port", o->port, "The loopback port to serve it on; 0: any free one")->capture_default_str();
  auto* bundle = cli.Add<Options>(
      "bundle", "Write what a maintainer needs to understand this cluster into one archive, without secrets", o,
      [&cli](Options& options) -> Result<int> {
        FL_ASSIGN(kube::Config config, cli.Cluster());
        FL_ASSIGN(std::string contents, cmd::WriteBundle(config, options.file));
        return Print(contents + options.file + ": look through it before you send it\n");
      });
  bundle->add_option("-f,--filename", o->file, "The archive")->capture_default_str();
  auto* node = cli.Add<Options>(
      "node", "Show what the agent of this node knows; run it on the node, as root", o,
      [](Options& options) -> Result<int> {
        FL_ASSIGN(Json answer, cmd::AskAgent(options.run_dir));
        cmd::Output as = cmd::OutputNamed(options.output);
        return Print(cmd::IsTable(as) ? cmd::NodeTable(answer, as == cmd::Output::kWide) : cmd::Structured(answer, as));
      });
  node->add_option("--run-dir", o->run_dir, "The agent's directory")->capture_default_str();
  TakeOutput(node, o->output);
}

void AddRenderCommand(Cli& cli) {
  struct Options {
    cmd::RenderOptions render;
    DiffOptions diff;
    std::string output;
  };
  auto o = std::make_shared<Options>();
  auto* command = cli.Add<Options>("render", "Print what a Helm chart renders to, or what that would change", o,
                                   [&cli](Options& options) -> Result<int> {
                                     cmd::RenderOptions& render = options.render;
                                     if (!cli.ns.empty()) render.ns = cli.ns;
                                     render.json = options.output == "json";
                                     auto text = options.diff.against.empty() ? cmd::RenderedText(render)
                                                                              : Diff(cli, render, options.diff);
                                     bool changes = options.diff.detailed_exit_code && text.ok() && !text->empty();
                                     return Print(text, changes ? 2 : cmd::kDone);
                                   });
  cmd::RenderOptions& render = o->render;
  command->add_option("chart", render.chart, "Directory or .tgz of the chart")->required();
  command->add_option("--name", render.name, "Name of the release")->capture_default_str();
  command->add_option("-f,--values", render.value_files, "File of values; may be given more than once")
      ->allow_extra_args(false);
  command->add_option("--set", render.sets, "Values: a.b=c,d[0]={e,f}")->allow_extra_args(false);
  command->add_option("--set-string", render.string_sets, "Values that are text, whatever they look like")
      ->allow_extra_args(false);
  command->add_option("--set-json", render.json_sets, "Values that are JSON: a.b={\"c\":1}")->allow_extra_args(false);
  command->add_option("-a,--api-versions", render.api_versions, "More of .Capabilities.APIVersions")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--kube-version", render.kube_version, ".Capabilities.KubeVersion")->capture_default_str();
  command->add_option("-s,--show-only", render.only, "Only what comes from this template; may be given more than once")
      ->allow_extra_args(false);
  command->add_option("-o,--output", o->output, "yaml or json: an object a line")
      ->check(CLI::IsMember({"yaml", "json"}));
  command->add_flag("--include-crds", render.include_crds, "The chart's CRDs, too");
  command->add_flag("--no-hooks", render.no_hooks, "Without hooks");
  command->add_flag("--is-upgrade", render.is_upgrade, ".Release.IsUpgrade instead of .Release.IsInstall");
  DiffOptions& diff = o->diff;
  command->add_option("--diff", diff.against,
                      "Print what changes instead: from \"live\", what the cluster has, or from another chart");
  command->add_option("--diff-context", diff.context, "Unchanged lines around a change; -1: all")
      ->capture_default_str();
  command
      ->add_option("--field-manager", diff.field_manager,
                   "For --diff live: who would apply it; fields that this one set before and that are not rendered any "
                   "more are shown, too")
      ->capture_default_str();
  command->add_flag("--detailed-exitcode", diff.detailed_exit_code, "For --diff: exit status 2 when there is a change");
}

void AddKubectlCommands(Cli& cli) {
  auto shared = std::make_shared<cmd::KubectlOptions>();
  cmd::KubectlOptions& o = *shared;
  auto command = [&cli, shared](const char* name, const char* help, cmd::KubectlCommand which) {
    return cli.Add<cmd::KubectlOptions>(name, help, shared, [&cli, which](cmd::KubectlOptions& options) -> Result<int> {
      FL_ASSIGN(kube::Config config, cli.Cluster());
      options.ns = cli.ns;
      options.kubeconfig = cli.kubeconfig;
      options.context = cli.context;
      FL_TRY(cmd::RunKubectlCommand(which, config, options));
      return cmd::kDone;
    });
  };
  auto* get = command("get", "Show one or many resources", cmd::KubectlCommand::kGet);
  get->add_option("resource", o.args, "TYPE [NAME] or TYPE/NAME")->required();
  get->add_option("-o,--output", o.output, "json, yaml or wide");
  get->add_flag("-A,--all-namespaces", o.all_namespaces, "In all namespaces");
  auto* patch = command("patch", "Change fields of a resource", cmd::KubectlCommand::kPatch);
  patch->add_option("resource", o.args, "TYPE NAME")->required();
  patch->add_option("--type", o.type, "merge, json or strategic")
      ->check(CLI::IsMember({"merge", "json", "strategic"}))
      ->capture_default_str();
  patch->add_option("-p,--patch", o.patch, "The patch, JSON or YAML")->required();
  auto* wait = command("wait", "Wait for a condition of a resource", cmd::KubectlCommand::kWait);
  wait->add_option("resource", o.args, "TYPE/NAME")->required();
  wait->add_option("--for", o.condition, "condition=NAME[=STATUS]")->required();
  wait->add_option("--timeout", o.timeout, "How long: 30s, 5m")->capture_default_str();
  command("apply", "Make resources as a file describes them", cmd::KubectlCommand::kApply)
      ->add_option("-f,--filename", o.file, "File, or - for standard input")
      ->required();
  auto* del = command("delete", "Delete a resource", cmd::KubectlCommand::kDelete);
  del->add_option("resource", o.args, "TYPE NAME...")->required();
  del->add_option("--wait", o.wait_delete, "Wait until it is gone")->capture_default_str();
  auto* logs = command("logs", "Print the logs of a pod's container", cmd::KubectlCommand::kLogs);
  logs->add_option("pod", o.args, "POD")->required();
  logs->add_option("-c,--container", o.container, "Container");
  logs->add_option("--tail", o.tail, "Only that many of the last lines");
}

// `fairlead lab ...`: commands below a command.
void AddLabCommands(Cli& cli) {
  struct Options {
    cmd::LabOptions lab;
    std::string fault, node;
    int seconds = 5;
  };
  auto o = std::make_shared<Options>();
  auto* lab = cli.app.add_subcommand("lab", "Run a cluster on this machine to try things on, and break it");
  lab->require_subcommand(1);
  auto add = [&](const char* name, const char* help, std::function<Result<int>(Options&)> run) {
    auto* command = lab->add_subcommand(name, help);
    cli.commands.push_back({command, [o, run] { return run(*o); }});
    return command;
  };
  auto* up = add("up", "Start it in the background; prints how to reach it. Needs root",
                 [](Options& options) { return Print(cmd::LabUp(options.lab)); });
  up->add_option("--nodes", o->lab.nodes, "Number of nodes")->capture_default_str();
  up->add_option("--simulated-nodes", o->lab.simulated_nodes, "Number of nodes beside those that are objects only")
      ->capture_default_str();
  up->add_option("--port", o->lab.port, "Port of the API server on 127.0.0.1; 0: a free one")->capture_default_str();
  auto* down = add("down", "End it; nothing is left of it",
                   [](Options& options) { return Print(cmd::LabDown(options.lab.state_dir)); });
  for (auto* c : {up, down}) c->add_option("--state-dir", o->lab.state_dir, "Its directory")->capture_default_str();
  add("load", "Run a server and a client of the mesh on every node and print what the clients count, until Ctrl-C",
      [&cli](Options&) -> Result<int> {
        FL_ASSIGN(kube::Config config, cli.Cluster());
        cmd::StopOnSignals signals;
        FL_TRY(cmd::LabLoad(config, signals.token()));
        return cmd::kDone;
      });
  auto* fault = add("fault", "Break something: kill an agent or the operator, or take the API server away",
                    [&cli](Options& options) -> Result<int> {
                      FL_ASSIGN(kube::Config config, cli.Cluster());
                      return Print(cmd::LabFault(config, options.fault, options.node, options.seconds));
                    });
  fault->add_option("fault", o->fault, "agent, operator or api")
      ->required()
      ->check(CLI::IsMember({"agent", "operator", "api"}));
  fault->add_option("--node", o->node, "The agent's node")->default_str("node-1");
  fault->add_option("--seconds", o->seconds, "How long the API server is away")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  o->node = "node-1";
}

void AddDocumentation(Cli& cli) {
  auto shell = std::make_shared<std::string>();
  auto* completion =
      cli.Add<std::string>("completion", "Print completions for a shell: source <(fairlead completion bash)", shell,
                           [&cli](std::string& name) { return Print(cmd::Completion(cli.app, name)); });
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  cli.Add<std::string>("man", "Print the manual page: fairlead man | man -l -", shell,
                       [&cli](std::string&) { return Print(cmd::ManualPage(cli.app, cmd::kComponentVersion)); });
}

}  // namespace

int main(int argc, char** argv) {
  Cli cli;
  cli.app.set_version_flag("--version", std::string("fairlead ") + cmd::kComponentVersion);
  cli.app.require_subcommand(1);
  cli.app.fallthrough();
  cli.app.add_option("--kubeconfig", cli.kubeconfig, "Path of the kubeconfig file");
  cli.app.add_option("--context", cli.context, "Context of the kubeconfig file to use");
  cli.app.add_option("-n,--namespace", cli.ns, "Namespace");
  AddKubectlCommands(cli);
  AddUpdateCommands(cli);
  AddViewCommands(cli);
  AddRenderCommand(cli);
  AddLabCommands(cli);
  AddDocumentation(cli);
  try {
    cli.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cmd::ExplainUsage(cli.app, error);
  }
  ConfigureLog(Level::kError, false);  // what a command has to say is its output
  for (const Command& command : cli.commands) {
    if (!command.app->parsed()) continue;
    Result<int> status = command.run();
    if (status.ok()) return *status;
    const std::string& reason = status.error().reason;  // as kubectl says it
    fprintf(stderr, "%s: %s\n", reason.empty() ? "error" : ("Error from server (" + reason + ")").c_str(),
            status.error().message.c_str());
    return cmd::kFailed;
  }
  return cmd::kFailed;
}
