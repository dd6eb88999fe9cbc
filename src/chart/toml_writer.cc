#include <cmath>

#include "chart/toml.h"
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

  Status Inline(const Json& v) {
    if (v.is_null()) return MakeError(Code::kInvalid, "toml: cannot encode array with nil element");
    if (v.is_string()) {
      out += Quoted(v.get_ref<const std::string&>());
    } else if (v.is_array()) {
      out += '[';
      for (bool first = true; const Json& item : v) {
        if (!std::exchange(first, false)) out += ", ";
        FL_TRY(Inline(item));
      }
      out += ']';
    } else if (v.is_object()) {
      return InlineTable(v);
    } else if (v.is_number_float()) {
      out += Float(v.get<double>());
    } else {
      out += value::Dump(v);
    }
    return {};
  }
  static bool IsTable(const Json& v) {
    if (v.is_object()) return true;
    return v.is_array() && !v.empty() &&
           std::all_of(v.begin(), v.end(), [](const Json& item) { return item.is_object(); });
  }

 private:
  static std::string Key(const std::string& k) {
    bool bare = !k.empty() &&
                std::all_of(k.begin(), k.end(), [](unsigned char c) { return isalnum(c) || c == '_' || c == '-'; });
    return bare ? k : Quoted(k);
  }
  static std::string Quoted(const std::string& s) {
    std::string text = "\"";
    for (unsigned char c : s) {
      char code[8];
      constexpr std::string_view kShort = "\b\t\n\f\r\"\\", kLetters = "btnfr\"\\";
      if (size_t i = kShort.find(static_cast<char>(c)); i != kShort.npos)
        (text += '\\') += kLetters[i];
      else if (c < 0x20 || c == 0x7f)
        text += (snprintf(code, sizeof code, "\\u%04x", c), code);
      else
        text += static_cast<char>(c);
    }
    return text + "\"";
  }
  static std::string Float(double d) {
    if (std::isnan(d)) return "nan";
    if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
    std::string s = value::FormatFloat(d, 1000, -1000);
    return s.find('.') == s.npos ? s + ".0" : s;
  }
  // Values before tables here, too. A null is left out, and the comma before it stays.
  Status InlineTable(const Json& v) {
    std::vector<std::string> values, tables;
    for (const auto& [k, item] : v.items()) (IsTable(item) ? tables : values).push_back(k);
    out += '{';
    for (const auto* keys : {&values, &tables})
      for (size_t i = 0; i < keys->size(); ++i) {
        const std::string& k = (*keys)[i];
        if (v[k].is_null()) continue;
        out += Key(k) + " = ";
        FL_TRY(Inline(v[k]));
        if (i + 1 < keys->size() || (keys == &values && !tables.empty())) out += ", ";
      }
    out += '}';
    return {};
  }
};

}  // namespace

Result<std::string> ToToml(const gotmpl::Value& v) {
  Json j = gotmpl::ToJson(v, true);
  TomlWriter w;
  if (j.is_object()) {
    FL_TRY(w.Table(j, "", 0));
  } else if (TomlWriter::IsTable(j)) {
    return MakeError(Code::kInvalid, "toml: top-level values must be Go maps or structs");
  } else {
    FL_TRY(w.Inline(j));
  }
  return std::move(w.out);
}

}  // namespace fairlead::chart
