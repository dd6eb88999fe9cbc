// sprig's encodings and sums. Source of the behaviour: Masterminds/sprig v3.3 strings.go and crypto.go.
#include <openssl/evp.h>

#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

std::string Digest(const EVP_MD* kind, const std::string& s) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(s.data(), s.size(), sum, &size, kind, nullptr);
  return HexEncode({reinterpret_cast<const char*>(sum), size});
}

uint32_t Adler32(const std::string& s) {
  uint32_t a = 1, b = 0;
  for (unsigned char c : s) {
    a = (a + c) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

// RFC 4648 in groups: 4 characters of 6 bits, or 8 of 5. Go's errors say at which byte the text is wrong.
struct Alphabet {
  const char* digits;
  int bits, group;
  const char* name;
};
constexpr Alphabet kBase64{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4, "base64"};
constexpr Alphabet kBase32{"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8, "base32"};

std::string Encode(const Alphabet& a, const std::string& s) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (unsigned char c : s) {
    bits = bits << 8 | c;
    for (have += 8; have >= a.bits; have -= a.bits) out += a.digits[bits >> (have - a.bits) & ((1u << a.bits) - 1)];
  }
  if (have > 0) out += a.digits[bits << (a.bits - have) & ((1u << a.bits) - 1)];
  while (out.size() % static_cast<size_t>(a.group)) out += '=';
  return out;
}

std::string Illegal(const Alphabet& a, size_t at) {
  return std::string("illegal ") + a.name + " data at input byte " + std::to_string(at);
}

int DigitOf(const Alphabet& a, char c) {
  const char* d = c == '\0' ? nullptr : strchr(a.digits, c);
  return d ? static_cast<int>(d - a.digits) : -1;
}

bool IsLineEnd(char c) { return c == '\n' || c == '\r'; }

// Go's base64 decoder, group by group: what it says of a wrong text depends on how it reads.
std::string DecodeBase64(const std::string& s) {
  std::string out;
  size_t i = 0;
  while (true) {
    uint32_t bits = 0;
    size_t j = 0;
    bool padded = false;
    while (j < 4 && !padded) {
      if (i == s.size()) return j == 0 ? out : Illegal(kBase64, i - j);
      char c = s[i++];
      if (int d = DigitOf(kBase64, c); d >= 0) {
        bits = bits << 6 | static_cast<uint32_t>(d);
        ++j;
      } else if (!IsLineEnd(c)) {
        if (c != '=' || j < 2) return Illegal(kBase64, i - 1);
        auto skip = [&] {
          while (i < s.size() && IsLineEnd(s[i])) ++i;
        };
        if (j == 2) {
          skip();
          if (i == s.size()) return Illegal(kBase64, s.size());
          if (s[i++] != '=') return Illegal(kBase64, i - 2);
        }
        skip();
        if (i < s.size()) return Illegal(kBase64, i);
        padded = true;
      }
    }
    if (j == 2) out += static_cast<char>(bits >> 4);
    if (j >= 3) {
      if (j == 3) bits <<= 6;
      out += static_cast<char>(bits >> 16);
      out += static_cast<char>(bits >> 8);
      if (j == 4) out += static_cast<char>(bits);
    }
    if (padded) return out;
  }
}

std::string DecodeBase32(const std::string& text) {
  std::string s, out;
  for (char c : text)
    if (!IsLineEnd(c)) s += c;
  size_t digits = std::min(s.find('='), s.size());
  uint32_t bits = 0;
  int have = 0;
  for (size_t i = 0; i < digits; ++i) {
    int d = DigitOf(kBase32, s[i]);
    if (d < 0) return Illegal(kBase32, i);
    bits = bits << 5 | static_cast<uint32_t>(d);
    if ((have += 5) >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xff);
    }
  }
  if (s.size() % 8 != 0 || s.size() - digits > 6) return Illegal(kBase32, digits);
  return out;
}

}  // namespace

void RegisterEncoding(Engine& e) {
  const S text{{S::kString}};
  auto define = [&](const char* name, std::string (*f)(const std::string&)) {
    Define(e, name, text, [f](const List& a) -> Result<Value> { return Value(f(Text(a[0]))); });
  };
  define("b64enc", [](const std::string& s) { return Encode(kBase64, s); });
  define("b64dec", [](const std::string& s) { return DecodeBase64(s); });
  define("b32enc", [](const std::string& s) { return Encode(kBase32, s); });
  define("b32dec", [](const std::string& s) { return DecodeBase32(s); });
  define("sha1sum", [](const std::string& s) { return Digest(EVP_sha1(), s); });
  define("sha256sum", [](const std::string& s) { return value::Sha256Hex(s); });
  define("sha512sum", [](const std::string& s) { return Digest(EVP_sha512(), s); });
  define("adler32sum", [](const std::string& s) { return std::to_string(Adler32(s)); });
}

}  // namespace fairlead::gotmpl::sprig
