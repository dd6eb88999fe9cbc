#include "util/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace fairlead {
namespace {

constexpr int kReplacement = 0xfffd;
constexpr int kSharpS = 0xdf;  // stays small in Go

}  // namespace

int DecodeRune(std::string_view s, int& size) {
  size = 1;
  if (s.empty()) return -1;
  auto b = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  auto tail = [&](size_t i) { return i < s.size() && (b(i) & 0xc0) == 0x80; };
  unsigned char c = b(0);
  if (c < 0x80) return c;
  if (c >= 0xc2 && c < 0xe0 && tail(1)) {
    size = 2;
    return (c & 0x1f) << 6 | (b(1) & 0x3f);
  }
  if (c >= 0xe0 && c < 0xf0 && tail(1) && tail(2)) {
    int r = (c & 0x0f) << 12 | (b(1) & 0x3f) << 6 | (b(2) & 0x3f);
    if (r >= 0x800 && (r < 0xd800 || r >= 0xe000)) {
      size = 3;
      return r;
    }
  }
  if (c >= 0xf0 && c < 0xf5 && tail(1) && tail(2) && tail(3)) {
    int r = (c & 0x07) << 18 | (b(1) & 0x3f) << 12 | (b(2) & 0x3f) << 6 | (b(3) & 0x3f);
    if (r >= 0x10000 && r <= 0x10ffff) {
      size = 4;
      return r;
    }
  }
  return kReplacement;
}

std::string EncodeRune(int r) {
  if (r < 0 || r > 0x10ffff || (r >= 0xd800 && r < 0xe000)) r = kReplacement;
  std::string out;
  if (r < 0x80) {
    out += static_cast<char>(r);
  } else if (r < 0x800) {
    out += static_cast<char>(0xc0 | r >> 6);
    out += static_cast<char>(0x80 | (r & 0x3f));
  } else if (r < 0x10000) {
    out += static_cast<char>(0xe0 | r >> 12);
    out += static_cast<char>(0x80 | (r >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (r & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | r >> 18);
    out += static_cast<char>(0x80 | (r >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (r >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (r & 0x3f));
  }
  return out;
}

std::string ValidUtf8(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    out += EncodeRune(DecodeRune(std::string_view(s).substr(i), size));
    i += static_cast<size_t>(size);
  }
  return out;
}

namespace unicode {

bool IsLetter(int r) {
  auto c = utf8proc_category(r);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}
bool IsDigit(int r) { return utf8proc_category(r) == UTF8PROC_CATEGORY_ND; }
bool IsNumber(int r) {
  auto c = utf8proc_category(r);
  return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}
bool IsUpper(int r) { return utf8proc_category(r) == UTF8PROC_CATEGORY_LU; }
bool IsLower(int r) { return utf8proc_category(r) == UTF8PROC_CATEGORY_LL; }
bool IsTitle(int r) { return utf8proc_category(r) == UTF8PROC_CATEGORY_LT; }
bool IsPunct(int r) {
  auto c = utf8proc_category(r);
  return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}
bool IsSpace(int r) {
  return r == ' ' || (r >= '\t' && r <= '\r') || r == 0x85 || r == 0xa0 || r == 0x1680 ||
         (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000;
}
bool IsPrint(int r) {
  auto c = utf8proc_category(r);
  return r == ' ' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_SO);
}
int ToUpper(int r) { return r == kSharpS ? r : utf8proc_toupper(r); }
int ToLower(int r) { return utf8proc_tolower(r); }
int ToTitle(int r) { return r == kSharpS ? r : utf8proc_totitle(r); }

std::string_view TrimSpace(std::string_view s) {
  size_t first = s.size(), last = 0;
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(s.substr(i), size);
    if (!IsSpace(r)) {
      first = std::min(first, i);
      last = i + static_cast<size_t>(size);
    }
    i += static_cast<size_t>(size);
  }
  return first < last ? s.substr(first, last - first) : std::string_view();
}

}  // namespace unicode
}  // namespace fairlead
