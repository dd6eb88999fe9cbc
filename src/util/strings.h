// Small text functions that the standard library lacks.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "util/result.h"

namespace fairlead {

std::vector<std::string> Split(std::string_view text, char separator);          // "" -> {""}
std::vector<std::string> SplitNonEmpty(std::string_view text, char separator);  // trimmed parts, empty ones dropped
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
// Rows under each other, their columns three spaces apart; a line each.
std::string AlignColumns(const std::vector<std::vector<std::string>>& rows);
std::string_view Trim(std::string_view text);  // ASCII white space
std::string ToLower(std::string_view text);
bool EqualFold(std::string_view a, std::string_view b);  // ASCII
std::string ReplaceAll(std::string text, std::string_view from, std::string_view to);
// At most `bytes` of UTF-8 text: what is too much is left out in the middle, since the ends say where and why.
std::string Shorten(const std::string& text, size_t bytes);
Result<int64_t> ParseInt(std::string_view text);  // decimal, the whole text
Result<bool> ParseBool(std::string_view text);    // as Go's strconv.ParseBool
std::string Base64Encode(std::string_view bytes);
Result<std::string> Base64Decode(std::string_view text);  // standard or URL alphabet, padding optional
std::string HexEncode(std::string_view bytes);
std::string Hex(uint32_t n);                  // 0x539
std::string RandomHex(size_t characters);     // from the kernel's random source
std::string RandomSuffix(size_t characters);  // as Kubernetes' generateName: consonants and digits
std::string RandomUuid();

}  // namespace fairlead
