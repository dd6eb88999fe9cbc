#include "http/message.h"

#include "util/strings.h"

namespace fairlead::http {

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  auto hex = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~')
      out += static_cast<char>(c);
    else {
      out += '%';
      out += "0123456789ABCDEF"[c >> 4];
      out += "0123456789ABCDEF"[c & 15];
    }
  }
  return out;
}

void ParseTarget(std::string_view target, Request& into) {
  size_t q = target.find('?');
  into.path = PercentDecode(target.substr(0, q), false);
  if (q == target.npos) return;
  for (const std::string& pair : Split(target.substr(q + 1), '&')) {
    if (pair.empty()) continue;
    size_t eq = pair.find('=');
    into.query[PercentDecode(pair.substr(0, eq), true)] =
        eq == std::string::npos ? "" : PercentDecode(std::string_view(pair).substr(eq + 1), true);
  }
}

}  // namespace fairlead::http
