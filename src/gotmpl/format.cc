#include "gotmpl/format.h"

#include <cmath>

#include "gotmpl/quote.h"
#include "util/unicode.h"

namespace fairlead::gotmpl {
namespace {

constexpr int kMaxWidth = 1000000;

size_t Runes(const std::string& s) {
  size_t n = 0;
  for (size_t i = 0; i < s.size(); ++n) {
    int size = 1;
    DecodeRune(std::string_view(s).substr(i), size);
    i += static_cast<size_t>(size);
  }
  return n;
}

std::string FirstRunes(const std::string& s, int limit) {
  size_t i = 0;
  for (int n = 0; i < s.size() && n < limit; ++n) {
    int size = 1;
    DecodeRune(std::string_view(s).substr(i), size);
    i += static_cast<size_t>(size);
  }
  return s.substr(0, i);
}

// Source of the behaviour: Go's fmt/print.go and fmt/format.go.
class Printer {
 public:
  std::string out;

  void Printf(const std::string& f, const List& args) {
    size_t next = 0;
    bool reordered = false;
    for (size_t i = 0; i < f.size();) {
      if (f[i] != '%') {
        size_t end = f.find('%', i);
        out += f.substr(i, end == f.npos ? end : end - i);
        i = end == f.npos ? f.size() : end;
        continue;
      }
      ++i;
      flags_ = {};
      bool good_index = true, after_index = false;
      for (; i < f.size(); ++i) {
        if (f[i] == '#')
          flags_.sharp = true;
        else if (f[i] == '0')
          flags_.zero = true;
        else if (f[i] == '+')
          flags_.plus = true;
        else if (f[i] == '-')
          flags_.minus = true;
        else if (f[i] == ' ')
          flags_.space = true;
        else
          break;
      }
      ReadIndex(f, i, next, args.size(), reordered, good_index, after_index);
      if (i < f.size() && f[i] == '*') {
        ++i;
        flags_.width = IntArgument(args, next, flags_.has_width);
        if (!flags_.has_width) out += "%!(BADWIDTH)";
        if (flags_.width < 0) {
          flags_.width = -flags_.width;
          flags_.minus = true;
          flags_.zero = false;
        }
        after_index = false;
      } else {
        flags_.width = ReadNumber(f, i, flags_.has_width);
        if (after_index && flags_.has_width) good_index = false;  // "%[3]2d"
      }
      if (i + 1 <= f.size() && i < f.size() && f[i] == '.') {
        ++i;
        if (after_index) good_index = false;  // "%[3].2d"
        ReadIndex(f, i, next, args.size(), reordered, good_index, after_index);
        if (i < f.size() && f[i] == '*') {
          ++i;
          flags_.precision = IntArgument(args, next, flags_.has_precision);
          if (flags_.precision < 0) {
            flags_.precision = 0;
            flags_.has_precision = false;
          }
          if (!flags_.has_precision) out += "%!(BADPREC)";
          after_index = false;
        } else {
          flags_.precision = ReadNumber(f, i, flags_.has_precision);
          if (!flags_.has_precision) {
            flags_.precision = 0;
            flags_.has_precision = true;
          }
        }
      }
      if (!after_index) ReadIndex(f, i, next, args.size(), reordered, good_index, after_index);
      if (i >= f.size()) {
        out += "%!(NOVERB)";
        break;
      }
      int size = 1;
      int verb = DecodeRune(std::string_view(f).substr(i), size);
      std::string verb_text = f.substr(i, static_cast<size_t>(size));
      i += static_cast<size_t>(size);
      if (verb == '%') {
        out += '%';
      } else if (!good_index) {
        out += "%!" + verb_text + "(BADINDEX)";
      } else if (next >= args.size()) {
        out += "%!" + verb_text + "(MISSING)";
      } else {
        if (verb == 'v') {
          flags_.sharp_v = std::exchange(flags_.sharp, false);
          flags_.plus_v = std::exchange(flags_.plus, false);
        }
        Argument(args[next++], verb, verb_text);
      }
    }
    if (reordered || next >= args.size()) return;
    flags_ = {};
    out += "%!(EXTRA ";
    for (size_t i = next; i < args.size(); ++i) {
      if (i > next) out += ", ";
      if (args[i].is_nil()) {
        out += "<nil>";
      } else {
        out += TypeName(args[i]) + "=";
        Argument(args[i], 'v', "v");
      }
    }
    out += ")";
  }

  void Argument(const Value& v, int verb, const std::string& verb_text) {
    verb_ = verb_text;
    if (v.is_nil()) return verb == 'T' || verb == 'v' ? PadString("<nil>") : Bad(v);
    if (verb == 'T') return FormatString(TypeName(v));
    Print(v, verb);
  }

 private:
  struct Flags {
    bool sharp = false, zero = false, plus = false, minus = false, space = false, sharp_v = false, plus_v = false;
    bool has_width = false, has_precision = false;
    int width = 0, precision = 0;
  };

  static int ReadNumber(const std::string& f, size_t& i, bool& found) {
    int64_t n = 0;
    found = false;
    for (; i < f.size() && f[i] >= '0' && f[i] <= '9'; ++i) {
      n = std::min<int64_t>(n * 10 + (f[i] - '0'), kMaxWidth + 1);
      found = true;
    }
    if (n > kMaxWidth) found = false;
    return found ? static_cast<int>(n) : 0;
  }

  // [n] before a width, a precision or a verb.
  static void ReadIndex(const std::string& f, size_t& i, size_t& next, size_t count, bool& reordered, bool& good,
                        bool& found) {
    found = false;
    if (i >= f.size() || f[i] != '[') return;
    reordered = true;
    size_t close = f.find(']', i);
    if (close == f.npos) {
      good = false;
      ++i;
      return;
    }
    size_t at = i + 1;
    bool number = false;
    int n = ReadNumber(f, at, number);
    i = close + 1;
    if (!number || at != close || n < 1 || static_cast<size_t>(n) > count) {
      good = false;
      return;
    }
    next = static_cast<size_t>(n) - 1;
    found = true;
  }

  static int IntArgument(const List& args, size_t& next, bool& ok) {
    ok = false;
    if (next >= args.size()) return 0;
    auto n = args[next++].as_int();
    if (!n || *n > kMaxWidth || *n < -kMaxWidth) return 0;
    ok = true;
    return static_cast<int>(*n);
  }

  // -- values

  void Bad(const Value& v) {
    std::string verb = verb_;
    out += "%!" + verb + "(";
    if (v.is_nil()) {
      out += "<nil>";
    } else {
      out += TypeName(v) + "=";
      Flags saved = std::exchange(flags_, {});
      Print(v, 'v');
      flags_ = saved;
    }
    out += ")";
    verb_ = verb;
  }

  void Print(const Value& v, int verb) {
    if (auto b = v.as_bool()) return verb == 't' || verb == 'v' ? PadString(*b ? "true" : "false") : Bad(v);
    if (auto i = v.as_int()) return Int(*i, v, verb);
    if (auto d = v.as_float()) return Float(*d, v, verb);
    if (auto s = v.as_string()) return String(*s, v, verb);
    if (auto l = v.as_list()) return ListOf(**l, v, verb);
    if (auto m = v.as_map()) return MapOf(**m, verb);
    if (auto o = v.as_object()) return String((*o)->Print(), v, verb);
    out += "<nil>";
  }

  void Element(const Value& v, int verb) {
    if (++depth_ > 500 || ++elements_ > 4000000) throw ValueTooLarge();
    if (v.is_nil())
      out += flags_.sharp_v ? "interface {}(nil)" : "<nil>";
    else
      Print(v, verb);
    --depth_;
  }

  void ListOf(const List& items, const Value& v, int verb) {
    out += flags_.sharp_v ? TypeName(v) + "{" : "[";
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out += flags_.sharp_v ? ", " : " ";
      Element(items[i], verb);
    }
    out += flags_.sharp_v ? "}" : "]";
  }

  void MapOf(const Map& members, int verb) {
    out += flags_.sharp_v ? "map[string]interface {}{" : "map[";
    bool first = true;
    for (const auto& [k, item] : members) {
      if (!std::exchange(first, false)) out += flags_.sharp_v ? ", " : " ";
      String(k, Value(k), verb);
      out += ":";
      Element(item, verb);
    }
    out += flags_.sharp_v ? "}" : "]";
  }

  void Int(int64_t n, const Value& v, int verb) {
    switch (verb) {
      case 'v':
      case 'd': return Integer(n, 10, verb, "0123456789abcdef");
      case 'b': return Integer(n, 2, verb, "0123456789abcdef");
      case 'o':
      case 'O': return Integer(n, 8, verb, "0123456789abcdef");
      case 'x': return Integer(n, 16, verb, "0123456789abcdef");
      case 'X': return Integer(n, 16, verb, "0123456789ABCDEF");
      case 'c': return PadString(EncodeRune(n < 0 || n > 0x10ffff ? 0xfffd : static_cast<int>(n)));
      case 'q': return PadString(QuoteRune(n < 0 || n > 0x10ffff ? 0xfffd : static_cast<int>(n), flags_.plus));
      case 'U': {
        char text[32];
        snprintf(text, sizeof text, "U+%0*lX", flags_.has_precision && flags_.precision > 4 ? flags_.precision : 4,
                 static_cast<unsigned long>(n));
        std::string s = text;
        if (flags_.sharp && n <= 0x10ffff && unicode::IsPrint(static_cast<int>(n)))
          s += " '" + EncodeRune(static_cast<int>(n)) + "'";
        bool zero = std::exchange(flags_.zero, false);
        PadString(s);
        flags_.zero = zero;
        return;
      }
      default: return Bad(v);
    }
  }

  void Integer(int64_t n, int base, int verb, const char* digits) {
    bool negative = n < 0;
    uint64_t u = negative ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
    int precision = 0;
    if (flags_.has_precision) {
      precision = flags_.precision;
      if (precision == 0 && n == 0) {
        bool zero = std::exchange(flags_.zero, false);
        out += std::string(static_cast<size_t>(flags_.width), ' ');
        flags_.zero = zero;
        return;
      }
    } else if (flags_.zero && !flags_.minus && flags_.has_width) {
      precision = flags_.width;
      if (negative || flags_.plus || flags_.space) --precision;
    }
    std::string s;
    do {
      s.insert(s.begin(), digits[u % static_cast<uint64_t>(base)]);
      u /= static_cast<uint64_t>(base);
    } while (u != 0);
    if (precision > static_cast<int>(s.size())) s.insert(0, static_cast<size_t>(precision) - s.size(), '0');
    if (flags_.sharp) {
      if (base == 2) s.insert(0, "0b");
      if (base == 8 && s[0] != '0') s.insert(0, "0");
      if (base == 16) s.insert(0, verb == 'X' ? "0X" : "0x");
    }
    if (verb == 'O') s.insert(0, "0o");
    if (negative)
      s.insert(0, "-");
    else if (flags_.plus)
      s.insert(0, "+");
    else if (flags_.space)
      s.insert(0, " ");
    bool zero = std::exchange(flags_.zero, false);
    PadString(s);
    flags_.zero = zero;
  }

  void Float(double d, const Value& v, int verb) {
    switch (verb) {
      case 'v': return Floating(d, 'g', -1);
      case 'e':
      case 'E':
      case 'f': return Floating(d, verb, 6);
      case 'F': return Floating(d, 'f', 6);
      case 'g':
      case 'G': return Floating(d, verb, -1);
      default: return Bad(v);
    }
  }

  void Floating(double d, int verb, int precision) {
    if (flags_.has_precision) precision = flags_.precision;
    std::string s;
    if (std::isnan(d) || std::isinf(d)) {
      s = std::isnan(d) ? "+NaN" : d > 0 ? "+Inf" : "-Inf";
    } else {
      if (precision < 0) {  // the shortest text that means the same
        s = gotmpl::Print(Value(d));
        if (verb == 'G')
          for (char& c : s) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
      } else {
        char format[16], text[512];
        snprintf(format, sizeof format, "%%%s.%d%c", flags_.sharp ? "#" : "", std::min(precision, 300), verb);
        snprintf(text, sizeof text, format, d);
        s = text;
      }
      if (s[0] != '-') s.insert(0, "+");
    }
    bool finite = s[1] != 'N' && s[1] != 'I';
    if (flags_.space && s[0] == '+' && !flags_.plus) s[0] = ' ';
    bool zero = flags_.zero && finite;
    if (flags_.plus || s[0] != '+') {
      if (zero && !flags_.minus && flags_.has_width && flags_.width > static_cast<int>(s.size())) {
        out += s[0];
        out += std::string(static_cast<size_t>(flags_.width) - s.size(), '0');
        out += s.substr(1);
        return;
      }
    } else {
      s.erase(0, 1);
    }
    Pad(s, zero);
  }

  void String(const std::string& s, const Value& v, int verb) {
    switch (verb) {
      case 'v':
        if (flags_.sharp_v) return PadString(QuoteGo(s));
        return FormatString(s);
      case 's': return FormatString(s);
      case 'x': return HexString(s, "0123456789abcdef", 'x');
      case 'X': return HexString(s, "0123456789ABCDEF", 'X');
      case 'q': {
        std::string t = flags_.has_precision ? FirstRunes(s, flags_.precision) : s;
        if (flags_.sharp && CanBackquote(t)) return PadString("`" + t + "`");
        return PadString(QuoteGo(t, flags_.plus));
      }
      default: return Bad(v);
    }
  }

  void HexString(const std::string& s, const char* digits, char x) {
    size_t length = flags_.has_precision ? std::min<size_t>(s.size(), static_cast<size_t>(flags_.precision)) : s.size();
    std::string t;
    for (size_t i = 0; i < length; ++i) {
      if (flags_.space && i > 0) t += ' ';
      if (flags_.sharp && (flags_.space || i == 0)) t += std::string("0") + x;
      auto c = static_cast<unsigned char>(s[i]);
      t += digits[c >> 4];
      t += digits[c & 15];
    }
    Pad(t, false);
  }

  void FormatString(const std::string& s) { PadString(flags_.has_precision ? FirstRunes(s, flags_.precision) : s); }
  void PadString(const std::string& s) { Pad(s, false); }

  void Pad(const std::string& s, bool zero) {
    size_t have = Runes(s), want = flags_.has_width ? static_cast<size_t>(flags_.width) : 0;
    std::string padding(want > have ? want - have : 0, zero && !flags_.minus ? '0' : ' ');
    out += flags_.minus ? s + padding : padding + s;
  }

  Flags flags_;
  std::string verb_;
  int depth_ = 0, elements_ = 0;  // of the value that is printed
};

}  // namespace

std::string Sprintf(const std::string& format, const List& args) {
  Printer p;
  p.Printf(format, args);
  return std::move(p.out);
}

std::string Sprint(const List& args) {
  std::string out;
  for (size_t i = 0; i < args.size(); ++i) {
    if (i && !args[i].as_string() && !args[i - 1].as_string()) out += ' ';
    out += Print(args[i]);
  }
  return out;
}

std::string Sprintln(const List& args) {
  std::string out;
  for (size_t i = 0; i < args.size(); ++i) out += (i ? " " : "") + Print(args[i]);
  return out + "\n";
}

}  // namespace fairlead::gotmpl
