// JSON values and safe access to them. Json keeps integers and floating point numbers apart and its objects sorted, as
// Kubernetes and Go print them. Access never throws: what is missing or of another type reads as the fallback.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "util/result.h"

namespace fairlead {
using Json = nlohmann::json;
}

namespace fairlead::value {

// Parses one document. Errors name `what` and the byte position. Nesting deeper than 512 or text over `limit` is
// kInvalid.
Result<Json> ParseJson(std::string_view text, std::string_view what, size_t limit = 64u << 20);
std::string Dump(const Json& j);        // one line; invalid UTF-8 is replaced
std::string DumpPretty(const Json& j);  // two spaces

const Json& Null();                                       // a null to refer to
const Json& Member(const Json& j, std::string_view key);  // null when j is no object or lacks the key

// At(j, "status", "conditions", 0): the member below, or null.
inline const Json& At(const Json& j) { return j; }
template <class... Rest>
const Json& At(const Json& j, std::string_view key, Rest... rest) {
  return At(Member(j, key), rest...);
}
template <class... Rest>
const Json& At(const Json& j, size_t index, Rest... rest) {
  return j.is_array() && index < j.size() ? At(j[index], rest...) : Null();
}
template <class... Rest>
const Json& At(const Json& j, int index, Rest... rest) {
  return At(j, static_cast<size_t>(index), rest...);
}
template <class... Rest>
const Json& At(const Json& j, const char* key, Rest... rest) {
  return At(Member(j, key), rest...);
}

std::string AsString(const Json& j, std::string fallback = "");
int64_t AsInt(const Json& j, int64_t fallback = 0);
bool AsBool(const Json& j, bool fallback = false);

template <class... Path>
std::string Str(const Json& j, Path... path) {
  return AsString(At(j, path...));
}
template <class... Path>
int64_t Int(const Json& j, Path... path) {
  return AsInt(At(j, path...));
}
template <class... Path>
bool Bool(const Json& j, Path... path) {
  return AsBool(At(j, path...));
}

// True when j is null, "", 0, false, {} or [].
bool IsEmpty(const Json& j);
// The JSON type's name for messages: object, array, string, integer, number, boolean, null.
const char* TypeName(const Json& j);
// A copy in which every number is floating point, as Go's encoding/json makes them.
Json WithFloatNumbers(const Json& j);

std::string Sha256Hex(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);  // raw bytes

}  // namespace fairlead::value
