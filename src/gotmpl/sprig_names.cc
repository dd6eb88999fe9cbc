// snake_case, kebab-case, CamelCase. Source of the behaviour: huandu/xstrings convert.go.
#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/unicode.h"

namespace fairlead::gotmpl::sprig {
namespace {

using Text32 = std::u32string;

bool IsConnector(char32_t c) { return c == '-' || c == '_' || unicode::IsSpace(static_cast<int>(c)); }
bool IsUpper(char32_t c) { return unicode::IsUpper(static_cast<int>(c)); }
bool IsNumber(char32_t c) { return unicode::IsNumber(static_cast<int>(c)); }
bool IsPunct(char32_t c) { return unicode::IsPunct(static_cast<int>(c)); }
// Letters of scripts that write without spaces between words do not make words.
bool IsAlphabet(char32_t c) {
  if (!unicode::IsLetter(static_cast<int>(c))) return false;
  return !(c >= 0x3400 && c <= 0x4d85) && !(c >= 0x4e00 && c <= 0x9fcc) && !(c >= 0x20000 && c <= 0x2b81d);
}
char32_t Upper(char32_t c) { return static_cast<char32_t>(unicode::ToUpper(static_cast<int>(c))); }
char32_t Lower(char32_t c) { return static_cast<char32_t>(unicode::ToLower(static_cast<int>(c))); }

Text32 Runes(const std::string& s) {
  Text32 out;
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    out += static_cast<char32_t>(DecodeRune(std::string_view(s).substr(i), size));
    i += static_cast<size_t>(size);
  }
  return out;
}
std::string Encoded(const Text32& s) {
  std::string out;
  for (char32_t c : s) out += EncodeRune(static_cast<int>(c));
  return out;
}

enum class Kind { kNone, kNumber, kUpper, kAlphabet, kConnector, kPunct, kOther };
struct Word {
  Kind kind = Kind::kNone;
  Text32 text;
};

Word NextWord(Text32& rest) {
  if (rest.empty()) return {};
  size_t n = 1;
  auto run = [&](auto is) {
    while (n < rest.size() && is(rest[n])) ++n;
  };
  Word w;
  char32_t first = rest[0];
  if (IsConnector(first)) {
    w.kind = Kind::kConnector;
    run(IsConnector);
  } else if (IsPunct(first)) {
    w.kind = Kind::kPunct;
    run(IsPunct);
  } else if (IsUpper(first)) {
    w.kind = Kind::kUpper;
    if (n < rest.size() && IsUpper(rest[n])) {
      run(IsUpper);
      if (n < rest.size() && IsAlphabet(rest[n])) --n;  // of HTTPStatus the S belongs to the next word
    } else if (n < rest.size() && IsAlphabet(rest[n])) {
      run([](char32_t c) { return IsAlphabet(c) && !IsUpper(c); });
    }
  } else if (IsAlphabet(first)) {
    w.kind = Kind::kAlphabet;
    run([](char32_t c) { return IsAlphabet(c) && !IsUpper(c); });
  } else if (IsNumber(first)) {
    w.kind = Kind::kNumber;
    run(IsNumber);
  } else {
    w.kind = Kind::kOther;
    run([](char32_t c) { return !IsConnector(c) && !IsAlphabet(c) && !IsNumber(c) && !IsPunct(c); });
  }
  w.text = rest.substr(0, n);
  rest.erase(0, n);
  return w;
}

void Append(Text32& out, const Word& w, char32_t connector) {
  if (w.kind == Kind::kConnector) {
    out.append(w.text.size(), connector);
  } else {
    for (char32_t c : w.text) out += w.kind == Kind::kUpper || w.kind == Kind::kAlphabet ? Lower(c) : c;
  }
}

bool BeginsWord(Kind k) { return k != Kind::kConnector && k != Kind::kPunct; }
bool IsWordPart(Kind k) { return k == Kind::kAlphabet || k == Kind::kNumber; }

Text32 Separated(Text32 rest, char32_t connector) {
  if (rest.empty()) return rest;
  Text32 out;
  Word w = NextWord(rest);
  auto take_parts = [&] {
    while (IsWordPart(w.kind)) {
      Append(out, w, connector);
      w = NextWord(rest);
    }
    if (w.kind != Kind::kNone && BeginsWord(w.kind)) out += connector;
  };
  while (!rest.empty()) {
    if (w.kind != Kind::kConnector) Append(out, w, connector);
    Word last = std::exchange(w, NextWord(rest));
    if (last.kind == Kind::kNumber) {
      take_parts();
    } else if (last.kind == Kind::kConnector) {
      Append(out, last, connector);
    } else if (last.kind != Kind::kPunct) {
      if (w.kind != Kind::kNumber) {
        if (BeginsWord(w.kind)) out += connector;
        continue;
      }
      if (rest.empty()) continue;
      Word number = std::exchange(w, NextWord(rest));
      if (w.kind != Kind::kAlphabet) {  // the number belongs to the word before it: Bld4Floor
        Append(out, number, connector);
        if (BeginsWord(w.kind)) out += connector;
        continue;
      }
      out += connector;  // letters follow: HTTP2xx
      Append(out, number, connector);
      take_parts();
    }
  }
  Append(out, w, connector);
  return out;
}

Text32 Pascal(const Text32& s) {
  Text32 out;
  size_t i = 0;
  while (i < s.size() && IsConnector(s[i])) out += s[i++];
  if (i == s.size()) return s.empty() ? out : out + s.back();  // as it comes out there
  bool first_upper = IsUpper(s[i]);
  char32_t previous = Upper(s[i++]);
  for (; i < s.size(); ++i) {
    char32_t before = std::exchange(previous, s[i]);
    if (IsConnector(previous) && IsConnector(before)) {
      out += before;
    } else if (IsConnector(before)) {
      first_upper = IsUpper(previous);
      previous = Upper(previous);
    } else {
      if (first_upper && IsUpper(previous))
        previous = Lower(previous);
      else
        first_upper = false;
      out += before;
    }
  }
  return out + previous;
}

}  // namespace

void RegisterNames(Engine& e) {
  const S text{{S::kString}};
  Define(e, "snakecase", text,
         [](const List& a) -> Result<Value> { return Value(Encoded(Separated(Runes(Text(a[0])), '_'))); });
  Define(e, "kebabcase", text,
         [](const List& a) -> Result<Value> { return Value(Encoded(Separated(Runes(Text(a[0])), '-'))); });
  Define(e, "camelcase", text,
         [](const List& a) -> Result<Value> { return Value(Encoded(Pascal(Runes(Text(a[0]))))); });
}

}  // namespace fairlead::gotmpl::sprig
