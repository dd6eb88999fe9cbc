// Characters beyond ASCII, as Go's packages unicode, utf8 and strings see them. The tables are those of Unicode 15.
#pragma once
#include <string>
#include <string_view>

namespace fairlead {

// The first character; `size` becomes its length in bytes. Bytes that are no UTF-8 are U+FFFD of one byte.
int DecodeRune(std::string_view s, int& size);
std::string EncodeRune(int r);
// Each byte that is no UTF-8 becomes U+FFFD.
std::string ValidUtf8(const std::string& s);

namespace unicode {

bool IsLetter(int r);
bool IsDigit(int r);
bool IsNumber(int r);  // digits, and such as ½ or Ⅷ
bool IsUpper(int r);
bool IsLower(int r);
bool IsTitle(int r);
bool IsPunct(int r);
bool IsSpace(int r);
bool IsPrint(int r);  // letters, marks, numbers, punctuation, symbols and U+0020
int ToUpper(int r);
int ToLower(int r);
int ToTitle(int r);
std::string_view TrimSpace(std::string_view s);

}  // namespace unicode
}  // namespace fairlead
