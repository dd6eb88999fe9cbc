// For SHA256_Init and its like, see Sha256Hex.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "value/json.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "util/strings.h"

namespace fairlead::value {
namespace {

constexpr int kMaxJsonDepth = 512;

}  // namespace

Result<Json> ParseJson(std::string_view text, std::string_view what, size_t limit) {
  if (text.size() > limit)
    return MakeError(Code::kInvalid,
                     std::string(what) + ": larger than the limit of " + std::to_string(limit) + " bytes");
  bool too_deep = false;
  auto guard = [&](int depth, Json::parse_event_t, Json&) {
    if (depth <= kMaxJsonDepth) return true;
    too_deep = true;
    return false;
  };
  try {
    Json j = Json::parse(text, guard);
    if (too_deep)
      return MakeError(Code::kInvalid, std::string(what) + ": nested deeper than " + std::to_string(kMaxJsonDepth));
    return j;
  } catch (const Json::exception& e) {
    std::string message = e.what();
    if (auto at = message.find("] "); at != std::string::npos) message = message.substr(at + 2);
    return MakeError(Code::kInvalid, std::string(what) + ": not valid JSON: " + message);
  }
}

std::string Dump(const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); }
std::string DumpPretty(const Json& j) { return j.dump(2, ' ', false, Json::error_handler_t::replace); }

const Json& Null() {
  static const Json null;
  return null;
}

const Json& Member(const Json& j, std::string_view key) {
  if (!j.is_object()) return Null();
  auto it = j.find(key);
  return it == j.end() ? Null() : *it;
}

std::string AsString(const Json& j, std::string fallback) {
  return j.is_string() ? j.get<std::string>() : std::move(fallback);
}

int64_t AsInt(const Json& j, int64_t fallback) {
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number()) return static_cast<int64_t>(j.get<double>());
  return fallback;
}

bool AsBool(const Json& j, bool fallback) { return j.is_boolean() ? j.get<bool>() : fallback; }

bool IsEmpty(const Json& j) {
  switch (j.type()) {
    case Json::value_t::null: return true;
    case Json::value_t::object:
    case Json::value_t::array: return j.empty();
    case Json::value_t::string: return j.get_ref<const std::string&>().empty();
    case Json::value_t::boolean: return !j.get<bool>();
    default: return j.is_number() && j.get<double>() == 0;
  }
}

const char* TypeName(const Json& j) {
  if (j.is_object()) return "object";
  if (j.is_array()) return "array";
  if (j.is_string()) return "string";
  if (j.is_boolean()) return "boolean";
  if (j.is_number_integer()) return "integer";
  if (j.is_number()) return "number";
  return "null";
}

Json WithFloatNumbers(const Json& j) {
  if (j.is_number_integer()) return Json(j.get<double>());
  if (!j.is_structured()) return j;
  Json out = j;
  for (auto& member : out) member = WithFloatNumbers(member);
  return out;
}

std::string Sha256Hex(std::string_view bytes) {
  // Not SHA256() nor EVP: those read the library's configuration first, a millisecond for a chart's one checksum.
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest, &context);
  return HexEncode({reinterpret_cast<char*>(digest), sizeof digest});
}

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
       bytes.size(), out, &len);
  return {reinterpret_cast<char*>(out), len};
}

}  // namespace fairlead::value
