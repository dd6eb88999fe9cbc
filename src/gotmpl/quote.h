// Go's strconv as far as templates need them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::gotmpl {

std::string UnicodeName(int r);  // U+002D '-', as %#U
// strconv.Quote; with `ascii` as QuoteToASCII.
std::string QuoteGo(const std::string& s, bool ascii = false);
std::string QuoteRune(int r, bool ascii = false);
// strconv.CanBackquote.
bool CanBackquote(const std::string& s);
// strconv.Unquote of a string in double or back quotes; nullopt: invalid syntax.
std::optional<std::string> Unquote(std::string_view quoted);
// The character of a constant such as 'a' or '\n', with its quotes; nullopt: malformed.
std::optional<int> UnquoteChar(std::string_view quoted);

}  // namespace fairlead::gotmpl
