#include "value/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <sstream>

#include "util/strings.h"

namespace fairlead::value {
namespace {

constexpr int kMaxDepth = 256;
constexpr int kMaxNodes = 2000000;

bool AllDigits(std::string_view s, int base) {
  bool any = false;
  for (char c : s) {
    if (c == '_') continue;
    int v = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : 99;
    if (v >= base) return false;
    any = true;
  }
  return any;
}

// Resolves a plain scalar by YAML 1.1's rules as go-yaml v2 applies them. nullopt: it is a string.
std::optional<Json> ResolvePlain(std::string_view s) {
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return Json(nullptr);
  for (std::string_view w : {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
    if (s == w) return Json(true);
  for (std::string_view w : {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
    if (s == w) return Json(false);
  if (s == ".nan" || s == ".NaN" || s == ".NAN") return Json(std::nan(""));
  if (s == ".inf" || s == ".Inf" || s == ".INF" || s == "+.inf") return Json(HUGE_VAL);
  if (s == "-.inf" || s == "-.Inf") return Json(-HUGE_VAL);
  if (!(isdigit(static_cast<unsigned char>(s[0])) || s[0] == '-' || s[0] == '+' || s[0] == '.')) return std::nullopt;

  bool negative = s[0] == '-';
  std::string_view digits = s[0] == '-' || s[0] == '+' ? s.substr(1) : s;
  int base = 10;
  if (digits.starts_with("0x"))
    base = 16;
  else if (digits.starts_with("0o"))
    base = 8;
  else if (digits.starts_with("0b"))
    base = 2;
  std::string_view body = base == 10 ? digits : digits.substr(2);
  if (base == 10 && body.size() > 1 && body[0] == '0' && AllDigits(body, 8)) base = 8;
  if (AllDigits(body, base)) {
    std::string clean = ReplaceAll(std::string(body), "_", "");
    uint64_t v = 0;
    auto [end, ec] = std::from_chars(clean.data(), clean.data() + clean.size(), v, base);
    if (ec == std::errc()) {
      if (negative) return v <= 1ull << 63 ? Json(static_cast<int64_t>(0 - v)) : Json(-static_cast<double>(v));
      return v <= INT64_MAX ? Json(static_cast<int64_t>(v)) : Json(v);
    }
  }
  std::string clean = ReplaceAll(std::string(s[0] == '+' ? s.substr(1) : s), "_", "");
  bool float_shape = false, digit = false;
  for (size_t i = 0; i < clean.size(); ++i) {
    char c = clean[i];
    if (isdigit(static_cast<unsigned char>(c)))
      digit = true;
    else if (c == '.' || c == 'e' || c == 'E')
      float_shape = true;
    else if (c != '-' && c != '+')
      return std::nullopt;
    else if (i != 0 && clean[i - 1] != 'e' && clean[i - 1] != 'E')
      return std::nullopt;
  }
  if (!digit || !float_shape) return std::nullopt;
  double d = 0;
  auto [end, ec] = std::from_chars(clean.data(), clean.data() + clean.size(), d);
  if (ec != std::errc() || end != clean.data() + clean.size()) return std::nullopt;
  return Json(d);
}

std::string KeyText(const Json& key) {
  if (key.is_string()) return key.get<std::string>();
  if (key.is_number_float()) return FormatFloat(key.get<double>(), 21);
  return Dump(key);
}

// `budget`: nodes that may still be made; aliases multiply, and a few lines of them could fill the memory.
Result<Json> Convert(const YAML::Node& node, int depth, int& budget) {
  auto where = [&] { return "line " + std::to_string(node.Mark().line + 1) + ": "; };
  if (depth > kMaxDepth) return MakeError(Code::kInvalid, where() + "nested deeper than " + std::to_string(kMaxDepth));
  if (--budget < 0) return MakeError(Code::kInvalid, where() + "more than " + std::to_string(kMaxNodes) + " values");
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return Json(nullptr);
    case YAML::NodeType::Scalar: {
      const std::string& text = node.Scalar();
      if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return Json(text);
      if (node.Tag() == "tag:yaml.org,2002:binary") {
        FL_ASSIGN(std::string bytes, Base64Decode(text));
        return Json(bytes);
      }
      if (auto resolved = ResolvePlain(text)) return *resolved;
      return Json(text);
    }
    case YAML::NodeType::Sequence: {
      Json out = Json::array();
      for (const auto& item : node) {
        FL_ASSIGN(Json v, Convert(item, depth + 1, budget));
        out.push_back(std::move(v));
      }
      return out;
    }
    case YAML::NodeType::Map: {
      Json out = Json::object(), merged = Json::object();
      for (const auto& pair : node) {
        FL_ASSIGN(Json key, Convert(pair.first, depth + 1, budget));
        FL_ASSIGN(Json v, Convert(pair.second, depth + 1, budget));
        if (key.is_null() || key.is_structured())
          return MakeError(Code::kInvalid, where() + "a key of type " + TypeName(key) + " is not supported");
        if (key == "<<" && pair.first.Tag() != "!") {
          for (const Json& source : v.is_array() ? v : Json::array({v}))
            if (source.is_object())
              for (const auto& [k, m] : source.items())
                if (!merged.contains(k)) merged[k] = m;
          continue;
        }
        out[KeyText(key)] = std::move(v);
      }
      for (const auto& [k, m] : merged.items())
        if (!out.contains(k)) out[k] = m;
      return out;
    }
  }
  return Json(nullptr);
}

// Walks through the text before nodes are made of it. yaml-cpp 0.7 makes documents without end of some malformed texts,
// and recurses as deep as the text says; both end here.
class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    Limit(++documents_ <= kMaxDocuments, mark, "too many documents");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Limit(++aliases_ <= kMaxAliases, mark, "too many aliases");
  }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Limit(++depth_ <= kMaxDepth, mark, "nested too deep");
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Limit(++depth_ <= kMaxDepth, mark, "nested too deep");
  }
  void OnMapEnd() override { --depth_; }

 private:
  static constexpr int kMaxDocuments = 2000, kMaxAliases = 1000;
  static void Limit(bool ok, const YAML::Mark& mark, const char* what) {
    if (!ok) throw YAML::ParserException(mark, what);
  }
  int documents_ = 0, aliases_ = 0, depth_ = 0;
};

Result<std::vector<Json>> Load(std::string_view text, std::string_view what, bool first_only) {
  std::vector<Json> out;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    for (Guard guard; parser.HandleNextDocument(guard);) {
    }
    for (const YAML::Node& doc : YAML::LoadAll(std::string(text))) {
      int budget = kMaxNodes;
      auto j = Convert(doc, 0, budget);
      if (!j.ok()) return j.error().Wrap(what);
      if (!j->is_null()) out.push_back(std::move(*j));
      if (first_only) break;
    }
  } catch (const YAML::Exception& e) {
    return MakeError(Code::kInvalid, std::string(what) + ": line " + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
  return out;
}

// go-yaml v2's order of keys: letters after other characters, runs of digits by their number.
bool NaturalLess(const std::string& a, const std::string& b) {
  auto letter = [](char c) { return isalpha(static_cast<unsigned char>(c)) != 0 || (c & 0x80); };
  auto digit = [](char c) { return isdigit(static_cast<unsigned char>(c)) != 0; };
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i] == b[i]) continue;
    bool al = letter(a[i]), bl = letter(b[i]);
    if (al && bl) return a[i] < b[i];
    if (al || bl) {
      // a digit run that is being compared ends before a letter
      return bl;
    }
    size_t ia = i, ib = i;
    long an = 0, bn = 0;
    if (a[i] == '0' || b[i] == '0') {
      size_t j = i;
      for (; j > 0 && digit(a[j - 1]); --j)
        if (a[j - 1] != '0') {
          an = bn = 1;
          break;
        }
    }
    for (; ia < a.size() && digit(a[ia]); ++ia) an = an * 10 + (a[ia] - '0');
    for (; ib < b.size() && digit(b[ib]); ++ib) bn = bn * 10 + (b[ib] - '0');
    if (an != bn) return an < bn;
    if (ia != ib) return ia < ib;
    return a[i] < b[i];
  }
  return a.size() < b.size();
}

enum class Style { kPlain, kSingle, kDouble, kLiteral };

bool LooksLikeTimestamp(std::string_view s) {
  if (s.size() < 8 || !isdigit(static_cast<unsigned char>(s[0]))) return false;
  int digits = 0;
  while (digits < 4 && isdigit(static_cast<unsigned char>(s[static_cast<size_t>(digits)]))) ++digits;
  return digits == 4 && s[4] == '-' && s.find('-', 5) != s.npos &&
         s.find_first_not_of("0123456789-:.TtZz +", 0) == s.npos;
}

bool LooksLikeBase60(std::string_view s) {
  size_t colon = s.find(':');
  return colon != s.npos && colon > 0 && s.find_first_not_of("0123456789:.-+_") == s.npos && colon + 1 < s.size();
}

Style ChooseStyle(const std::string& s) {
  bool multiline = false, special = false, space_break = false, plain = true;
  for (size_t i = 0; i < s.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    if (c == '\n') {
      multiline = true;
      if (i > 0 && s[i - 1] == ' ') space_break = true;
    } else if (c < 0x20 || c == 0x7f || (c >= 0xf0)) {
      special = true;
    }
  }
  if (special || (multiline && (space_break || (!s.empty() && s.back() == ' ')))) return Style::kDouble;
  if (multiline) return Style::kLiteral;
  if (ResolvePlain(s) || LooksLikeTimestamp(s) || LooksLikeBase60(s)) return Style::kDouble;
  if (s.front() == ' ' || s.back() == ' ' || s.starts_with("---") || s.starts_with("...")) plain = false;
  constexpr std::string_view kFlow = ",[]{}#&*!|>'\"%@`";
  if (kFlow.find(s.front()) != kFlow.npos) plain = false;
  if ((s[0] == '-' || s[0] == '?' || s[0] == ':') && (s.size() == 1 || s[1] == ' ')) plain = false;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == ':' && (i + 1 == s.size() || s[i + 1] == ' ')) plain = false;
    if (s[i] == '#' && i > 0 && s[i - 1] == ' ') plain = false;
  }
  return plain ? Style::kPlain : Style::kSingle;
}

std::string DoubleQuoted(const std::string& s) {
  std::string out = "\"";
  for (size_t i = 0; i < s.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(s[i]);
    char buf[16];
    if (c == '"' || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (c == 0)
      out += "\\0";
    else if (c == 7)
      out += "\\a";
    else if (c == 8)
      out += "\\b";
    else if (c == 27)
      out += "\\e";
    else if (c < 0x20 || c == 0x7f)
      out += (snprintf(buf, sizeof buf, "\\x%02X", c), buf);
    else if (c >= 0xf0 && i + 3 < s.size()) {
      unsigned cp = (c & 7u) << 18 | (s[i + 1] & 0x3fu) << 12 | (s[i + 2] & 0x3fu) << 6 | (s[i + 3] & 0x3fu);
      out += (snprintf(buf, sizeof buf, "\\U%08X", cp), buf);
      i += 3;
    } else
      out += static_cast<char>(c);
  }
  return out + "\"";
}

// Breaks text at single spaces once a line is longer than 80 columns, as libyaml's emitter does.
std::string Fold(const std::string& text, size_t column, size_t indent) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool single_space = text[i] == ' ' && i > 0 && i + 1 < text.size() && text[i - 1] != ' ' && text[i + 1] != ' ';
    if (single_space && column > 80) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
      continue;
    }
    out += text[i];
    if ((text[i] & 0xc0) != 0x80) ++column;
  }
  return out;
}

class Emitter {
 public:
  std::string out;

  // Writes `j` where a value is expected; `indent` is that of the enclosing block, `column` where the text goes on.
  void Value(const Json& j, size_t indent, size_t column, bool in_sequence) {
    if (j.is_object() && !j.empty()) return Map(j, indent, in_sequence);
    if (j.is_array() && !j.empty()) return Sequence(j, indent, in_sequence);
    out += in_sequence ? "" : " ";
    Scalar(j, indent, column + 1);
    out += '\n';
  }

  void Map(const Json& j, size_t indent, bool first_inline) {
    std::vector<std::string> keys;
    for (const auto& [k, v] : j.items()) keys.push_back(k);
    std::sort(keys.begin(), keys.end(), NaturalLess);
    bool inline_first = first_inline;
    if (!first_inline && !out.empty()) out += '\n';
    for (const std::string& k : keys) {
      if (!inline_first) out += std::string(indent, ' ');
      inline_first = false;
      size_t start = out.size();
      Scalar(Json(k), indent, indent);
      out += ':';
      size_t column = indent + out.size() - start;
      const Json& v = j[k];
      if (v.is_object() && !v.empty())
        Map(v, indent + 2, false);
      else if (v.is_array() && !v.empty())
        Sequence(v, indent, false);
      else
        Value(v, indent + 2, column, false);
    }
  }

  void Sequence(const Json& j, size_t indent, bool first_inline) {
    if (!first_inline && !out.empty()) out += '\n';
    bool inline_first = first_inline;
    for (const Json& v : j) {
      if (!inline_first) out += std::string(indent, ' ');
      inline_first = false;
      out += "- ";
      Value(v, indent + 2, indent + 2, true);
    }
  }

  void Scalar(const Json& j, size_t indent, size_t column) {
    if (j.is_string()) return Text(j.get_ref<const std::string&>(), indent, column);
    if (j.is_number_float()) {
      double d = j.get<double>();
      if (d == std::floor(d) && std::fabs(d) < 9.2e18)
        out += std::to_string(static_cast<int64_t>(d));
      else
        out += FormatFloat(d, 6);
      return;
    }
    if (j.is_object())
      out += "{}";
    else if (j.is_array())
      out += "[]";
    else
      out += Dump(j);
  }

  void Text(const std::string& s, size_t indent, size_t column) {
    if (s.empty()) {
      out += "\"\"";
      return;
    }
    switch (ChooseStyle(s)) {
      case Style::kPlain:
        out += Fold(s, column, indent);
        return;
      case Style::kSingle:
        out += Fold("'" + ReplaceAll(s, "'", "''") + "'", column, indent);
        return;
      case Style::kDouble:
        out += Fold(DoubleQuoted(s), column, indent);
        return;
      case Style::kLiteral:
        break;
    }
    size_t newlines = 0;
    while (newlines < s.size() && s[s.size() - 1 - newlines] == '\n') ++newlines;
    out += '|';
    if (s[0] == ' ' || s[0] == '\n') out += '2';
    if (newlines == 0)
      out += '-';
    else if (newlines > 1 || newlines == s.size())
      out += '+';
    std::string body = s.substr(0, s.size() - std::min<size_t>(newlines, 1));
    for (const std::string& line : Split(body, '\n')) {
      out += '\n';
      if (!line.empty()) out += std::string(indent, ' ') + line;
    }
  }
};

}  // namespace

std::string FormatFloat(double d, int exponent_limit) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "+Inf" : "-Inf";
  char buf[64];
  auto [end, ec] = std::to_chars(buf, buf + sizeof buf, d, std::chars_format::scientific);
  std::string sci(buf, end);
  int exponent = atoi(sci.c_str() + sci.find('e') + 1);
  if (exponent < -4 || exponent >= exponent_limit) return sci;
  auto [end2, ec2] = std::to_chars(buf, buf + sizeof buf, d, std::chars_format::fixed);
  return {buf, end2};
}

Result<Json> ParseYaml(std::string_view text, std::string_view what) {
  FL_ASSIGN(auto docs, Load(text, what, true));
  return docs.empty() ? Json(nullptr) : std::move(docs[0]);
}

Result<std::vector<Json>> ParseYamlStream(std::string_view text, std::string_view what) {
  return Load(text, what, false);
}

std::string ToYaml(const Json& j) {
  Emitter e;
  if (j.is_object() && !j.empty())
    e.Map(j, 0, false);
  else if (j.is_array() && !j.empty())
    e.Sequence(j, 0, false);
  else {
    e.Scalar(j, 0, 0);
    e.out += '\n';
  }
  return e.out;
}

}  // namespace fairlead::value
