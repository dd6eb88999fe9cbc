// Writes YAML with libyaml, whose emitter go-yaml v2 translated: folding, quoting and block scalars are the same.
#include <yaml.h>

#include <charconv>
#include <cmath>

#include "util/strings.h"
#include "util/unicode.h"
#include "value/yaml.h"
#include "value/yaml_scalar.h"

namespace fairlead::value {
namespace {

struct Rune {
  int code;
  size_t size;
};
Rune RuneAt(const std::string& s, size_t i) {
  int size = 1;
  int code = DecodeRune(std::string_view(s).substr(i), size);
  return {code, static_cast<size_t>(size)};
}

// go-yaml's order of keys: letters after other characters, runs of digits by their number. v3 turns that round after a
// digit.
bool NaturalLess(const std::string& a, const std::string& b, bool v3) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  bool after_digit = false;
  for (size_t i = 0; i < a.size() && i < b.size();) {
    Rune ra = RuneAt(a, i), rb = RuneAt(b, i);
    if (ra.code == rb.code) {
      after_digit = v3 && digit(a[i]);
      i += ra.size;
      continue;
    }
    if (unicode::IsLetter(ra.code) && unicode::IsLetter(rb.code)) return ra.code < rb.code;
    if (unicode::IsLetter(ra.code) || unicode::IsLetter(rb.code))
      return unicode::IsLetter(after_digit ? ra.code : rb.code);
    uint64_t an = 0, bn = 0;
    if (a[i] == '0' || b[i] == '0')
      for (size_t j = i; j > 0 && digit(a[j - 1]); --j)
        if (a[j - 1] != '0') {
          an = bn = 1;
          break;
        }
    size_t ia = i, ib = i;
    for (; ia < a.size() && digit(a[ia]); ++ia) an = an * 10 + static_cast<uint64_t>(a[ia] - '0');
    for (; ib < b.size() && digit(b[ib]); ++ib) bn = bn * 10 + static_cast<uint64_t>(b[ib] - '0');
    if (an != bn) return static_cast<int64_t>(an) < static_cast<int64_t>(bn);
    if (ia != ib) return ia < ib;
    return ra.code < rb.code;
  }
  return a.size() < b.size();
}

std::string NumberText(const Json& j) {
  if (!j.is_number_float()) return Dump(j);
  double d = j.get<double>();
  if (d == std::floor(d) && std::fabs(d) < 9.2e18) return std::to_string(static_cast<int64_t>(d));
  if (d == std::floor(d) && d > 0 && d < 1.8e19) return std::to_string(static_cast<uint64_t>(d));
  return FormatFloat(d, 6);
}

std::vector<std::string> SortedKeys(const Json& object, bool v3) {
  std::vector<std::string> keys;
  for (const auto& [k, v] : object.items()) keys.push_back(k);
  std::sort(keys.begin(), keys.end(),
            [&](const std::string& a, const std::string& b) { return NaturalLess(a, b, v3); });
  return keys;
}

class Writer {
 public:
  // `width`: where lines are folded; -1: nowhere.
  explicit Writer(int width = 80) {
    if (!yaml_emitter_initialize(&emitter_)) throw std::bad_alloc();
    yaml_emitter_set_width(&emitter_, width);
    yaml_emitter_set_output(&emitter_, Append, &out_);
    yaml_emitter_set_unicode(&emitter_, 1);
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    Emit(event);
  }
  ~Writer() { yaml_emitter_delete(&emitter_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  std::string Document(const Json& j) {
    yaml_event_t event;
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
    Emit(event);
    Value(j);
    yaml_document_end_event_initialize(&event, 1);
    Emit(event);
    yaml_emitter_flush(&emitter_);
    return std::move(out_);
  }

 private:
  static int Append(void* out, unsigned char* bytes, size_t size) {
    static_cast<std::string*>(out)->append(reinterpret_cast<char*>(bytes), size);
    return 1;
  }
  void Emit(yaml_event_t& event) {
    if (!yaml_emitter_emit(&emitter_, &event)) throw std::bad_alloc();
  }

  void Value(const Json& j) {
    yaml_event_t event;
    if (j.is_object()) {
      yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1,
                                          j.empty() ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE);
      Emit(event);
      for (const std::string& k : SortedKeys(j, false)) {
        Text(k);
        Value(j[k]);
      }
      yaml_mapping_end_event_initialize(&event);
      Emit(event);
    } else if (j.is_array()) {
      yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1,
                                           j.empty() ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
      Emit(event);
      for (const Json& item : j) Value(item);
      yaml_sequence_end_event_initialize(&event);
      Emit(event);
    } else if (j.is_string()) {
      Text(j.get_ref<const std::string&>());
    } else {
      Scalar(j.is_number() ? NumberText(j) : Dump(j), YAML_PLAIN_SCALAR_STYLE);
    }
  }

  void Text(const std::string& s) {
    Scalar(s, s.find('\n') != s.npos ? YAML_LITERAL_SCALAR_STYLE
              : NeedsQuotes(s)       ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                     : YAML_PLAIN_SCALAR_STYLE);
  }

  void Scalar(const std::string& s, yaml_scalar_style_t style) {
    yaml_event_t event;
    if (!yaml_scalar_event_initialize(&event, nullptr, nullptr, reinterpret_cast<const unsigned char*>(s.data()),
                                      static_cast<int>(s.size()), 1, 1, style)) {
      // The text is no UTF-8.
      std::string clean = Json::parse(Dump(Json(s))).get<std::string>();
      yaml_scalar_event_initialize(&event, nullptr, nullptr, reinterpret_cast<const unsigned char*>(clean.data()),
                                   static_cast<int>(clean.size()), 1, 1, style);
    }
    Emit(event);
  }

  std::string out_;
  yaml_emitter_t emitter_{};
};

// The layout of go-yaml v3; scalars are left to libyaml.
class IndentedWriter {
 public:
  std::string Document(const Json& j) {
    if (IsBlock(j))
      Block(j, 0);
    else
      out_ = Scalar(j, 0).substr(1);
    return out_ + "\n";
  }

 private:
  static bool IsBlock(const Json& j) { return j.is_structured() && !j.empty(); }

  // The cursor stands where the block's first line begins.
  void Block(const Json& j, size_t indent) {
    bool first = true;
    auto begin_line = [&] {
      if (!std::exchange(first, false)) out_ += "\n" + std::string(indent, ' ');
    };
    if (j.is_array()) {
      for (const Json& item : j) {
        begin_line();
        out_ += "-";
        if (IsBlock(item)) {
          out_ += ' ';
          Block(item, indent + 2);
        } else {
          out_ += Scalar(item, indent);
        }
      }
      return;
    }
    for (const std::string& k : SortedKeys(j, true)) {
      begin_line();
      std::string key = Key(k, indent);
      out_ += key;
      const Json& v = j[k];
      if (!IsBlock(v)) {
        out_ += Scalar(v, indent);
      } else if (key.starts_with("? ")) {  // the value follows the colon
        out_ += ' ';
        Block(v, indent + 2);
      } else {
        out_ += "\n" + std::string(indent + 2, ' ');
        Block(v, indent + 2);
      }
    }
  }

  // What follows the colon or the dash, a space first.
  static std::string Scalar(const Json& j, size_t indent) {
    if (j.is_number_float()) return " " + Float(j.get<double>());
    std::string text = Writer(-1).Document({{"k", j}}).substr(2);
    text.pop_back();
    return Indented(text, indent);
  }
  // "key:", or "? ...\n:" where it is too long or has lines.
  static std::string Key(const std::string& k, size_t indent) {
    std::string text = Writer(-1).Document(Json{{k, nullptr}});
    text.resize(text.size() - std::string_view(" null\n").size());
    return Indented(text, indent);
  }
  static std::string Indented(const std::string& text, size_t indent) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      out += text[i];
      if (text[i] == '\n' && i + 1 < text.size() && text[i + 1] != '\n') out.append(indent, ' ');
    }
    return out;
  }
  static std::string Float(double d) {
    if (std::isnan(d)) return ".nan";
    if (std::isinf(d)) return d > 0 ? ".inf" : "-.inf";
    return FormatFloat(d, 6);
  }

  std::string out_;
};

}  // namespace

std::string FormatFloat(double d, int limit, int smallest) {
  if (std::isnan(d)) return "NaN";
  if (std::isinf(d)) return d > 0 ? "+Inf" : "-Inf";
  char buf[64];
  auto [end, ec] = std::to_chars(buf, buf + sizeof buf, d, std::chars_format::scientific);
  std::string sci(buf, end);
  int exponent = atoi(sci.c_str() + sci.find('e') + 1);
  if (exponent < smallest || exponent >= limit) return sci;
  std::string fixed(sci, 0,
                    sci.find('e'));  // the shortest digits that mean this number; zeros take the exponent's place
  bool negative = fixed[0] == '-';
  fixed.erase(std::remove_if(fixed.begin(), fixed.end(), [](char c) { return c == '-' || c == '.'; }), fixed.end());
  auto whole = static_cast<ptrdiff_t>(exponent) + 1, digits = std::ssize(fixed);
  if (whole <= 0)
    fixed.insert(0, "0." + std::string(static_cast<size_t>(-whole), '0'));
  else if (whole >= digits)
    fixed.append(static_cast<size_t>(whole - digits), '0');
  else
    fixed.insert(static_cast<size_t>(whole), ".");
  return (negative ? "-" : "") + fixed;
}

std::string ToYaml(const Json& j) { return Writer().Document(j); }
std::string ToYamlIndented(const Json& j) { return IndentedWriter().Document(j); }

}  // namespace fairlead::value
