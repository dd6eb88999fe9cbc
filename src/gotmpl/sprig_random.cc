// sprig's random functions. Source of the behaviour: Masterminds/sprig v3.3, goutils.
#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/strings.h"
#include "util/unicode.h"

namespace fairlead::gotmpl::sprig {
namespace {

constexpr int64_t kMaxCount = 1 << 20;

uint64_t Below(const Engine& e, uint64_t limit) {
  std::string bytes = e.sources().random(8);
  uint64_t n = 0;
  for (char c : bytes) n = n << 8 | static_cast<unsigned char>(c);
  return n % limit;
}

Result<Value> Letters(const Engine& e, int64_t count, const std::string& alphabet) {
  if (count < 0) return Value("");
  if (count > kMaxCount) return Fail("more than " + std::to_string(kMaxCount) + " random characters");
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += alphabet[Below(e, alphabet.size())];
  return Value(out);
}

}  // namespace

void RegisterRandom(Engine& e) {
  const std::string lower = "abcdefghijklmnopqrstuvwxyz", upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", digits = "0123456789";
  std::string printable;
  for (char c = ' '; c <= '~'; ++c) printable += c;
  const std::pair<const char*, std::string> alphabets[] = {{"randAlphaNum", lower + upper + digits},
                                                           {"randAlpha", lower + upper},
                                                           {"randNumeric", digits},
                                                           {"randAscii", printable}};
  for (const auto& [name, alphabet] : alphabets)
    e.Register(name, {{S::kInt}}, [alphabet](Engine& engine, const List& a) -> Result<Value> {
      return Letters(engine, *a[0].as_int(), alphabet);
    });
  e.Register("randInt", {{S::kInt, S::kInt}}, [](Engine& engine, const List& a) -> Result<Value> {
    int64_t from = *a[0].as_int(), to = *a[1].as_int();
    if (to <= from) return Fail("invalid argument to Intn");
    return Value(from + static_cast<int64_t>(Below(engine, static_cast<uint64_t>(to) - static_cast<uint64_t>(from))));
  });
  e.Register("randBytes", {{S::kInt}}, [](Engine& engine, const List& a) -> Result<Value> {
    int64_t count = *a[0].as_int();
    if (count < 0 || count > kMaxCount) return Fail("runtime error: makeslice: len out of range");
    return Value(Base64Encode(engine.sources().random(static_cast<size_t>(count))));
  });
  e.Register("uuidv4", S{}, [](Engine& engine, const List&) -> Result<Value> {
    std::string b = engine.sources().random(16);
    b[6] = static_cast<char>((b[6] & 0x0f) | 0x40);
    b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
    std::string hex = HexEncode(b);
    for (size_t at : {20, 16, 12, 8}) hex.insert(at, "-");
    return Value(hex);
  });
  e.Register("shuffle", {{S::kString}}, [](Engine& engine, const List& a) -> Result<Value> {
    std::vector<std::string> runes;
    const std::string& s = Text(a[0]);
    for (size_t i = 0; i < s.size();) {
      int size = 1;
      DecodeRune(std::string_view(s).substr(i), size);
      runes.push_back(s.substr(i, static_cast<size_t>(size)));
      i += static_cast<size_t>(size);
    }
    for (size_t i = runes.size(); i > 1; --i) std::swap(runes[i - 1], runes[Below(engine, i)]);
    return Value(Join(runes, ""));
  });
}

}  // namespace fairlead::gotmpl::sprig
