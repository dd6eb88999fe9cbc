#include "gotmpl/quote.h"

#include <cstdint>
#include <cstdio>

#include "util/unicode.h"

namespace fairlead::gotmpl {
namespace {

constexpr int kReplacement = 0xfffd;

std::string Hex(const char* format, int n) {
  char text[16];
  snprintf(text, sizeof text, format, static_cast<unsigned>(n));
  return text;
}

void AppendEscaped(std::string& out, int r, int size, unsigned char byte, char quote, bool ascii) {
  if (size == 1 && r == kReplacement) {  // a byte that is no UTF-8
    out += Hex("\\x%02x", byte);
    return;
  }
  if (r == quote || r == '\\') {
    out += '\\';
    out += static_cast<char>(r);
    return;
  }
  if (ascii ? r < 128 && unicode::IsPrint(r) : unicode::IsPrint(r)) {
    out += EncodeRune(r);
    return;
  }
  switch (r) {
    case '\a': out += "\\a"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    case '\v': out += "\\v"; return;
    default: break;
  }
  if (r < ' ' || r == 0x7f)
    out += Hex("\\x%02x", r);
  else if (r < 0x10000)
    out += Hex("\\u%04x", r);
  else
    out += Hex("\\U%08x", r);
}

// One character of a quoted text, escapes resolved; false: invalid. A byte escape sets `is_byte`.
bool NextChar(std::string_view& s, char quote, int& r, bool& is_byte) {
  is_byte = false;
  if (s.empty()) return false;
  if (s[0] == quote && (quote == '\'' || quote == '"')) return false;
  if (s[0] != '\\') {
    int size = 1;
    r = DecodeRune(s, size);
    if (r == '\n') return false;
    if (size == 1 && r == kReplacement) {
      r = static_cast<unsigned char>(s[0]);
      is_byte = true;
    }
    s.remove_prefix(static_cast<size_t>(size));
    return true;
  }
  if (s.size() < 2) return false;
  char c = s[1];
  s.remove_prefix(2);
  auto hex = [&](size_t digits, bool byte) {
    if (s.size() < digits) return false;
    int64_t v = 0;
    for (size_t i = 0; i < digits; ++i) {
      char d = s[i];
      int n = d >= '0' && d <= '9'   ? d - '0'
              : d >= 'a' && d <= 'f' ? d - 'a' + 10
              : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                     : -1;
      if (n < 0) return false;
      v = v * 16 + n;
    }
    s.remove_prefix(digits);
    if (!byte && (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))) return false;
    r = static_cast<int>(v);
    is_byte = byte;
    return true;
  };
  switch (c) {
    case 'a': r = '\a'; return true;
    case 'b': r = '\b'; return true;
    case 'f': r = '\f'; return true;
    case 'n': r = '\n'; return true;
    case 'r': r = '\r'; return true;
    case 't': r = '\t'; return true;
    case 'v': r = '\v'; return true;
    case 'x': return hex(2, true);
    case 'u': return hex(4, false);
    case 'U': return hex(8, false);
    case '\\': r = '\\'; return true;
    case '\'':
    case '"':
      if (c != quote) return false;
      r = c;
      return true;
    default: break;
  }
  if (c < '0' || c > '7' || s.size() < 2) return false;
  int v = c - '0';
  for (int i = 0; i < 2; ++i) {
    if (s[static_cast<size_t>(i)] < '0' || s[static_cast<size_t>(i)] > '7') return false;
    v = v * 8 + (s[static_cast<size_t>(i)] - '0');
  }
  if (v > 255) return false;
  s.remove_prefix(2);
  r = v;
  is_byte = true;
  return true;
}

}  // namespace

std::string UnicodeName(int r) {
  char text[16];
  snprintf(text, sizeof text, "U+%04X", static_cast<unsigned>(r));
  return unicode::IsPrint(r) ? std::string(text) + " '" + EncodeRune(r) + "'" : text;
}

std::string QuoteGo(const std::string& s, bool ascii) {
  std::string out = "\"";
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(std::string_view(s).substr(i), size);
    AppendEscaped(out, r, size, static_cast<unsigned char>(s[i]), '"', ascii);
    i += static_cast<size_t>(size);
  }
  return out + "\"";
}

std::string QuoteRune(int r, bool ascii) {
  if (r < 0 || r > 0x10ffff || (r >= 0xd800 && r < 0xe000)) r = kReplacement;
  std::string out = "'";
  AppendEscaped(out, r, 4, 0, '\'', ascii);
  return out + "'";
}

bool CanBackquote(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(std::string_view(s).substr(i), size);
    i += static_cast<size_t>(size);
    if (size > 1) {
      if (r == 0xfeff) return false;
      continue;
    }
    if (r == kReplacement || (r < ' ' && r != '\t') || r == '`' || r == 0x7f) return false;
  }
  return true;
}

std::optional<std::string> Unquote(std::string_view quoted) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) return std::nullopt;
  char quote = quoted.front();
  std::string_view s = quoted.substr(1, quoted.size() - 2);
  std::string out;
  if (quote == '`') {
    for (char c : s)
      if (c != '\r') out += c;
    return out;
  }
  while (!s.empty()) {
    int r = 0;
    bool is_byte = false;
    if (!NextChar(s, quote, r, is_byte)) return std::nullopt;
    if (is_byte)
      out += static_cast<char>(r);
    else
      out += EncodeRune(r);
  }
  return out;
}

std::optional<int> UnquoteChar(std::string_view quoted) {
  if (quoted.size() < 3) return std::nullopt;
  std::string_view s = quoted.substr(1);
  int r = 0;
  bool is_byte = false;
  if (!NextChar(s, quoted[0], r, is_byte) || s != "'") return std::nullopt;
  return r;
}

}  // namespace fairlead::gotmpl
