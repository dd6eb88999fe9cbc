#include "chart/chart.h"
#include "gotmpl/engine.h"
#include "util/strings.h"
#include "value/merge.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

using gotmpl::List;
using gotmpl::Value;

// .Capabilities.APIVersions
class ApiVersions : public gotmpl::Object {
 public:
  explicit ApiVersions(const std::vector<std::string>& versions) : versions_(versions) {}
  const char* TypeName() const override { return "common.VersionSet"; }
  std::string Print() const override { return "[" + Join(versions_, " ") + "]"; }
  std::optional<Result<Value>> Member(const std::string& name, const List& args) override {
    if (name != "Has" || args.size() != 1) return std::nullopt;
    return Value(std::find(versions_.begin(), versions_.end(), gotmpl::Print(args[0])) != versions_.end());
  }

 private:
  std::vector<std::string> versions_;
};

// .Capabilities.KubeVersion
class KubeVersion : public gotmpl::Object {
 public:
  explicit KubeVersion(std::string v) : version_(std::move(v)) {}
  const char* TypeName() const override { return "common.KubeVersion"; }
  std::string Print() const override { return version_; }
  std::optional<Result<Value>> Member(const std::string& name, const List&) override {
    auto parts = Split(version_.starts_with('v') ? version_.substr(1) : version_, '.');
    if (name == "Version" || name == "GitVersion" || name == "String") return Value(version_);
    if (name == "Major") return Value(parts[0]);
    if (name == "Minor") return Value(parts.size() > 1 ? parts[1] : "");
    return std::nullopt;
  }

 private:
  std::string version_;
};

// .Files
class Files : public gotmpl::Object {
 public:
  explicit Files(const Chart& chart) : chart_(chart) {}
  const char* TypeName() const override { return "engine.files"; }
  std::string Print() const override { return "map[]"; }
  std::optional<Result<Value>> Member(const std::string& name, const List& args) override {
    if (name != "Get" || args.size() != 1) return std::nullopt;
    auto it = chart_.files.find(gotmpl::Print(args[0]));
    return Value(it == chart_.files.end() ? "" : it->second);
  }

 private:
  const Chart& chart_;
};

Result<std::string> OneText(const List& args, size_t i, const char* name) {
  if (i < args.size() && args[i].as_string()) return *args[i].as_string();
  return MakeError(Code::kInvalid, "wrong type or number of args for " + std::string(name) + ": expected string");
}

Result<Value> FromYaml(const List& args, const char* name, bool list) {
  FL_ASSIGN(std::string text, OneText(args, 0, name));
  auto j = value::ParseYaml(text, "error unmarshaling YAML");
  if (!j.ok())
    return list ? Value::NewList({Value(j.error().message)}) : Value::NewMap({{"Error", Value(j.error().message)}});
  if (j->is_null()) return list ? Value::NewList() : Value::NewMap();
  return gotmpl::FromJson(*j);
}

// What Helm adds to sprig. Source of the behaviour: helm pkg/engine/funcs.go.
void RegisterHelm(gotmpl::Engine& e) {
  e.Register("include", [](gotmpl::Engine& engine, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string name, OneText(args, 0, "include"));
    FL_ASSIGN(std::string out, engine.Execute(name, args.size() > 1 ? args[1] : Value()));
    return Value(out);
  });
  e.Register("tpl", [](gotmpl::Engine& engine, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string text, OneText(args, 0, "tpl"));
    FL_ASSIGN(std::string out, engine.ExecuteText("tpl", text, args.size() > 1 ? args[1] : Value()));
    return Value(ReplaceAll(out, "<no value>", ""));
  });
  e.Register("required", [](gotmpl::Engine&, const List& args) -> Result<Value> {
    if (args.size() == 2 && !args[1].is_nil() && !(args[1].as_string() && args[1].as_string()->empty())) return args[1];
    return MakeError(Code::kInvalid, args.empty() ? "" : gotmpl::Print(args[0]));
  });
  e.Register("lookup", [](gotmpl::Engine&, const List&) -> Result<Value> { return Value::NewMap(); });
  for (const char* name : {"toYaml", "mustToYaml"})
    e.Register(name, [](gotmpl::Engine&, const List& args) -> Result<Value> {
      std::string s = value::ToYaml(args.empty() ? Json() : gotmpl::ToJson(args[0]));
      if (s.ends_with('\n')) s.pop_back();
      return Value(s);
    });
  e.Register("fromYaml", [](gotmpl::Engine&, const List& args) { return FromYaml(args, "fromYaml", false); });
  e.Register("fromYamlArray", [](gotmpl::Engine&, const List& args) { return FromYaml(args, "fromYamlArray", true); });
  for (const char* name : {"fromJson", "fromJsonArray"})
    e.Register(name, [name](gotmpl::Engine&, const List& args) {
      return FromYaml(args, name, std::string_view(name) == "fromJsonArray");
    });
}

Value Context(const Chart& chart, const Json& values, const Release& r) {
  Json merged = chart.values;
  value::MergeValues(merged, values);
  gotmpl::Map chart_map{{"Name", Value(chart.name)},
                        {"Version", Value(chart.version)},
                        {"AppVersion", Value(chart.app_version)},
                        {"IsRoot", Value(true)},
                        {"Type", Value(value::Str(chart.metadata, "type"))},
                        {"Description", Value(value::Str(chart.metadata, "description"))}};
  gotmpl::Map release{{"Name", Value(r.name)},
                      {"Namespace", Value(r.ns)},
                      {"Service", Value("Helm")},
                      {"IsUpgrade", Value(r.is_upgrade)},
                      {"IsInstall", Value(!r.is_upgrade)},
                      {"Revision", Value(1)}};
  gotmpl::Map capabilities{{"KubeVersion", Value(gotmpl::ObjectPtr(std::make_shared<KubeVersion>(r.kube_version)))},
                           {"APIVersions", Value(gotmpl::ObjectPtr(std::make_shared<ApiVersions>(r.api_versions)))}};
  return Value::NewMap({{"Chart", Value::NewMap(chart_map)},
                        {"Release", Value::NewMap(release)},
                        {"Capabilities", Value::NewMap(capabilities)},
                        {"Files", Value(gotmpl::ObjectPtr(std::make_shared<Files>(chart)))},
                        {"Subcharts", Value::NewMap()},
                        {"Values", gotmpl::FromJson(merged)}});
}

// Helm rewrites an error of `fail` and `required`: "execution error at (chart/templates/x.yaml:1:3): message".
Error Rewrite(Error e) {
  for (const char* call : {"error calling fail: ", "error calling required: "}) {
    size_t at = e.message.rfind(call);
    if (at == e.message.npos) continue;
    std::string where = e.message.substr(0, at);
    size_t start = where.rfind("template: ");
    if (start == where.npos) continue;
    where = where.substr(start + 10);
    where = where.substr(0, where.find(": "));
    e.message = "execution error at (" + where + "): " + e.message.substr(at + std::string_view(call).size());
    return e;
  }
  if (e.message.starts_with("template: ") && e.message.find(": executing ") == e.message.npos) {
    std::string rest = e.message.substr(10);
    size_t colon = rest.find(": ");
    if (colon != rest.npos) e.message = "parse error at (" + rest.substr(0, colon) + "): " + rest.substr(colon + 2);
  }
  return e;
}

int InstallRank(const std::string& kind) {
  static const std::vector<std::string> order = {"PriorityClass",
                                                 "Namespace",
                                                 "NetworkPolicy",
                                                 "ResourceQuota",
                                                 "LimitRange",
                                                 "PodSecurityPolicy",
                                                 "PodDisruptionBudget",
                                                 "ServiceAccount",
                                                 "Secret",
                                                 "SecretList",
                                                 "ConfigMap",
                                                 "StorageClass",
                                                 "PersistentVolume",
                                                 "PersistentVolumeClaim",
                                                 "CustomResourceDefinition",
                                                 "ClusterRole",
                                                 "ClusterRoleList",
                                                 "ClusterRoleBinding",
                                                 "ClusterRoleBindingList",
                                                 "Role",
                                                 "RoleList",
                                                 "RoleBinding",
                                                 "RoleBindingList",
                                                 "Service",
                                                 "DaemonSet",
                                                 "Pod",
                                                 "ReplicationController",
                                                 "ReplicaSet",
                                                 "Deployment",
                                                 "HorizontalPodAutoscaler",
                                                 "StatefulSet",
                                                 "Job",
                                                 "CronJob",
                                                 "IngressClass",
                                                 "Ingress",
                                                 "APIService",
                                                 "MutatingWebhookConfiguration",
                                                 "ValidatingWebhookConfiguration"};
  return static_cast<int>(std::find(order.begin(), order.end(), kind) - order.begin());
}

}  // namespace

Result<std::vector<Json>> Render(const Chart& chart, const Json& values, const Release& release) {
  gotmpl::Engine engine;
  gotmpl::RegisterBuiltins(engine);
  gotmpl::RegisterSprig(engine);
  RegisterHelm(engine);
  // Deeper paths first, then reverse lexical order, for parsing and for execution; one context that all files share.
  std::vector<std::string> order;
  for (const auto& [path, text] : chart.templates) order.push_back(path);
  std::stable_sort(order.begin(), order.end(), [](const std::string& a, const std::string& b) {
    auto depth_a = std::count(a.begin(), a.end(), '/'), depth_b = std::count(b.begin(), b.end(), '/');
    return depth_a != depth_b ? depth_a > depth_b : a > b;
  });
  for (const std::string& path : order)
    if (Status s = engine.Parse(chart.name + "/" + path, chart.templates.at(path)); !s.ok()) return Rewrite(s.error());
  Value context = Context(chart, values, release);
  std::map<std::string, std::string> rendered;
  for (const std::string& path : order) {
    std::string base = path.substr(path.rfind('/') + 1);
    if (base.starts_with('_') || base == "NOTES.txt") continue;
    (**context.as_map())["Template"] =
        Value::NewMap({{"Name", Value(chart.name + "/" + path)}, {"BasePath", Value(chart.name + "/templates")}});
    auto text = engine.Execute(chart.name + "/" + path, context);
    if (!text.ok()) return Rewrite(text.error());
    rendered[path] = ReplaceAll(*text, "<no value>", "");
  }
  std::vector<Json> out;
  for (const auto& [path, text] : rendered) {
    auto docs = value::ParseYamlStream(
        text, "YAML parse error on " + chart.name + "/" + path + ": error converting YAML to JSON: yaml");
    if (!docs.ok()) return docs.error();
    for (Json& doc : *docs) {
      if (!doc.is_object() || value::Str(doc, "kind").empty() || value::Str(doc, "metadata", "name").empty())
        return MakeError(Code::kInvalid,
                         chart.name + "/" + path + ": renders to something that has no kind or no metadata.name");
      out.push_back(std::move(doc));
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    return InstallRank(value::Str(a, "kind")) < InstallRank(value::Str(b, "kind"));
  });
  return out;
}

}  // namespace fairlead::chart
