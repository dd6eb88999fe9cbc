// JSON schema, drafts 4 to 2020-12, without what refers to other documents and without formats. The messages are those
// of the validator that Helm uses: santhosh-tekuri/jsonschema v6.
#include "chart/schema.h"

#include <re2/re2.h>

#include <cmath>

#include "gotmpl/quote.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

constexpr int kMaxSchemaDepth = 200;

struct Failure {
  std::string at, message;
  std::vector<Failure> causes;
  bool hidden = false;  // only its causes are worth a line
};
using Failures = std::vector<Failure>;

struct Unsupported {
  std::string what;
};

std::string Quote(const std::string& s) {
  std::string q = ReplaceAll(ReplaceAll(gotmpl::QuoteGo(s), "\\\"", "\""), "'", "\\'");
  return "'" + q.substr(1, q.size() - 2) + "'";
}
std::string QuoteAll(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& s : all) out += (out.empty() ? "" : ", ") + Quote(s);
  return out;
}
std::string Display(const Json& v) {
  if (v.is_string()) return Quote(v.get<std::string>());
  if (v.is_structured()) return "value";
  if (v.is_null()) return "<nil>";
  return v.is_number_float() ? value::FormatFloat(v.get<double>(), 21) : value::Dump(v);
}
// English numbers: 1,234.5
std::string Number(double d) {
  std::string s = value::FormatFloat(d, 21);
  size_t end = std::min(s.find('.'), s.size()), start = s.starts_with('-') ? 1 : 0;
  if (s.find('e') == s.npos)
    for (size_t i = end; i > start + 3; i -= 3) s.insert(i - 3, ",");
  return s;
}
std::string Count(size_t n) { return Number(static_cast<double>(n)); }
const char* KindOf(const Json& v) { return v.is_number() ? "number" : value::TypeName(v); }
bool IsWhole(const Json& v) {
  return v.is_number_integer() || (v.is_number() && std::floor(v.get<double>()) == v.get<double>());
}

bool Same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  if (a.is_array() && b.is_array()) return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), Same);
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [k, v] : a.items())
      if (!b.contains(k) || !Same(v, b[k])) return false;
    return true;
  }
  return a == b;
}

size_t Characters(const std::string& s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class Validator {
 public:
  explicit Validator(const Json& root) : root_(root) {
    std::string schema = value::Str(root, "$schema");
    if (schema.find("draft-04") != schema.npos || schema.find("draft-06") != schema.npos ||
        schema.find("draft-07") != schema.npos)
      old_ = true;
  }

  // nullopt: it fits.
  std::optional<Failure> Check(const Json& schema, const Json& v, const std::string& at, int depth = 0) {
    if (depth > kMaxSchemaDepth)
      throw Unsupported{"a schema that is nested more than " + std::to_string(kMaxSchemaDepth) + " deep"};
    if (schema.is_boolean()) {
      if (schema.get<bool>()) return std::nullopt;
      return Failure{at, "false schema", {}};
    }
    for (const char* keyword : {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})
      if (schema.contains(keyword)) throw Unsupported{std::string("the keyword ") + keyword};
    if (auto f = CheckType(schema, v, at)) return f;
    if (const Json& want = value::Member(schema, "const"); schema.contains("const") && !Same(v, want))
      return Failure{at, want.is_structured() ? "'const' failed" : "value must be " + Display(want), {}};
    if (auto f = CheckEnum(schema, v, at)) return f;
    Failures all;
    if (const Json& ref = value::Member(schema, "$ref"); ref.is_string()) {
      auto f = Check(Resolve(ref.get<std::string>()), v, at, depth + 1);
      if (f) f = Failure{at, "validation failed", {std::move(*f)}, true};
      if (old_) return f;
      if (f) all.push_back(std::move(*f));
    }
    if (v.is_object()) Object(schema, v, at, depth, all);
    if (v.is_array()) Array(schema, v, at, depth, all);
    if (v.is_string()) String(schema, v.get_ref<const std::string&>(), at, all);
    if (v.is_number()) Numeric(schema, v.get<double>(), at, all);
    Conditions(schema, v, at, depth, all);
    if (all.empty()) return std::nullopt;
    if (all.size() == 1) return std::move(all[0]);
    return Failure{at, "validation failed", std::move(all), depth == 0};
  }

 private:
  static void Add(Failures& all, std::optional<Failure> f) {
    if (f) all.push_back(std::move(*f));
  }

  const Json& Resolve(const std::string& ref) const {
    if (ref == "#") return root_;
    if (!ref.starts_with("#/")) throw Unsupported{"the reference " + ref + " to another document"};
    try {
      std::string pointer = ReplaceAll(ReplaceAll(ref.substr(1), "%25", "%"), "%24", "$");
      return root_.at(Json::json_pointer(pointer));
    } catch (const Json::exception&) {
      throw Unsupported{"the reference " + ref + ", which leads nowhere"};
    }
  }

  static std::optional<Failure> CheckType(const Json& schema, const Json& v, const std::string& at) {
    const Json& type = value::Member(schema, "type");
    if (type.is_null()) return std::nullopt;
    std::vector<std::string> want;
    if (type.is_string()) want.push_back(type.get<std::string>());
    if (type.is_array())
      for (const Json& t : type) want.push_back(value::AsString(t));
    for (const std::string& t : want)
      if (t == KindOf(v) || (t == "integer" && IsWhole(v))) return std::nullopt;
    std::string names;
    for (const char* t : {"null", "boolean", "number", "integer", "string", "array", "object"})
      if (std::find(want.begin(), want.end(), t) != want.end()) names += (names.empty() ? "" : " or ") + std::string(t);
    return Failure{at, std::string("got ") + KindOf(v) + ", want " + names, {}};
  }

  static std::optional<Failure> CheckEnum(const Json& schema, const Json& v, const std::string& at) {
    const Json& list = value::Member(schema, "enum");
    if (!list.is_array()) return std::nullopt;
    std::string all;
    bool simple = true;
    for (const Json& item : list) {
      if (Same(item, v)) return std::nullopt;
      simple = simple && !item.is_structured();
      all += (all.empty() ? "" : ", ") + Display(item);
    }
    return Failure{at,
                   !simple            ? "'enum' failed"
                   : list.size() == 1 ? "value must be " + all
                                      : "value must be one of " + all,
                   {}};
  }

  static std::vector<std::string> Missing(const Json& v, const Json& names) {
    std::vector<std::string> out;
    for (const Json& name : names)
      if (name.is_string() && !v.contains(name.get<std::string>())) out.push_back(name.get<std::string>());
    return out;
  }

  void Object(const Json& schema, const Json& v, const std::string& at, int depth, Failures& all) {
    if (const Json& n = value::Member(schema, "minProperties");
        n.is_number() && static_cast<double>(v.size()) < n.get<double>())
      all.push_back({at, "minProperties: got " + Count(v.size()) + ", want " + Number(n.get<double>()), {}});
    if (const Json& n = value::Member(schema, "maxProperties");
        n.is_number() && static_cast<double>(v.size()) > n.get<double>())
      all.push_back({at, "maxProperties: got " + Count(v.size()) + ", want " + Number(n.get<double>()), {}});
    if (auto missing = Missing(v, value::Member(schema, "required")); !missing.empty())
      all.push_back({at, (missing.size() == 1 ? "missing property " : "missing properties ") + QuoteAll(missing), {}});
    for (const char* keyword : {"dependencies", "dependentRequired", "dependentSchemas"})
      for (const auto& [name, dependency] : value::Member(schema, keyword).items()) {
        if (!v.contains(name)) continue;
        if (!dependency.is_array())
          Add(all, Check(dependency, v, at, depth + 1));
        else if (auto missing = Missing(v, dependency); !missing.empty())
          all.push_back({at, "properties " + QuoteAll(missing) + " required, if " + Quote(name) + " exists", {}});
      }
    Properties(schema, v, at, depth, all);
    if (const Json& names = value::Member(schema, "propertyNames"); !names.is_null())
      for (const auto& [name, item] : v.items())
        if (auto f = Check(names, Json(name), "", depth + 1))
          all.push_back({at, "invalid propertyName " + Quote(name), {std::move(*f)}});
  }

  void Properties(const Json& schema, const Json& v, const std::string& at, int depth, Failures& all) {
    std::vector<std::string> additional;
    const Json &properties = value::Member(schema, "properties"),
               &others = value::Member(schema, "additionalProperties");
    for (const auto& [name, item] : v.items()) {
      std::string below = at + "/" + ReplaceAll(ReplaceAll(name, "~", "~0"), "/", "~1");
      bool known = properties.contains(name);
      if (known) Add(all, Check(properties[name], item, below, depth + 1));
      for (const auto& [pattern, s] : value::Member(schema, "patternProperties").items())
        if (Matches(name, pattern)) {
          known = true;
          Add(all, Check(s, item, below, depth + 1));
        }
      if (known || others.is_null()) continue;
      if (others.is_boolean()) {
        if (!others.get<bool>()) additional.push_back(name);
      } else {
        Add(all, Check(others, item, below, depth + 1));
      }
    }
    if (!additional.empty()) all.push_back({at, "additional properties " + QuoteAll(additional) + " not allowed", {}});
  }

  void Array(const Json& schema, const Json& v, const std::string& at, int depth, Failures& all) {
    if (const Json& n = value::Member(schema, "minItems");
        n.is_number() && static_cast<double>(v.size()) < n.get<double>())
      all.push_back({at, "minItems: got " + Count(v.size()) + ", want " + Number(n.get<double>()), {}});
    if (const Json& n = value::Member(schema, "maxItems");
        n.is_number() && static_cast<double>(v.size()) > n.get<double>())
      all.push_back({at, "maxItems: got " + Count(v.size()) + ", want " + Number(n.get<double>()), {}});
    if (value::Bool(schema, "uniqueItems")) Unique(v, at, all);
    const Json& items = value::Member(schema, "items");
    const Json& first = items.is_array() ? items : value::Member(schema, "prefixItems");
    const Json& rest = items.is_array() ? value::Member(schema, "additionalItems") : items;
    size_t fixed = first.is_array() ? std::min(first.size(), v.size()) : 0;
    for (size_t i = 0; i < fixed; ++i) Add(all, Check(first[i], v[i], at + "/" + std::to_string(i), depth + 1));
    if (items.is_array() && rest == Json(false) && fixed < v.size())
      all.push_back({at, "last " + Count(v.size() - fixed) + " additionalItem(s) not allowed", {}});
    else if (!rest.is_null())
      for (size_t i = fixed; i < v.size(); ++i) Add(all, Check(rest, v[i], at + "/" + std::to_string(i), depth + 1));
    if (const Json& contains = value::Member(schema, "contains"); !contains.is_null()) {
      Failures failures;
      for (size_t i = 0; i < v.size(); ++i)
        Add(failures, Check(contains, v[i], at + "/" + std::to_string(i), depth + 1));
      if (failures.size() == v.size()) all.push_back({at, "no items match contains schema", std::move(failures)});
    }
  }

  static void Unique(const Json& v, const std::string& at, Failures& all) {
    if (v.size() > 10000) throw Unsupported{"uniqueItems for a list of more than 10000"};
    for (size_t j = 1; j < v.size(); ++j)
      for (size_t i = 0; i < j; ++i)
        if (Same(v[i], v[j])) {
          all.push_back({at, "items at " + Count(i) + " and " + Count(j) + " are equal", {}});
          return;
        }
  }

  static bool Matches(const std::string& s, const std::string& pattern) {
    RE2::Options options;
    options.set_log_errors(false);
    RE2 re(pattern, options);
    if (!re.ok()) throw Unsupported{"the regular expression " + pattern};
    return RE2::PartialMatch(s, re);
  }

  static void String(const Json& schema, const std::string& s, const std::string& at, Failures& all) {
    size_t length = Characters(s);
    if (const Json& n = value::Member(schema, "minLength");
        n.is_number() && static_cast<double>(length) < n.get<double>())
      all.push_back({at, "minLength: got " + Count(length) + ", want " + Number(n.get<double>()), {}});
    if (const Json& n = value::Member(schema, "maxLength");
        n.is_number() && static_cast<double>(length) > n.get<double>())
      all.push_back({at, "maxLength: got " + Count(length) + ", want " + Number(n.get<double>()), {}});
    if (std::string pattern = value::Str(schema, "pattern"); !pattern.empty() && !Matches(s, pattern))
      all.push_back({at, Quote(s) + " does not match pattern " + Quote(pattern), {}});
  }

  static void Numeric(const Json& schema, double d, const std::string& at, Failures& all) {
    auto bound = [&](const char* keyword, bool bad, const Json& n) {
      if (bad)
        all.push_back({at, std::string(keyword) + ": got " + Number(d) + ", want " + Number(n.get<double>()), {}});
    };
    const Json &min = value::Member(schema, "minimum"), &max = value::Member(schema, "maximum");
    const Json &over = value::Member(schema, "exclusiveMinimum"), &under = value::Member(schema, "exclusiveMaximum");
    // In draft 4 these two are booleans that change the meaning of the others.
    bool strict_min = over.is_boolean() && over.get<bool>(), strict_max = under.is_boolean() && under.get<bool>();
    if (min.is_number())
      bound(strict_min ? "exclusiveMinimum" : "minimum", strict_min ? d <= min.get<double>() : d < min.get<double>(),
            min);
    if (max.is_number())
      bound(strict_max ? "exclusiveMaximum" : "maximum", strict_max ? d >= max.get<double>() : d > max.get<double>(),
            max);
    if (over.is_number()) bound("exclusiveMinimum", d <= over.get<double>(), over);
    if (under.is_number()) bound("exclusiveMaximum", d >= under.get<double>(), under);
    if (const Json& n = value::Member(schema, "multipleOf"); n.is_number() && n.get<double>() > 0) {
      double q = d / n.get<double>();
      bound("multipleOf", std::fabs(q - std::round(q)) > 1e-9, n);
    }
  }

  void Conditions(const Json& schema, const Json& v, const std::string& at, int depth, Failures& all) {
    if (const Json& s = value::Member(schema, "not"); !s.is_null() && !Check(s, v, at, depth + 1))
      all.push_back({at, "'not' failed", {}});
    Failures failures;
    const Json& every = value::Member(schema, "allOf");
    for (const Json& s : every.is_array() ? every : Json::array()) Add(failures, Check(s, v, at, depth + 1));
    if (!failures.empty()) all.push_back({at, "'allOf' failed", std::exchange(failures, {})});
    if (const Json& any = value::Member(schema, "anyOf"); any.is_array() && !any.empty()) {
      for (const Json& s : any) Add(failures, Check(s, v, at, depth + 1));
      if (failures.size() == any.size()) all.push_back({at, "'anyOf' failed", failures});
      failures.clear();
    }
    if (const Json& one = value::Member(schema, "oneOf"); one.is_array() && !one.empty()) {
      std::vector<size_t> matched;
      for (size_t i = 0; i < one.size(); ++i) {
        auto f = Check(one[i], v, at, depth + 1);
        if (f)
          failures.push_back(std::move(*f));
        else
          matched.push_back(i);
      }
      if (matched.empty()) all.push_back({at, "'oneOf' failed, none matched", std::move(failures)});
      if (matched.size() > 1)
        all.push_back(
            {at, "'oneOf' failed, subschemas " + Count(matched[0]) + ", " + Count(matched[1]) + " matched", {}});
    }
    if (const Json& condition = value::Member(schema, "if"); !condition.is_null()) {
      const Json& s = value::Member(schema, Check(condition, v, at, depth + 1) ? "else" : "then");
      if (!s.is_null()) Add(all, Check(s, v, at, depth + 1));
    }
  }

  const Json& root_;
  bool old_ = false;
};

void Print(const Failure& f, size_t indent, std::string& out) {
  if (!f.hidden) {
    if (!out.empty()) out += '\n';
    out += std::string(indent * 2, ' ') + "- at " + Quote(f.at) + ": " + f.message;
    ++indent;
  }
  for (const Failure& cause : f.causes) Print(cause, indent, out);
}

Result<std::string> Differences(const Chart& chart, const Json& values) {
  std::string out;
  if (!chart.schema.empty()) {
    FL_ASSIGN(Json schema, value::ParseJson(chart.schema, chart.name + "/values.schema.json"));
    try {
      if (auto failure = Validator(schema).Check(schema, values, "")) {
        std::string text;
        Print(*failure, 0, text);
        out += chart.name + ":\n" + text + "\n";
      }
    } catch (const Unsupported& e) {
      return MakeError(Code::kUnsupported, chart.name + "/values.schema.json: " + e.what + " is not supported");
    }
  }
  for (const Chart& sub : chart.charts) {
    const Json& theirs = value::Member(values, sub.name);
    if (theirs.is_null()) continue;
    FL_ASSIGN(std::string more, Differences(sub, theirs));
    out += more;
  }
  return out;
}

}  // namespace

Status ValidateAgainstSchemas(const Chart& chart, const Json& values) {
  FL_ASSIGN(std::string differences, Differences(chart, values));
  if (differences.empty()) return {};
  return MakeError(Code::kInvalid,
                   "values don't meet the specifications of the schema(s) in the following chart(s):\n" + differences);
}

}  // namespace fairlead::chart
