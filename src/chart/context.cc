#include "chart/context.h"

#include <re2/re2.h>

#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

using gotmpl::List;
using gotmpl::ListPtr;
using gotmpl::Map;
using gotmpl::Object;
using gotmpl::ObjectPtr;
using gotmpl::Value;

using MemberResult = std::optional<Result<Value>>;

template <class T, class... Args>
Value Make(Args&&... args) {
  return Value(ObjectPtr(std::make_shared<T>(std::forward<Args>(args)...)));
}

Error WrongArgs(const std::string& name, size_t want, size_t got) {
  return MakeError(Code::kInvalid, "wrong number of args for " + name + ": want " + std::to_string(want) + " got " +
                                       std::to_string(got));
}

// .Capabilities.APIVersions
class ApiVersions : public Object {
 public:
  explicit ApiVersions(const std::vector<std::string>& versions) : versions_(versions) {
    List all;
    for (const std::string& v : versions_) all.emplace_back(v);
    elements_ = *Value::NewList(std::move(all)).as_list();
  }
  const char* TypeName() const override { return "chartutil.VersionSet"; }
  std::string Print() const override { return "[" + Join(versions_, " ") + "]"; }
  const ListPtr* Elements() const override { return &elements_; }
  MemberResult Member(const std::string& name, const List& args) override {
    if (name != "Has") return std::nullopt;
    if (args.size() != 1) return WrongArgs(name, 1, args.size());
    if (!args[0].as_string())
      return MakeError(Code::kInvalid, "wrong type for value; expected string; got " + gotmpl::TypeName(args[0]));
    return Value(std::find(versions_.begin(), versions_.end(), *args[0].as_string()) != versions_.end());
  }

 private:
  std::vector<std::string> versions_;
  ListPtr elements_;
};

// .Capabilities.KubeVersion
class KubeVersion : public Object {
 public:
  explicit KubeVersion(const std::string& v) : version_(v.starts_with('v') ? v : "v" + v) {}
  const char* TypeName() const override { return "chartutil.KubeVersion"; }
  std::string Print() const override { return version_; }
  MemberResult Member(const std::string& name, const List&) override {
    auto parts = Split(version_.substr(1), '.');
    if (name == "Version" || name == "GitVersion" || name == "String") return Value(version_);
    if (name == "Major") return Value(parts[0]);
    if (name == "Minor") return Value(parts.size() > 1 ? parts[1] : "");
    return std::nullopt;
  }

 private:
  std::string version_;
};

// A Go struct: its fields and no others.
class Struct : public Object {
 public:
  Struct(const char* type, Map fields) : type_(type), fields_(std::move(fields)) {}
  const char* TypeName() const override { return type_; }
  std::string Print() const override {
    std::string out;
    for (const auto& [k, v] : fields_) out += (out.empty() ? "" : " ") + gotmpl::Print(v);
    return "{" + out + "}";
  }
  MemberResult Member(const std::string& name, const List& args) override {
    auto it = fields_.find(name);
    if (it == fields_.end()) return std::nullopt;
    if (!args.empty()) return MakeError(Code::kInvalid, name + " is not a method but has arguments");
    return it->second;
  }

 private:
  const char* type_;
  Map fields_;
};

// A glob in which * stops at slashes and ** does not, with {a,b} and [!a].
std::string GlobToRegex(const std::string& glob) {
  std::string out;
  int braces = 0;
  for (size_t i = 0; i < glob.size(); ++i) {
    char c = glob[i];
    if (c == '*' && i + 1 < glob.size() && glob[i + 1] == '*') {
      out += ".*";
      ++i;
    } else if (c == '*') {
      out += "[^/]*";
    } else if (c == '?') {
      out += "[^/]";
    } else if (c == '{') {
      ++braces;
      out += "(?:";
    } else if (c == '}' && braces > 0) {
      --braces;
      out += ")";
    } else if (c == ',' && braces > 0) {
      out += "|";
    } else if (c == '[') {
      size_t end = glob.find(']', i + 1);
      if (end == glob.npos) return "(";  // no glob
      std::string set = glob.substr(i + 1, end - i - 1);
      out += "[" + (set.starts_with('!') ? "^" + set.substr(1) : set) + "]";
      i = end;
    } else if (c == '\\' && i + 1 < glob.size()) {
      out += RE2::QuoteMeta(glob.substr(++i, 1));
    } else {
      out += RE2::QuoteMeta(std::string(1, c));
    }
  }
  return out;
}

// .Files: a map of bytes with methods.
class ChartFiles : public Object {
 public:
  explicit ChartFiles(Files files) : files_(std::move(files)) {
    for (const auto& [path, text] : files_) items_[path] = gotmpl::BytesValue(text);
  }
  const char* TypeName() const override { return "engine.files"; }
  std::string Print() const override { return gotmpl::Print(Value::NewMap(items_)); }
  const Map* Items() const override { return &items_; }

  MemberResult Member(const std::string& name, const List& args) override {
    if (name == "AsConfig" || name == "AsSecrets") {
      if (!args.empty()) return WrongArgs(name, 0, args.size());
      return AsData(name == "AsSecrets");
    }
    if (name != "Get" && name != "GetBytes" && name != "Glob" && name != "Lines") {
      auto it = items_.find(name);
      return it == items_.end() ? Value() : it->second;
    }
    if (args.size() != 1) return WrongArgs(name, 1, args.size());
    if (!args[0].as_string())
      return MakeError(Code::kInvalid, "wrong type for value; expected string; got " + gotmpl::TypeName(args[0]));
    const std::string& path = *args[0].as_string();
    if (name == "Glob") return Glob(path);
    auto it = files_.find(path);
    std::string text = it == files_.end() ? "" : it->second;
    if (name == "Get") return Value(text);
    if (name == "GetBytes") return gotmpl::BytesValue(text);
    List lines;
    if (text.ends_with('\n')) text.pop_back();
    if (it != files_.end())
      for (const std::string& line : Split(text, '\n')) lines.emplace_back(line);
    return Value::NewList(std::move(lines));
  }

 private:
  Value Glob(const std::string& pattern) const {
    RE2::Options options;
    options.set_log_errors(false);
    RE2 glob(GlobToRegex(pattern), options);
    Files out;
    for (const auto& [path, text] : files_)
      if (!glob.ok() || RE2::FullMatch(path, glob)) out[path] = text;
    return Make<ChartFiles>(std::move(out));
  }

  Value AsData(bool encoded) const {
    Json out = Json::object();
    for (const auto& [path, text] : files_) out[path.substr(path.rfind('/') + 1)] = encoded ? Base64Encode(text) : text;
    std::string yaml = value::ToYaml(out);
    if (yaml.ends_with('\n')) yaml.pop_back();
    return Value(yaml);
  }

  Files files_;
  Map items_;
};

Value ChartMetadata(const Chart& chart, bool root) {
  auto text = [&](const char* field) { return Value(value::Str(chart.metadata, field)); };
  auto list = [&](const char* field) {
    const Json& v = value::At(chart.metadata, field);
    return gotmpl::FromJson(v.is_array() ? v : Json::array());
  };
  List maintainers;
  for (const Json& m : value::At(chart.metadata, "maintainers"))
    maintainers.push_back(Make<Struct>("*chart.Maintainer", Map{{"Name", Value(value::Str(m, "name"))},
                                                                {"Email", Value(value::Str(m, "email"))},
                                                                {"URL", Value(value::Str(m, "url"))}}));
  List dependencies;
  for (const Dependency& d : chart.requirements)
    dependencies.push_back(Make<Struct>("*chart.Dependency", Map{{"Name", Value(d.name)},
                                                                 {"Version", Value(d.version)},
                                                                 {"Condition", Value(d.condition)},
                                                                 {"Enabled", Value(d.enabled)},
                                                                 {"Alias", Value(d.alias)}}));
  const Json& annotations = value::At(chart.metadata, "annotations");
  return Make<Struct>("struct { chart.Metadata; IsRoot bool }",
                      Map{{"Name", Value(chart.name)},
                          {"Home", text("home")},
                          {"Sources", list("sources")},
                          {"Version", Value(chart.version)},
                          {"Description", text("description")},
                          {"Keywords", list("keywords")},
                          {"Maintainers", Value::NewList(std::move(maintainers))},
                          {"Icon", text("icon")},
                          {"APIVersion", text("apiVersion")},
                          {"Condition", text("condition")},
                          {"Tags", text("tags")},
                          {"AppVersion", Value(chart.app_version)},
                          {"Deprecated", Value(value::Bool(chart.metadata, "deprecated"))},
                          {"Annotations", gotmpl::FromJson(annotations.is_object() ? annotations : Json::object())},
                          {"KubeVersion", text("kubeVersion")},
                          {"Dependencies", Value::NewList(std::move(dependencies))},
                          {"Type", text("type")},
                          {"IsRoot", Value(root)}});
}

class Collector {
 public:
  explicit Collector(const Release& r)
      : release_(Value::NewMap({{"Name", Value(r.name)},
                                {"Namespace", Value(r.ns)},
                                {"Service", Value("Helm")},
                                {"IsUpgrade", Value(r.is_upgrade)},
                                {"IsInstall", Value(!r.is_upgrade)},
                                {"Revision", Value(1)}})),
        capabilities_(
            Make<Struct>("*chartutil.Capabilities",
                         Map{{"KubeVersion", Make<KubeVersion>(r.kube_version)},
                             {"APIVersions", Make<ApiVersions>(r.api_versions)},
                             {"HelmVersion", Make<Struct>("version.BuildInfo", Map{{"Version", Value("v3.19")},
                                                                                   {"GitCommit", Value("")},
                                                                                   {"GitTreeState", Value("")},
                                                                                   {"GoVersion", Value("")}})}})) {}

  std::vector<TemplateFile> files;

  Value Add(const Chart& chart, const Value& values, const std::string& full_path, bool root) {
    Value subcharts = Value::NewMap();
    Value context = Value::NewMap({{"Chart", ChartMetadata(chart, root)},
                                   {"Release", release_},
                                   {"Capabilities", capabilities_},
                                   {"Files", Make<ChartFiles>(chart.files)},
                                   {"Subcharts", subcharts},
                                   {"Values", values}});
    for (const Chart& sub : chart.charts) {
      const Map& all = **values.as_map();
      auto it = all.find(sub.name);
      Value theirs = it != all.end() && it->second.as_map() ? it->second : Value::NewMap();
      (**subcharts.as_map())[sub.name] = Add(sub, theirs, full_path + "/charts/" + sub.name, false);
    }
    for (const auto& [path, text] : chart.templates) {
      bool partial = path.substr(path.rfind('/') + 1).starts_with('_');
      if (chart.is_library() && !partial) continue;
      files.push_back({full_path + "/" + path, text, full_path + "/templates", context});
    }
    return context;
  }

 private:
  Value release_, capabilities_;
};

}  // namespace

// Those of the clients that Helm 3.19 was built with.
std::vector<std::string> Release::KnownApiVersions() {
  return {
      "v1",
      "admissionregistration.k8s.io/v1",
      "admissionregistration.k8s.io/v1alpha1",
      "admissionregistration.k8s.io/v1beta1",
      "internal.apiserver.k8s.io/v1alpha1",
      "apps/v1",
      "apps/v1beta1",
      "apps/v1beta2",
      "authentication.k8s.io/v1",
      "authentication.k8s.io/v1alpha1",
      "authentication.k8s.io/v1beta1",
      "authorization.k8s.io/v1",
      "authorization.k8s.io/v1beta1",
      "autoscaling/v1",
      "autoscaling/v2",
      "autoscaling/v2beta1",
      "autoscaling/v2beta2",
      "batch/v1",
      "batch/v1beta1",
      "certificates.k8s.io/v1",
      "certificates.k8s.io/v1beta1",
      "certificates.k8s.io/v1alpha1",
      "coordination.k8s.io/v1alpha2",
      "coordination.k8s.io/v1beta1",
      "coordination.k8s.io/v1",
      "discovery.k8s.io/v1",
      "discovery.k8s.io/v1beta1",
      "events.k8s.io/v1",
      "events.k8s.io/v1beta1",
      "extensions/v1beta1",
      "flowcontrol.apiserver.k8s.io/v1",
      "flowcontrol.apiserver.k8s.io/v1beta1",
      "flowcontrol.apiserver.k8s.io/v1beta2",
      "flowcontrol.apiserver.k8s.io/v1beta3",
      "networking.k8s.io/v1",
      "networking.k8s.io/v1beta1",
      "node.k8s.io/v1",
      "node.k8s.io/v1alpha1",
      "node.k8s.io/v1beta1",
      "policy/v1",
      "policy/v1beta1",
      "rbac.authorization.k8s.io/v1",
      "rbac.authorization.k8s.io/v1beta1",
      "rbac.authorization.k8s.io/v1alpha1",
      "resource.k8s.io/v1",
      "resource.k8s.io/v1beta2",
      "resource.k8s.io/v1beta1",
      "resource.k8s.io/v1alpha3",
      "scheduling.k8s.io/v1alpha1",
      "scheduling.k8s.io/v1beta1",
      "scheduling.k8s.io/v1",
      "storage.k8s.io/v1beta1",
      "storage.k8s.io/v1",
      "storage.k8s.io/v1alpha1",
      "storagemigration.k8s.io/v1alpha1",
      "apiextensions.k8s.io/v1beta1",
      "apiextensions.k8s.io/v1",
  };
}

std::vector<TemplateFile> TemplateFiles(const Chart& chart, const Json& values, const Release& release) {
  Collector c(release);
  c.Add(chart, gotmpl::FromJson(values, false), chart.name, true);
  std::stable_sort(c.files.begin(), c.files.end(), [](const TemplateFile& a, const TemplateFile& b) {
    auto depth_a = std::count(a.path.begin(), a.path.end(), '/'),
         depth_b = std::count(b.path.begin(), b.path.end(), '/');
    return depth_a != depth_b ? depth_a > depth_b : a.path > b.path;
  });
  return std::move(c.files);
}

}  // namespace fairlead::chart
