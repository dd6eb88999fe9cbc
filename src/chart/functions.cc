#include "chart/functions.h"

#include "chart/toml.h"
#include "gotmpl/json_check.h"
#include "gotmpl/json_text.h"
#include "gotmpl/quote.h"
#include "util/strings.h"
#include "util/unicode.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

using gotmpl::Engine;
using gotmpl::List;
using gotmpl::Value;
using S = gotmpl::Signature;

constexpr std::string_view kWarningStart = "HELM_ERR_START", kWarningEnd = "HELM_ERR_END";
constexpr int kMaxNestedIncludes = 1000;

Error Warning(const std::string& message) {
  return MakeError(Code::kInvalid, std::string(kWarningStart) + message + std::string(kWarningEnd));
}
const std::string& Text(const Value& v) { return *v.as_string(); }

// Helm's toYaml reads its own JSON as YAML on the way, which control characters stop: the text is then empty.
bool HasControl(const Json& j) {
  if (j.is_structured()) {
    for (const auto& [k, v] : j.items())
      if ((j.is_object() && HasControl(Json(k))) || HasControl(v)) return true;
    return false;
  }
  if (!j.is_string()) return false;
  const auto& s = j.get_ref<const std::string&>();
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(std::string_view(s).substr(i), size);
    if ((r >= 0x7f && r < 0xa0 && r != 0x85) || r == 0xfffe || r == 0xffff) return true;
    i += static_cast<size_t>(size);
  }
  return false;
}
Value WithoutNewline(std::string s) {
  if (s.ends_with('\n')) s.pop_back();
  return Value(std::move(s));
}

const char* GoKind(const Json& j) {
  return j.is_boolean()  ? "bool"
         : j.is_number() ? "number"
         : j.is_string() ? "string"
         : j.is_array()  ? "array"
                         : "object";
}

// A parsed document, or the error's text where Helm puts it: templates go on.
Value MapOrError(const Result<Json>& j, const std::string& decoding, const Value& nothing) {
  std::string error = !j.ok()                          ? j.error().message
                      : j->is_null() || j->is_object() ? ""
                                                       : decoding + "json: cannot unmarshal " + GoKind(*j) +
                                                             " into Go value of type map[string]interface {}";
  if (!error.empty()) return Value::NewMap({{"Error", Value(error)}});
  return j->is_null() ? nothing : gotmpl::FromJson(*j);
}
Value ListOrError(const Result<Json>& j, const std::string& decoding, const Value& nothing) {
  std::string error = !j.ok() ? j.error().message
                      : j->is_null() || j->is_array()
                          ? ""
                          : decoding + "json: cannot unmarshal " + GoKind(*j) + " into Go value of type []interface {}";
  if (!error.empty()) return Value::NewList({Value(error)});
  return j->is_null() ? nothing : gotmpl::FromJson(*j);
}

constexpr const char* kDecodingYaml = "error unmarshaling JSON: while decoding JSON: ";
Result<Json> Yaml(const List& a) { return value::ParseYaml(Text(a[0]), "error converting YAML to JSON: yaml"); }
Result<Json> JsonText(const List& a) { return gotmpl::ParseGoJson(Text(a[0])); }

void RegisterTemplates(Engine& e) {
  auto nested = std::make_shared<std::map<std::string, int>>();
  e.Register("include", {{S::kString, S::kAny}}, [nested](Engine& engine, const List& a) -> Result<Value> {
    int& depth = (*nested)[Text(a[0])];
    if (depth > kMaxNestedIncludes)
      return MakeError(Code::kInvalid, "rendering template has a nested reference name: " + Text(a[0]) +
                                           ": unable to execute template");
    ++depth;
    auto out = engine.Execute(Text(a[0]), a[1]);
    --(*nested)[Text(a[0])];
    if (!out.ok()) return out.error();
    return Value(*out);
  });
  e.Register("tpl", {{S::kString, S::kAny}}, [](Engine& engine, const List& a) -> Result<Value> {
    bool parsed = false;
    auto out = engine.ExecuteText("gotpl", Text(a[0]), a[1], &parsed);
    if (!out.ok())
      return out.error().Wrap((parsed ? "error during tpl function execution for " : "cannot parse template ") +
                              gotmpl::QuoteGo(Text(a[0])));
    return Value(ReplaceAll(*out, "<no value>", ""));
  });
}

}  // namespace

void RegisterHelm(Engine& e, const Release& release) {
  RegisterTemplates(e);
  e.Register("required", {{S::kString, S::kAny}}, [](Engine&, const List& a) -> Result<Value> {
    if (a[1].is_nil() || (a[1].as_string() && a[1].as_string()->empty())) return Warning(Text(a[0]));
    return a[1];
  });
  e.Register("fail", {{S::kString}}, [](Engine&, const List& a) -> Result<Value> { return Warning(Text(a[0])); });
  e.Register("lookup", {{S::kString, S::kString, S::kString, S::kString}},
             [release](Engine&, const List& a) -> Result<Value> {
               if (!release.lookup) return Value::NewMap();
               FL_ASSIGN(Json found, release.lookup(Text(a[0]), Text(a[1]), Text(a[2]), Text(a[3])));
               return found.is_object() ? gotmpl::FromJson(found, false) : Value::NewMap();
             });
  e.Register("getHostByName", {{S::kString}}, [](Engine&, const List&) -> Result<Value> { return Value(""); });
  for (const char* name : {"toYaml", "mustToYaml"})
    e.Register(name, {{S::kAny}}, [](Engine&, const List& a) -> Result<Value> {
      Json j = gotmpl::ToJson(a[0]);
      return HasControl(j) ? Value("") : WithoutNewline(value::ToYaml(j));
    });
  e.Register("toYamlPretty", {{S::kAny}}, [](Engine&, const List& a) -> Result<Value> {
    return WithoutNewline(value::ToYamlIndented(gotmpl::ToJson(a[0], true)));
  });
  e.Register("toJson", {{S::kAny}},
             [](Engine&, const List& a) -> Result<Value> { return Value(gotmpl::GoJson(a[0])); });
  e.Register("toToml", {{S::kAny}}, [](Engine&, const List& a) -> Result<Value> {
    auto text = ToToml(a[0]);
    return Value(text.ok() ? *text : text.error().message);
  });
  e.Register("fromToml", {{S::kString}}, [](Engine&, const List& a) -> Result<Value> {
    auto table = FromToml(Text(a[0]));
    return table.ok() ? *table : Value::NewMap({{"Error", Value(table.error().message)}});
  });
  e.Register("fromYaml", {{S::kString}}, [](Engine&, const List& a) -> Result<Value> {
    return MapOrError(Yaml(a), kDecodingYaml, Value::NewMap());
  });
  e.Register("fromYamlArray", {{S::kString}}, [](Engine&, const List& a) -> Result<Value> {
    return ListOrError(Yaml(a), kDecodingYaml, Value::NewList());
  });
  e.Register("fromJson", {{S::kString}},
             [](Engine&, const List& a) -> Result<Value> { return MapOrError(JsonText(a), "", Value()); });
  e.Register("fromJsonArray", {{S::kString}},
             [](Engine&, const List& a) -> Result<Value> { return ListOrError(JsonText(a), "", Value()); });
}

Error ParseErrorOf(const std::string& file, Error e) {
  auto parts = std::vector<std::string>();
  std::string rest = e.message;
  for (size_t at = rest.find(": "); at != rest.npos; at = rest.find(": ")) {
    parts.push_back(rest.substr(0, at));
    rest.erase(0, at + 2);
  }
  parts.push_back(rest);
  e.message = parts.size() == 1 ? "parse error in (" + file + "): " + e.message
                                : "parse error at (" + parts[1] + "): " + parts.back();
  return e;
}

Error ExecutionErrorOf(Error e) {
  size_t start = e.message.find(kWarningStart), end = e.message.rfind(kWarningEnd);
  if (start == e.message.npos || end == e.message.npos || !e.message.starts_with("template: ")) return e;
  std::string where = e.message.substr(10);
  where = where.substr(0, where.find(": "));
  start += kWarningStart.size();
  e.message = "execution error at (" + where + "): " + e.message.substr(start, end - start);
  return e;
}

}  // namespace fairlead::chart
