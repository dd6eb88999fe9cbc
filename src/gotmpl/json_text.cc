#include "gotmpl/json_text.h"

#include "gotmpl/quote.h"
#include "util/unicode.h"
#include "value/yaml.h"

namespace fairlead::gotmpl {
namespace {

class Writer {
 public:
  explicit Writer(JsonStyle style) : style_(style) {}
  std::string out;

  void Write(const Json& j, size_t indent) {
    if (j.is_object()) {
      List(j.begin(), j.end(), '{', '}', indent, [&](auto it) {
        Text(it.key());
        out += style_.pretty ? ": " : ":";
        Write(it.value(), indent + 2);
      });
    } else if (j.is_array()) {
      List(j.begin(), j.end(), '[', ']', indent, [&](auto it) { Write(*it, indent + 2); });
    } else if (j.is_string()) {
      Text(j.get_ref<const std::string&>());
    } else if (j.is_number_float()) {
      Float(j.get<double>());
    } else {
      out += value::Dump(j);
    }
  }

 private:
  template <class Iterator, class Body>
  void List(Iterator it, Iterator end, char open, char close, size_t indent, Body body) {
    out += open;
    for (bool first = true; it != end; ++it) {
      if (!std::exchange(first, false)) out += ',';
      if (style_.pretty) (out += '\n').append(indent + 2, ' ');
      body(it);
    }
    if (style_.pretty && out.back() != open) (out += '\n').append(indent, ' ');
    out += close;
  }

  void Float(double d) {
    std::string s = value::FormatFloat(d, 21, -6);
    if (size_t e = s.find("e-0"); e != s.npos) s.erase(e + 2, 1);
    out += s;
  }

  void Text(const std::string& s) {
    out += '"';
    for (size_t i = 0; i < s.size();) {
      auto c = static_cast<unsigned char>(s[i]);
      char code[8];
      if (c == '"' || c == '\\') {
        (out += '\\') += s[i++];
      } else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') {
        (out += '\\') += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\b' ? 'b' : 'f';
        ++i;
      } else if (c < 0x20 || (style_.html && (c == '<' || c == '>' || c == '&'))) {
        snprintf(code, sizeof code, "\\u%04x", c);
        out += code;
        ++i;
      } else if (c < 0x80) {
        out += s[i++];
      } else {
        int size = 1;
        int r = DecodeRune(std::string_view(s).substr(i), size);
        if (r == 0xfffd && size == 1)
          out += "\\ufffd";
        else if (r == 0x2028 || r == 0x2029)
          out += r == 0x2028 ? "\\u2028" : "\\u2029";
        else
          out.append(s, i, static_cast<size_t>(size));
        i += static_cast<size_t>(size);
      }
    }
    out += '"';
  }

  JsonStyle style_;
};

}  // namespace

std::string GoJson(const Value& v, JsonStyle style) {
  Writer w(style);
  w.Write(ToJson(v, true), 0);
  return std::move(w.out);
}

}  // namespace fairlead::gotmpl
