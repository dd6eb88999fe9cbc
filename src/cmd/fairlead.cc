// The command line for a person: the few kubectl commands that updating the CNI takes, for machines without kubectl, in
// kubectl's words and with its output.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cmd/adoption.h"
#include "cmd/chart_diff.h"
#include "cmd/cni_update.h"
#include "cmd/node_report.h"
#include "cmd/render_chart.h"
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

struct Options {
  std::string kubeconfig, context, ns, output, type = "strategic", patch, file, condition, timeout = "30s", container,
                                               tail;
  std::vector<std::string> args;
  bool all_namespaces = false, wait_delete = true;
};

// The named resource and, for "kind/name", the name.
struct Target {
  kube::Resource resource;
  std::string name;
};

class Cli {
 public:
  Cli(kube::Config config, Options o)
      : ns_(o.ns.empty() ? config.ns : o.ns), client_(std::move(config)), o_(std::move(o)) {}

  Status Get() {
    FL_ASSIGN(Target t, Find(o_.args));
    std::string ns = o_.all_namespaces ? "" : ns_;
    bool table = o_.output.empty() || o_.output == "wide";
    std::string accept = table ? "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" : "application/json";
    FL_ASSIGN(http::Response r, client_.Raw({.target = t.resource.Path(ns, t.name), .headers = {{"accept", accept}}}));
    FL_ASSIGN(Json j, value::ParseJson(r.body, "answer"));
    if (o_.output == "json") return Print(value::DumpPretty(j) + "\n");
    if (o_.output == "yaml") return Print(value::ToYaml(j));
    if (!table)
      return MakeError(Code::kInvalid, "unable to match a printer suitable for the output format \"" + o_.output +
                                           "\", allowed formats are: json,wide,yaml");
    return PrintTable(j, t.resource.namespaced && o_.all_namespaces);
  }

  Status PatchObject() {
    FL_ASSIGN(Target t, Find(o_.args));
    if (t.name.empty()) return MakeError(Code::kInvalid, "one resource name is required");
    kube::PatchType type = o_.type == "merge"  ? kube::PatchType::kMerge
                           : o_.type == "json" ? kube::PatchType::kJson
                                               : kube::PatchType::kStrategic;
    FL_ASSIGN(Json patch, value::ParseYaml(o_.patch, "--patch"));
    FL_ASSIGN(Json before, client_.Get(t.resource, ns_, t.name));
    FL_ASSIGN(Json after, client_.Patch(t.resource, ns_, t.name, type, patch,
                                        {.subresource = "", .field_manager = "kubectl-patch"}));
    bool same = kube::ResourceVersion(before) == kube::ResourceVersion(after);
    return Print(Named(t.resource) + "/" + t.name + " patched" + (same ? " (no change)" : "") + "\n");
  }

  Status Wait() {
    FL_ASSIGN(Target t, Find(o_.args));
    if (!o_.condition.starts_with("condition="))
      return MakeError(Code::kInvalid, "unrecognized condition: \"" + o_.condition + "\"; use --for=condition=NAME");
    auto parts = Split(o_.condition.substr(10), '=');
    std::string want = parts.size() > 1 ? parts[1] : "true";
    FL_ASSIGN(Millis timeout, ParseDuration(o_.timeout));
    auto deadline = SteadyNow() + timeout;
    while (true) {
      FL_ASSIGN(Json o, client_.Get(t.resource, ns_, t.name));
      for (const Json& c : At(o, "status", "conditions")) {
        if (!EqualFold(Str(c, "type"), parts[0])) continue;
        // As kubectl: a condition of an older generation does not count.
        const Json& own = At(c, "observedGeneration");
        const Json& observed = own.is_null() ? At(o, "status", "observedGeneration") : own;
        if (observed.is_number() && observed.get<int64_t>() < kube::Generation(o)) continue;
        if (EqualFold(Str(c, "status"), want)) return Print(Named(t.resource) + "/" + t.name + " condition met\n");
      }
      if (SteadyNow() >= deadline)
        return MakeError(Code::kDeadlineExceeded,
                         "timed out waiting for the condition on " + t.resource.plural + "/" + t.name);
      std::this_thread::sleep_for(Millis(100));
    }
  }

  Status Apply() {
    std::string text;
    if (o_.file == "-") {
      char buf[65536];
      for (ssize_t n; (n = ::read(STDIN_FILENO, buf, sizeof buf)) > 0;) text.append(buf, static_cast<size_t>(n));
    } else {
      FL_ASSIGN(text, ReadFile(o_.file, 16 << 20));
    }
    FL_ASSIGN(auto docs, value::ParseYamlStream(text, o_.file));
    for (Json& doc : docs) {
      kube::DiscoveryMapper mapper(client_);
      FL_ASSIGN(kube::Resource r, mapper.Find(Str(doc, "apiVersion"), Str(doc, "kind")));
      std::string ns = r.namespaced ? (kube::Namespace(doc).empty() ? ns_ : kube::Namespace(doc)) : "";
      if (r.namespaced) doc["metadata"]["namespace"] = ns;
      FL_TRY(client_.Patch(r, ns, kube::Name(doc), kube::PatchType::kApply, doc,
                           {.subresource = "", .field_manager = "kubectl", .force = true}));
      FL_TRY(Print(Named(r) + "/" + kube::Name(doc) + " serverside-applied\n"));
    }
    return {};
  }

  Status Delete() {
    FL_ASSIGN(Target t, Find(o_.args));
    if (t.name.empty()) return MakeError(Code::kInvalid, "resource(s) were provided, but no name was specified");
    std::vector<std::string> names = {t.name};
    if (o_.args.size() > 2) names.assign(o_.args.begin() + 1, o_.args.end());
    for (const std::string& name : names) {
      FL_TRY(client_.Delete(t.resource, ns_, name, {.uid = "", .resource_version = "", .propagation = "Background"}));
      FL_TRY(Print(Named(t.resource) + " \"" + name + "\" deleted\n"));
    }
    for (const std::string& name : names)
      while (o_.wait_delete && client_.Get(t.resource, ns_, name).ok()) std::this_thread::sleep_for(Millis(100));
    return {};
  }

  Status Logs() {
    if (o_.args.empty()) return MakeError(Code::kInvalid, "expected 'logs POD'");
    std::string query = "?";
    if (!o_.container.empty()) query += "container=" + http::PercentEncode(o_.container) + "&";
    if (!o_.tail.empty()) query += "tailLines=" + o_.tail;
    FL_ASSIGN(http::Response r, client_.Raw({.target = kube::kPods.Path(ns_, o_.args[0], "log") + query,
                                             .headers = {{"accept", "*/*"}}}));
    return Print(r.body);
  }

 private:
  static Status Print(const std::string& text) {
    fwrite(text.data(), 1, text.size(), stdout);
    fflush(stdout);
    return {};
  }
  static std::string Named(const kube::Resource& r) { return ToLower(r.kind) + (r.group.empty() ? "" : "." + r.group); }

  static Result<Millis> ParseDuration(const std::string& text) {
    auto n = ParseInt(std::string_view(text).substr(0, text.size() - (text.empty() ? 0 : 1)));
    if (n.ok() && text.ends_with('s')) return Millis(*n * 1000);
    if (n.ok() && text.ends_with('m')) return Millis(*n * 60000);
    if (n.ok() && text.ends_with('h')) return Millis(*n * 3600000);
    return MakeError(Code::kInvalid, "--timeout: \"" + text + "\" is not a duration such as 30s or 5m");
  }

  // Finds the resource by plural, singular, short name or kind, with or without its group, as discovery has them.
  Result<Target> Find(const std::vector<std::string>& args) {
    if (args.empty()) return MakeError(Code::kInvalid, "you must specify the type of resource");
    std::string kind = args[0], name = args.size() > 1 ? args[1] : "";
    if (size_t slash = kind.find('/'); slash != kind.npos) {
      name = kind.substr(slash + 1);
      kind = kind.substr(0, slash);
    }
    std::string group;
    if (size_t dot = kind.find('.'); dot != kind.npos) {
      group = kind.substr(dot + 1);
      kind = kind.substr(0, dot);
    }
    std::vector<std::string> versions = {"/api/v1"};
    FL_ASSIGN(http::Response groups, client_.Raw({.target = "/apis"}));
    FL_ASSIGN(Json list, value::ParseJson(groups.body, "discovery"));
    for (const Json& g : At(list, "groups")) versions.push_back("/apis/" + Str(g, "preferredVersion", "groupVersion"));
    for (const std::string& path : versions) {
      FL_ASSIGN(http::Response r, client_.Raw({.target = path}));
      FL_ASSIGN(Json resources, value::ParseJson(r.body, "discovery"));
      std::string gv = Str(resources, "groupVersion");
      size_t slash = gv.find('/');
      std::string g = slash == gv.npos ? "" : gv.substr(0, slash), v = slash == gv.npos ? gv : gv.substr(slash + 1);
      if (!group.empty() && g != group) continue;
      for (const Json& e : At(resources, "resources")) {
        const Json& shorts = At(e, "shortNames");
        bool match = EqualFold(kind, Str(e, "name")) || EqualFold(kind, Str(e, "singularName")) ||
                     EqualFold(kind, Str(e, "kind")) ||
                     (shorts.is_array() && std::find(shorts.begin(), shorts.end(), Json(kind)) != shorts.end());
        if (match && Str(e, "name").find('/') == std::string::npos)
          return Target{{g, v, Str(e, "name"), value::Bool(e, "namespaced"), Str(e, "kind")}, name};
      }
    }
    return MakeError(Code::kNotFound, "the server doesn't have a resource type \"" + args[0] + "\"");
  }

  Status PrintTable(const Json& table, bool with_namespace) {
    std::vector<std::vector<std::string>> lines(1);
    std::vector<size_t> shown;
    const Json& columns = At(table, "columnDefinitions");
    if (with_namespace) lines[0].push_back("NAMESPACE");
    for (size_t i = 0; i < columns.size(); ++i) {
      if (value::Int(columns[i], "priority") > 0 && o_.output != "wide") continue;
      shown.push_back(i);
      std::string name = Str(columns[i], "name");
      for (char& c : name) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
      lines[0].push_back(name);
    }
    for (const Json& row : At(table, "rows")) {
      std::vector<std::string> line;
      if (with_namespace) line.push_back(Str(row, "object", "metadata", "namespace"));
      for (size_t i : shown) {
        const Json& cell = At(row, "cells", i);
        line.push_back(cell.is_string() ? cell.get<std::string>() : cell.is_null() ? "" : value::Dump(cell));
      }
      lines.push_back(line);
    }
    if (lines.size() == 1) {
      fprintf(stderr, "No resources found%s\n", with_namespace ? "" : (" in " + ns_ + " namespace.").c_str());
      return {};
    }
    std::vector<size_t> width(lines[0].size());
    for (const auto& line : lines)
      for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
    std::string out;
    for (const auto& line : lines) {
      std::string text;
      for (size_t i = 0; i < line.size(); ++i)
        text += line[i] + std::string(i + 1 < line.size() ? width[i] - line[i].size() + 3 : 0, ' ');
      out += text + "\n";
    }
    return Print(out);
  }

  std::string ns_;
  kube::Client client_;
  Options o_;
};

// What rendering would change: in the cluster, or beside another chart.
struct DiffOptions {
  std::string against, field_manager = "fairlead";
  int context = 3;
  bool detailed_exit_code = false;
};

Result<std::string> Diff(const cmd::RenderOptions& render, const DiffOptions& diff, const Options& o) {
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
  CLI::App app{
      "Fairlead on the command line. The commands below are kubectl's; where kubectl is installed, use either."};
  app.set_version_flag("--version", std::string("fairlead ") + cmd::kComponentVersion);
  app.require_subcommand(1);
  app.fallthrough();
  Options o;
  app.add_option("--kubeconfig", o.kubeconfig, "Path of the kubeconfig file");
  app.add_option("--context", o.context, "Context of the kubeconfig file to use");
  app.add_option("-n,--namespace", o.ns, "Namespace");
  Status (Cli::*run)() = nullptr;
  auto command = [&](const char* name, const char* help, Status (Cli::*f)()) {
    auto* c = app.add_subcommand(name, help);
    c->callback([&run, f] { run = f; });
    return c;
  };
  auto* get = command("get", "Show one or many resources", &Cli::Get);
  get->add_option("resource", o.args, "TYPE [NAME] or TYPE/NAME")->required();
  get->add_option("-o,--output", o.output, "json, yaml or wide");
  get->add_flag("-A,--all-namespaces", o.all_namespaces, "In all namespaces");
  auto* patch = command("patch", "Change fields of a resource", &Cli::PatchObject);
  patch->add_option("resource", o.args, "TYPE NAME")->required();
  patch->add_option("--type", o.type, "merge, json or strategic")
      ->check(CLI::IsMember({"merge", "json", "strategic"}))
      ->capture_default_str();
  patch->add_option("-p,--patch", o.patch, "The patch, JSON or YAML")->required();
  auto* wait = command("wait", "Wait for a condition of a resource", &Cli::Wait);
  wait->add_option("resource", o.args, "TYPE/NAME")->required();
  wait->add_option("--for", o.condition, "condition=NAME[=STATUS]")->required();
  wait->add_option("--timeout", o.timeout, "How long: 30s, 5m")->capture_default_str();
  command("apply", "Make resources as a file describes them", &Cli::Apply)
      ->add_option("-f,--filename", o.file, "File, or - for standard input")
      ->required();
  auto* del = command("delete", "Delete a resource", &Cli::Delete);
  del->add_option("resource", o.args, "TYPE NAME...")->required();
  del->add_option("--wait", o.wait_delete, "Wait until it is gone")->capture_default_str();
  auto* logs = command("logs", "Print the logs of a pod's container", &Cli::Logs);
  logs->add_option("pod", o.args, "POD")->required();
  logs->add_option("-c,--container", o.container, "Container");
  logs->add_option("--tail", o.tail, "Only that many of the last lines");
  std::string version;
  auto* preflight = app.add_subcommand(
      "preflight", "Say what an update of the CNI would meet; exit status 2 when it would be refused");
  preflight->add_option("version", version, "The version to update to")->required();
  auto* history = app.add_subcommand("history", "Show the versions of the CNI that were installed everywhere");
  for (auto* c : {preflight, history}) c->add_option("-o,--output", o.output, "json")->check(CLI::IsMember({"json"}));
  auto* rollback = app.add_subcommand("rollback", "Ask for the version of the CNI before the present one");
  rollback->add_option("--to", version, "Another version");
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
  CLI11_PARSE(app, argc, argv);
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
  Status done = config.ok() ? (Cli(*config, o).*run)() : Status(config.error());
  if (done.ok()) return 0;
  fprintf(stderr, "error: %s\n", done.error().message.c_str());
  return 1;
}
