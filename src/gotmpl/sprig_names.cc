// snake_case, kebab-case, CamelCase. Source of the behaviour: huandu/xstrings convert.go. Letters beyond ASCII have no
// case here.
#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {
namespace {

bool IsConnector(char c) { return c == '-' || c == '_' || isspace(static_cast<unsigned char>(c)); }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPunct(char c) { return std::string_view("!\"#%&'()*,-./:;?@[\\]_{}").find(c) != std::string_view::npos; }
bool IsAlphabet(char c) { return isalpha(static_cast<unsigned char>(c)) || (c & 0x80); }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char Lower(char c) { return IsUpper(c) ? static_cast<char>(c + 32) : c; }

enum class Kind { kNone, kNumber, kUpper, kAlphabet, kConnector, kPunct, kOther };
struct Word {
  Kind kind = Kind::kNone;
  std::string text;
};

Word NextWord(std::string& rest) {
  if (rest.empty()) return {};
  size_t n = 1;
  auto run = [&](auto is) {
    while (n < rest.size() && is(rest[n])) ++n;
  };
  Word w;
  char first = rest[0];
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
      run([](char c) { return IsAlphabet(c) && !IsUpper(c); });
    }
  } else if (IsAlphabet(first)) {
    w.kind = Kind::kAlphabet;
    run([](char c) { return IsAlphabet(c) && !IsUpper(c); });
  } else if (IsDigit(first)) {
    w.kind = Kind::kNumber;
    run(IsDigit);
  } else {
    w.kind = Kind::kOther;
    run([](char c) { return !IsConnector(c) && !IsAlphabet(c) && !IsDigit(c) && !IsPunct(c); });
  }
  w.text = rest.substr(0, n);
  rest.erase(0, n);
  return w;
}

void Append(std::string& out, const Word& w, char connector) {
  if (w.kind == Kind::kConnector) {
    out.append(w.text.size(), connector);
  } else {
    for (char c : w.text) out += Lower(c);
  }
}

bool BeginsWord(Kind k) { return k != Kind::kConnector && k != Kind::kPunct; }
bool IsWordPart(Kind k) { return k == Kind::kAlphabet || k == Kind::kNumber; }

std::string Separated(std::string rest, char connector) {
  if (rest.empty()) return "";
  std::string out;
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

std::string Pascal(const std::string& s) {
  std::string out;
  size_t i = 0;
  while (i < s.size() && IsConnector(s[i])) out += s[i++];
  if (i == s.size()) return s.empty() ? out : out + s.back();  // as it comes out there
  bool first_upper = IsUpper(s[i]);
  char previous = Upper(s[i++]);
  for (; i < s.size(); ++i) {
    char before = std::exchange(previous, s[i]);
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
  Define(e, "snakecase", text, [](const List& a) -> Result<Value> { return Value(Separated(Text(a[0]), '_')); });
  Define(e, "kebabcase", text, [](const List& a) -> Result<Value> { return Value(Separated(Text(a[0]), '-')); });
  Define(e, "camelcase", text, [](const List& a) -> Result<Value> { return Value(Pascal(Text(a[0]))); });
}

}  // namespace fairlead::gotmpl::sprig
