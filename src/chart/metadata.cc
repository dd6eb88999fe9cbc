#include "chart/metadata.h"

#include <charconv>

#include "gotmpl/semver.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

Error Invalid(const std::string& message) { return MakeError(Code::kInvalid, "validation: " + message); }

// What Helm reads into a string: a number of YAML is text here, a floating point one with single precision.
std::string Scalar(const Json& j) {
  if (j.is_string()) return j.get<std::string>();
  if (j.is_boolean() || j.is_number_integer()) return value::Dump(j);
  if (!j.is_number()) return "";
  char buffer[64];
  auto [end, ec] = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(j.get<double>()));
  return {buffer, end};
}

Status ReadDependencies(const Json& list, Chart& chart) {
  if (list.is_null()) return {};
  if (!list.is_array()) return MakeError(Code::kInvalid, "cannot load Chart.yaml: dependencies: expected a list");
  for (const Json& entry : list) {
    if (!entry.is_object()) return Invalid("dependencies must not contain empty or null nodes");
    Dependency d{.name = Scalar(value::At(entry, "name")),
                 .version = Scalar(value::At(entry, "version")),
                 .alias = Scalar(value::At(entry, "alias")),
                 .condition = Scalar(value::At(entry, "condition")),
                 .import_values = value::At(entry, "import-values")};
    for (const Json& tag : value::At(entry, "tags")) d.tags.push_back(Scalar(tag));
    for (char c : d.alias)
      if (!isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-')
        return Invalid("dependency \"" + d.name + "\" has disallowed characters in the alias");
    for (const Dependency& other : chart.requirements)
      if ((d.alias.empty() ? d.name : d.alias) == (other.alias.empty() ? other.name : other.alias))
        return Invalid("more than one dependency with name or alias \"" + (d.alias.empty() ? d.name : d.alias) + "\"");
    chart.requirements.push_back(std::move(d));
  }
  return {};
}

}  // namespace

Status ReadMetadata(const std::string& text, Chart& chart) {
  FL_ASSIGN(chart.metadata, value::ParseYaml(text, "cannot load Chart.yaml: error converting YAML to JSON: yaml"));
  if (!chart.metadata.is_null() && !chart.metadata.is_object())
    return MakeError(
        Code::kInvalid,
        std::string("cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ") +
            value::TypeName(chart.metadata) + " into Go value of type chart.Metadata");
  for (const char* field :
       {"name", "version", "appVersion", "kubeVersion", "description", "type", "apiVersion", "home", "icon"})
    if (const Json& v = value::At(chart.metadata, field); v.is_structured())
      return MakeError(
          Code::kInvalid,
          std::string("cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ") +
              value::TypeName(v) + " into Go struct field Metadata." + field + " of type string");
    else if (!v.is_null())
      chart.metadata[field] = Scalar(v);
  if (value::Str(chart.metadata, "apiVersion").empty()) chart.metadata["apiVersion"] = "v1";
  chart.name = value::Str(chart.metadata, "name");
  chart.version = value::Str(chart.metadata, "version");
  chart.app_version = value::Str(chart.metadata, "appVersion");
  if (chart.name.empty()) return Invalid("chart.metadata.name is required");
  if (chart.name.find('/') != chart.name.npos) return Invalid("chart.metadata.name \"" + chart.name + "\" is invalid");
  if (chart.version.empty()) return Invalid("chart.metadata.version is required");
  if (!gotmpl::SemanticVersion::Parse(chart.version).ok())
    return Invalid("chart.metadata.version \"" + chart.version + "\" is invalid");
  std::string type = value::Str(chart.metadata, "type");
  if (!type.empty() && type != "application" && type != "library")
    return Invalid("chart.metadata.type must be application or library");
  return ReadDependencies(value::At(chart.metadata, "dependencies"), chart);
}

bool IsCompatibleRange(const std::string& constraint, const std::string& version) {
  auto range = gotmpl::VersionConstraint::Parse(constraint);
  auto v = gotmpl::SemanticVersion::Parse(version);
  return range.ok() && v.ok() && range->Matches(*v);
}

}  // namespace fairlead::chart
