#include "util/strings.h"

#include <sys/random.h>

#include <charconv>

namespace fairlead {
namespace {

std::string RandomBytes(size_t n) {
  std::string out(n, '\0');
  size_t have = 0;
  while (have < n) {
    ssize_t got = ::getrandom(out.data() + have, n - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  return out;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (true) {
    size_t at = text.find(separator);
    out.emplace_back(text.substr(0, at));
    if (at == text.npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::vector<std::string> SplitNonEmpty(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (const std::string& part : Split(text, separator))
    if (auto t = Trim(part); !t.empty()) out.emplace_back(t);
  return out;
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i) out += separator;
    out += parts[i];
  }
  return out;
}

std::string AlignColumns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(widths[i] - row[i].size() + 3, ' ');
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string ToLower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool EqualFold(std::string_view a, std::string_view b) { return a.size() == b.size() && ToLower(a) == ToLower(b); }

std::string ReplaceAll(std::string text, std::string_view from, std::string_view to) {
  if (from.empty()) return text;
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

std::string Shorten(const std::string& text, size_t bytes) {
  constexpr std::string_view kGap = " [...] ";
  if (text.size() <= bytes) return text;
  auto inside = [&](size_t at) { return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  size_t kept = bytes - std::min(bytes, kGap.size()), head = kept / 2, tail = text.size() - (kept - head);
  while (head > 0 && inside(head)) --head;
  while (inside(tail)) ++tail;
  return text.substr(0, head) + std::string(kGap) + text.substr(tail);
}

Result<int64_t> ParseInt(std::string_view text) {
  int64_t v = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty())
    return MakeError(Code::kInvalid, "\"" + std::string(text) + "\" is not a whole number");
  return v;
}

Result<bool> ParseBool(std::string_view t) {
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (t == yes) return true;
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (t == no) return false;
  return MakeError(Code::kInvalid, "\"" + std::string(t) + "\" is neither true nor false");
}

std::string Base64Encode(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    auto byte = [&](size_t k) { return i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u; };
    unsigned v = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kBase64[v >> 18];
    out += kBase64[v >> 12 & 63];
    out += i + 1 < bytes.size() ? kBase64[v >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? kBase64[v & 63] : '=';
  }
  return out;
}

Result<std::string> Base64Decode(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int have = 0;
  for (char c : text) {
    if (c == '=' || c == '\n' || c == '\r') continue;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    size_t v = kBase64.find(c);
    if (v == kBase64.npos) return MakeError(Code::kInvalid, "illegal base64 data");
    bits = bits << 6 | static_cast<unsigned>(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xff);
    }
  }
  return out;
}

std::string HexEncode(std::string_view bytes) {
  std::string out;
  for (unsigned char c : bytes) {
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

std::string Hex(uint32_t n) {
  char text[16];
  snprintf(text, sizeof text, "0x%x", n);
  return text;
}

std::string RandomHex(size_t characters) { return HexEncode(RandomBytes((characters + 1) / 2)).substr(0, characters); }

std::string RandomSuffix(size_t characters) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out = RandomBytes(characters);
  for (char& c : out) c = kAlphabet[static_cast<uint8_t>(c) % kAlphabet.size()];
  return out;
}

std::string RandomUuid() {
  std::string h = RandomHex(32);
  h[12] = '4';
  h[16] = "89ab"[h[16] % 4];
  return h.substr(0, 8) + "-" + h.substr(8, 4) + "-" + h.substr(12, 4) + "-" + h.substr(16, 4) + "-" + h.substr(20);
}

}  // namespace fairlead
