// The command line for a person: what there is to be said, and which function says it.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cmd/adoption.h"
#include "cmd/bundle.h"
#include "cmd/chart_diff.h"
#include "cmd/cli_docs.h"
#include "cmd/cni_update.h"
#include "cmd/dashboard.h"
#include "cmd/kubectl_commands.h"
#include "cmd/mesh_pods.h"
#include "cmd/node_report.h"
#include "cmd/render_chart.h"
#include "cmd/signals.h"
#include "cmd/update_command.h"
#include "cmd/version.h"
#include "kube/client.h"
#include "kube/mapper.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strings.h"
#include "value/jsonpath.h"
#include "value/yaml.h"

namespace {

using namespace fairlead;
using value::At;
using value::Str;

// What rendering would change: in the cluster, or beside another chart.
struct DiffOptions {
  std::string against, field_manager = "fairlead";
  int context = 3;
  bool detailed_exit_code = false;
};

Result<std::string> Diff(const cmd::RenderOptions& render, const DiffOptions& diff, const cmd::KubectlOptions& o) {
  FL_ASSIGN(chart::Rendered after, cmd::Render(render));
  if (diff.against != "live") {
    cmd::RenderOptions other = render;
    other.chart = diff.against;
    FL_ASSIGN(chart::Rendered before, cmd::Render(other));
    return cmd::DiffRenderings(before, after, render.ns, diff.context);
  }
  FL_ASSIGN(kube::Config config, kube::LoadConfig(o.kubeconfig, o.context));
  kube::Client client(std::move(config));
  kube::DiscoveryMapper mapper(client);
  return cmd::DiffCluster(client, mapper, after, render.ns, diff.field_manager, diff.context);
}

// Of the resources in the file, or of those in the cluster.
Result<cmd::AdoptionPlan> Adoption(const kube::Config& config, const std::string& file, int context) {
  kube::Client client(config);
  kube::DiscoveryMapper mapper(client);
  std::vector<Json> resources;
  if (!file.empty()) {
    FL_ASSIGN(std::string text, ReadFile(file == "-" ? "/dev/stdin" : file, 4 << 20));
    FL_ASSIGN(resources, value::ParseYamlStream(text, file));
  } else {
    for (const kube::Resource* r : {&kube::kIstioRevisions, &kube::kIstioCnis, &kube::kZtunnels}) {
      FL_ASSIGN(auto there, client.List(*r, "", {}));
      resources.insert(resources.end(), there.items.begin(), there.items.end());
    }
    if (resources.empty())
      return MakeError(
          Code::kNotFound,
          "there is no IstioCNI, ZTunnel or IstioRevision; name the file of one that you would make with -f");
  }
  cmd::AdoptionPlan all;
  for (const Json& resource : resources) {
    auto plan = cmd::PlanAdoption(client, mapper, resource, context);
    if (!plan.ok()) return plan.error().Wrap(value::Str(resource, "kind") + "/" + kube::Name(resource));
    all.text += "# " + value::Str(resource, "kind") + "/" + kube::Name(resource) + "\n" + plan->text;
    all.changes |= plan->changes;
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Updates Istio's CNI, and shows how", "fairlead"};
  app.set_version_flag("--version", std::string("fairlead ") + cmd::kComponentVersion);
  app.require_subcommand(1);
  app.fallthrough();
  cmd::KubectlOptions o;
  app.add_option("--kubeconfig", o.kubeconfig, "Path of the kubeconfig file");
  app.add_option("--context", o.context, "Context of the kubeconfig file to use");
  app.add_option("-n,--namespace", o.ns, "Namespace");
  std::optional<cmd::KubectlCommand> kubectl;
  auto command = [&](const char* name, const char* help, cmd::KubectlCommand which) {
    auto* c = app.add_subcommand(name, help);
    c->callback([&kubectl, which] { kubectl = which; });
    return c;
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
  std::string version;
  auto* preflight = app.add_subcommand(
      "preflight", "Say what an update of the CNI would meet; exit status 2 when it would be refused");
  preflight->add_option("version", version, "The version to update to")->required();
  cmd::UpdateOptions update;
  std::string update_timeout;
  auto* update_command = app.add_subcommand(
      "update", "Update the CNI: preflight, the change, and the nodes as they go on. Ctrl-C leaves the update running");
  update_command->add_option("version", update.version,
                             "The version; without one, the newest that fits the control planes");
  update_command->add_flag("--dry-run", update.dry_run, "Preflight only");
  update_command->add_option("--wait", update.wait, "Look on until it is complete")->capture_default_str();
  update_command->add_option("--timeout", update_timeout, "Look on for so long only: 30s, 5m");
  auto* status = app.add_subcommand("status", "Show the CNI, its nodes and its control planes, and what is wrong");
  auto* versions = app.add_subcommand("versions", "Show the versions that can be installed, and which fit");
  auto* pods = app.add_subcommand("pods", "Show the pods of the mesh, and whether each has its rules");
  bool at_risk = false;
  pods->add_flag("--at-risk", at_risk, "Only those that are not known to; exit status 3 when there are any");
  uint16_t dashboard_port = 0;
  auto* dashboard = app.add_subcommand(
      "dashboard", "Show the live view in a browser: nodes, the update, control planes, pods, Events");
  dashboard->add_option("--port", dashboard_port, "The loopback port to serve it on; 0: any free one")
      ->capture_default_str();
  auto* history = app.add_subcommand("history", "Show the versions of the CNI that were installed everywhere");
  for (auto* c : {preflight, history, status, versions, pods})
    c->add_option("-o,--output", o.output, "json")->check(CLI::IsMember({"json"}));
  auto* rollback = app.add_subcommand("rollback", "Ask for the version of the CNI before the present one");
  rollback->add_option("--to", version, "Another version");
  auto* bundle = app.add_subcommand(
      "bundle", "Write what a maintainer needs to understand this cluster into one archive, without secrets");
  std::string bundle_file = "fairlead-bundle.tar.gz";
  bundle->add_option("-f,--filename", bundle_file, "The archive")->capture_default_str();
  auto* adopt = app.add_subcommand(
      "adopt", "Show what changes when the operator takes over an installation of Helm or of the sail-operator");
  bool dry_run = false, adopt_exit_code = false;
  int adopt_context = 3;
  adopt->add_flag("--dry-run", dry_run, "Only show it; the operator does it, once there is a resource")->required();
  adopt->add_option("-f,--filename", o.file,
                    "The IstioCNI, ZTunnel or IstioRevision that would be made; otherwise those that there are");
  adopt->add_option("--diff-context", adopt_context, "Unchanged lines around a change; -1: all")->capture_default_str();
  adopt->add_flag("--detailed-exitcode", adopt_exit_code, "Exit status 2 when there is a change");
  cmd::RenderOptions render;
  std::string run_dir = "/var/run/istio-cni";
  auto* node_command =
      app.add_subcommand("node", "Show what the agent of this node knows; run it on the node, as root");
  node_command->add_option("--run-dir", run_dir, "The agent's directory")->capture_default_str();
  node_command->add_option("-o,--output", o.output, "json")->check(CLI::IsMember({"json"}));
  auto* render_command = app.add_subcommand("render", "Print what a Helm chart renders to, or what that would change");
  render_command->add_option("chart", render.chart, "Directory or .tgz of the chart")->required();
  render_command->add_option("--name", render.name, "Name of the release")->capture_default_str();
  render_command->add_option("-f,--values", render.value_files, "File of values; may be given more than once")
      ->allow_extra_args(false);
  render_command->add_option("--set", render.sets, "Values: a.b=c,d[0]={e,f}")->allow_extra_args(false);
  render_command->add_option("--set-string", render.string_sets, "Values that are text, whatever they look like")
      ->allow_extra_args(false);
  render_command->add_option("--set-json", render.json_sets, "Values that are JSON: a.b={\"c\":1}")
      ->allow_extra_args(false);
  render_command->add_option("-a,--api-versions", render.api_versions, "More of .Capabilities.APIVersions")
      ->delimiter(',')
      ->allow_extra_args(false);
  render_command->add_option("--kube-version", render.kube_version, ".Capabilities.KubeVersion")->capture_default_str();
  render_command
      ->add_option("-s,--show-only", render.only, "Only what comes from this template; may be given more than once")
      ->allow_extra_args(false);
  render_command->add_option("-o,--output", o.output, "yaml or json: an object a line")
      ->check(CLI::IsMember({"yaml", "json"}));
  render_command->add_flag("--include-crds", render.include_crds, "The chart's CRDs, too");
  render_command->add_flag("--no-hooks", render.no_hooks, "Without hooks");
  render_command->add_flag("--is-upgrade", render.is_upgrade, ".Release.IsUpgrade instead of .Release.IsInstall");
  DiffOptions diff;
  render_command->add_option("--diff", diff.against,
                             "Print what changes instead: from \"live\", what the cluster has, or from another chart");
  render_command->add_option("--diff-context", diff.context, "Unchanged lines around a change; -1: all")
      ->capture_default_str();
  render_command
      ->add_option("--field-manager", diff.field_manager,
                   "For --diff live: who would apply it; fields that this one set before and that are not rendered any "
                   "more are shown, too")
      ->capture_default_str();
  render_command->add_flag("--detailed-exitcode", diff.detailed_exit_code,
                           "For --diff: exit status 2 when there is a change");
  std::string shell;
  auto* completion =
      app.add_subcommand("completion", "Print completions for a shell: source <(fairlead completion bash)");
  completion->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  auto* manual = app.add_subcommand("man", "Print the manual page: fairlead man | man -l -");
  CLI11_PARSE(app, argc, argv);
  if (completion->parsed() || manual->parsed()) {
    fputs((manual->parsed() ? cmd::ManualPage(app, cmd::kComponentVersion) : cmd::Completion(app, shell)).c_str(),
          stdout);
    return 0;
  }
  ConfigureLog(Level::kError, false);  // what a command has to say is its output
  if (node_command->parsed()) {
    auto text = cmd::NodeReport(run_dir, o.output == "json");
    fputs(text.ok() ? text->c_str() : ("error: " + text.error().message + "\n").c_str(), text.ok() ? stdout : stderr);
    return text.ok() ? 0 : 1;
  }
  if (render_command->parsed()) {
    if (!o.ns.empty()) render.ns = o.ns;
    render.json = o.output == "json";
    auto text = diff.against.empty() ? cmd::RenderedText(render) : Diff(render, diff, o);
    if (!text.ok()) {
      fprintf(stderr, "error: %s\n", text.error().message.c_str());
      return 1;
    }
    fputs(text->c_str(), stdout);
    return diff.detailed_exit_code && !text->empty() ? 2 : 0;
  }
  auto config = kube::LoadConfig(o.kubeconfig, o.context);
  if (config.ok() && (update_command->parsed() || status->parsed() || versions->parsed())) {
    cmd::StopOnSignals signals;
    Result<cmd::ExitStatus> done = cmd::kDone;
    if (auto limit = cmd::ParseDuration(update_timeout); limit.ok())
      update.timeout = *limit;
    else if (!update_timeout.empty())
      done = limit.error();
    if (done.ok())
      done = status->parsed()     ? cmd::ShowStatus(*config, o.output == "json")
             : versions->parsed() ? cmd::ShowVersions(*config, o.output == "json")
                                  : cmd::RunUpdate(*config, update, signals.token());
    if (!done.ok()) fprintf(stderr, "error: %s\n", done.error().message.c_str());
    return done.ok() ? *done : cmd::kFailed;
  }
  if (config.ok() && dashboard->parsed()) {
    cmd::StopOnSignals signals;
    Status shown = cmd::ShowDashboard(*config, dashboard_port, signals.token());
    if (!shown.ok()) fprintf(stderr, "error: %s\n", shown.error().message.c_str());
    return shown.ok() ? cmd::kDone : cmd::kFailed;
  }
  if (config.ok() && pods->parsed()) {
    auto listed = cmd::ListMeshPods(*config, at_risk, o.output == "json");
    if (!listed.ok()) {
      fprintf(stderr, "error: %s\n", listed.error().message.c_str());
      return cmd::kFailed;
    }
    fputs(listed->text.c_str(), stdout);
    return at_risk && listed->at_risk > 0 ? cmd::kNotComplete : cmd::kDone;
  }
  if (config.ok() && bundle->parsed()) {
    auto contents = cmd::WriteBundle(*config, bundle_file);
    if (!contents.ok()) {
      fprintf(stderr, "error: %s\n", contents.error().message.c_str());
      return cmd::kFailed;
    }
    printf("%s%s: look through it before you send it\n", contents->c_str(), bundle_file.c_str());
    return cmd::kDone;
  }
  if (config.ok() && adopt->parsed()) {
    auto plan = Adoption(*config, o.file, adopt_context);
    if (!plan.ok()) {
      fprintf(stderr, "error: %s\n", plan.error().message.c_str());
      return 1;
    }
    fputs(plan->text.c_str(), stdout);
    return adopt_exit_code && plan->changes ? 2 : 0;
  }
  if (config.ok() && (preflight->parsed() || history->parsed() || rollback->parsed())) {
    kube::Client client(*config);
    Result<std::string> text = std::string();
    bool refused = false;
    if (preflight->parsed()) {
      auto findings = cmd::Preflight(*config, version);
      text = findings.ok() ? Result<std::string>(cmd::Text(*findings, o.output == "json")) : findings.error();
      refused = findings.ok() && cmd::HasFailed(*findings);
    } else {
      text = history->parsed() ? cmd::History(client, o.output == "json") : cmd::Rollback(client, version);
    }
    if (!text.ok()) {
      fprintf(stderr, "error: %s\n", text.error().message.c_str());
      return 1;
    }
    fputs(text->c_str(), stdout);
    return refused ? 2 : 0;
  }
  Status done = config.ok() ? cmd::RunKubectlCommand(*kubectl, *config, o) : Status(config.error());
  if (done.ok()) return 0;
  fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return 1;
}
