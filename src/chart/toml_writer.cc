#include "chart/toml.h"
#include "gotmpl/quote.h"
#include "value/yaml.h"

namespace fairlead::chart {
namespace {

// TOML as BurntSushi's encoder lays it out: values before tables, what is below a table indented by two.
class TomlWriter {
 public:
  std::string out;
  Status Table(const Json& table, const std::string& path, size_t depth) {
    if (depth > 100) return MakeError(Code::kInvalid, "toml: nested too deep");
    std::string indent(depth * 2, ' ');
    for (const auto& [k, v] : table.items()) {
      if (v.is_null() || IsTable(v)) continue;
      out += indent + Key(k) + " = ";
      FL_TRY(Inline(v));
      out += '\n';
    }
    for (const auto& [k, v] : table.items()) {
      if (!IsTable(v)) continue;
      std::string name = path.empty() ? Key(k) : path + "." + Key(k);
      if (v.is_array()) {
        for (const Json& item : v) {
          if (!out.empty()) out += '\n';
          out += indent + "[[" + name + "]]\n";
          FL_TRY(Table(item, name, depth + 1));
        }
      } else {
        if (!out.empty() && depth == 0) out += '\n';
        out += indent + "[" + name + "]\n";
        FL_TRY(Table(v, name, depth + 1));
      }
    }
    return {};
  }

 private:
  static bool IsTable(const Json& v) {
    if (v.is_object()) return true;
    return v.is_array() && !v.empty() &&
           std::all_of(v.begin(), v.end(), [](const Json& item) { return item.is_object(); });
  }
  static std::string Key(const std::string& k) {
    bool bare = !k.empty() &&
                std::all_of(k.begin(), k.end(), [](unsigned char c) { return isalnum(c) || c == '_' || c == '-'; });
    return bare ? k : gotmpl::QuoteGo(k);
  }
  Status Inline(const Json& v) {
    if (v.is_null()) return MakeError(Code::kInvalid, "toml: cannot encode array with nil element");
    if (v.is_string()) {
      out += gotmpl::QuoteGo(v.get<std::string>());
    } else if (v.is_array()) {
      out += '[';
      for (bool first = true; const Json& item : v) {
        if (!std::exchange(first, false)) out += ", ";
        FL_TRY(Inline(item));
      }
      out += ']';
    } else if (v.is_object()) {
      out += '{';
      for (bool first = true; const auto& [k, item] : v.items()) {
        if (!std::exchange(first, false)) out += ", ";
        out += Key(k) + " = ";
        FL_TRY(Inline(item));
      }
      out += '}';
    } else if (v.is_number_float()) {
      std::string s = value::FormatFloat(v.get<double>(), 1000);
      out += s.find_first_of(".e") == s.npos ? s + ".0" : s;
    } else {
      out += value::Dump(v);
    }
    return {};
  }
};

}  // namespace

Result<std::string> ToToml(const gotmpl::Value& v) {
  Json table = gotmpl::ToJson(v, true);
  if (!table.is_object()) return MakeError(Code::kInvalid, "toml: top-level values must be Go maps or structs");
  TomlWriter w;
  FL_TRY(w.Table(table, "", 0));
  return std::move(w.out);
}

}  // namespace fairlead::chart
