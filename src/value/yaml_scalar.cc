#include "value/yaml_scalar.h"

#include <charconv>
#include <cmath>

#include "util/strings.h"

namespace fairlead::value {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// strconv.ParseInt and ParseUint with base 0.
std::optional<Json> Integer(std::string_view s) {
  bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  int base = 10;
  if (s.size() > 1 && s[0] == '0') {
    char p = static_cast<char>(s[1] | 0x20);
    base = p == 'x' ? 16 : p == 'b' ? 2 : 8;
    s.remove_prefix(p == 'x' || p == 'b' || p == 'o' ? 2 : 1);
  }
  uint64_t v = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v, base);
  if (s.empty() || ec != std::errc() || end != s.data() + s.size()) return std::nullopt;
  if (!negative) return v <= INT64_MAX ? Json(static_cast<int64_t>(v)) : Json(v);
  if (v > 1ull << 63) return std::nullopt;
  return Json(static_cast<int64_t>(0 - v));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool HasFloatShape(std::string_view s) {
  size_t i = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0, before = 0, after = 0;
  while (i < s.size() && IsDigit(s[i])) ++i, ++before;
  if (i < s.size() && s[i] == '.') {
    ++i;
    while (i < s.size() && IsDigit(s[i])) ++i, ++after;
  }
  if (before + after == 0) return false;
  if (i < s.size() && (s[i] | 0x20) == 'e') {
    ++i;
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) ++i;
    size_t digits = i;
    while (i < s.size() && IsDigit(s[i])) ++i;
    if (i == digits) return false;
  }
  return i == s.size();
}

std::optional<Json> Float(std::string_view s) {
  if (!HasFloatShape(s)) return std::nullopt;
  if (s[0] == '+') s.remove_prefix(1);
  double d = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), d);
  if (ec != std::errc()) return std::nullopt;  // out of range: a string
  return Json(d);
}

// YYYY-M-D, alone or with a time that ends in a zone after T, or without one after a space.
bool IsTimestamp(std::string_view s) {
  auto number = [&](size_t least, size_t most) {
    size_t n = 0;
    while (n < s.size() && n < most && IsDigit(s[n])) ++n;
    if (n < least) return -1;
    int v = atoi(std::string(s.substr(0, n)).c_str());
    s.remove_prefix(n);
    return v;
  };
  auto take = [&](char c) {
    if (!s.starts_with(c)) return false;
    s.remove_prefix(1);
    return true;
  };
  if (number(4, 4) < 0 || !take('-')) return false;
  int month = number(1, 2);
  if (month < 1 || month > 12 || !take('-')) return false;
  int day = number(1, 2);
  if (day < 1 || day > (month == 2 ? 29 : 31)) return false;
  if (s.empty()) return true;
  bool zone = s[0] != ' ';
  if (!take('T') && !take('t') && !take(' ')) return false;
  int hour = number(1, 2);
  if (hour < 0 || hour > 23 || !take(':')) return false;
  int minute = number(1, 2);
  if (minute < 0 || minute > 59 || !take(':')) return false;
  int second = number(1, 2);
  if (second < 0 || second > 59) return false;
  if (take('.') && number(1, 9) < 0) return false;
  if (!zone) return s.empty();
  if (take('Z')) return s.empty();
  return (take('+') || take('-')) && number(2, 2) >= 0 && take(':') && number(2, 2) >= 0 && s.empty();
}

// [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
bool IsBase60(std::string_view s) {
  size_t i = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
  if (i >= s.size() || !IsDigit(s[i])) return false;
  while (i < s.size() && (IsDigit(s[i]) || s[i] == '_')) ++i;
  bool any = false;
  while (i + 1 < s.size() && s[i] == ':' && IsDigit(s[i + 1])) {
    any = true;
    i += i + 2 < s.size() && s[i + 1] <= '5' && IsDigit(s[i + 2]) ? 3 : 2;
  }
  if (any && i < s.size() && s[i] == '.') {
    ++i;
    while (i < s.size() && (IsDigit(s[i]) || s[i] == '_')) ++i;
  }
  return any && i == s.size();
}

}  // namespace

std::optional<Json> ResolveScalar(std::string_view s) {
  // Most text is no word of YAML's, and looks like none.
  if (s.size() > 5 && !IsDigit(s[0]) && s[0] != '-' && s[0] != '+' && s[0] != '.') return std::nullopt;
  for (std::string_view w : {"", "~", "null", "Null", "NULL"})
    if (s == w) return Json(nullptr);
  for (std::string_view w : {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
    if (s == w) return Json(true);
  for (std::string_view w : {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
    if (s == w) return Json(false);
  for (std::string_view w : {".nan", ".NaN", ".NAN"})
    if (s == w) return Json(std::nan(""));
  for (std::string_view w : {".inf", ".Inf", ".INF"})
    for (std::string_view sign : {"", "+", "-"})
      if (s.starts_with(sign) && s.substr(sign.size()) == w) return Json(sign == "-" ? -HUGE_VAL : HUGE_VAL);
  if (!IsDigit(s[0]) && s[0] != '-' && s[0] != '+' && s[0] != '.') return std::nullopt;
  if (s[0] == '.') return Float(s);  // without underscores
  if (IsTimestamp(s)) return std::nullopt;
  std::string plain = ReplaceAll(std::string(s), "_", "");
  if (auto n = Integer(plain)) return n;
  return Float(plain);
}

bool NeedsQuotes(std::string_view s) { return ResolveScalar(s) || IsTimestamp(s) || IsBase60(s); }

}  // namespace fairlead::value
