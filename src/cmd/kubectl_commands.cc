#include "cmd/kubectl_commands.h"

#include <unistd.h>

#include "kube/client.h"
#include "kube/mapper.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/strings.h"
#include "value/jsonpath.h"
#include "value/yaml.h"

namespace fairlead::cmd {
namespace {

using value::At;
using value::Str;

// The named resource and, for "kind/name", the name.
struct Target {
  kube::Resource resource;
  std::string name;
};

class Cli {
 public:
  Cli(kube::Config config, KubectlOptions o)
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
  KubectlOptions o_;
};

}  // namespace

Result<Millis> ParseDuration(const std::string& text) {
  auto n = ParseInt(std::string_view(text).substr(0, text.size() - (text.empty() ? 0 : 1)));
  if (n.ok() && text.ends_with('s')) return Millis(*n * 1000);
  if (n.ok() && text.ends_with('m')) return Millis(*n * 60000);
  if (n.ok() && text.ends_with('h')) return Millis(*n * 3600000);
  return MakeError(Code::kInvalid, "--timeout: \"" + text + "\" is not a duration such as 30s or 5m");
}

Status RunKubectlCommand(KubectlCommand command, const kube::Config& config, const KubectlOptions& options) {
  Cli cli(config, options);
  switch (command) {
    case KubectlCommand::kGet: return cli.Get();
    case KubectlCommand::kPatch: return cli.PatchObject();
    case KubectlCommand::kWait: return cli.Wait();
    case KubectlCommand::kApply: return cli.Apply();
    case KubectlCommand::kDelete: return cli.Delete();
    case KubectlCommand::kLogs: return cli.Logs();
  }
  return {};
}

}  // namespace fairlead::cmd
