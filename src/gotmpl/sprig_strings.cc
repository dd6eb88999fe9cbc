// sprig's text functions. Source of the behaviour: Masterminds/sprig v3.3 strings.go and Masterminds/goutils. Lengths
// and positions count bytes, as there.
#include <cctype>

#include "gotmpl/format.h"
#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/strings.h"
#include "util/unicode.h"

namespace fairlead::gotmpl::sprig {
namespace {

constexpr int64_t kMaxText = 16 << 20;

// Each character, with the one before it (-1 at first).
std::string Map1(const std::string& s, const std::function<int(int r, int before)>& f) {
  std::string out;
  int before = -1;
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(std::string_view(s).substr(i), size);
    int now = f(r, before);
    if (now >= 0) out += now == r ? s.substr(i, static_cast<size_t>(size)) : EncodeRune(now);
    before = r;
    i += static_cast<size_t>(size);
  }
  return out;
}

std::string TrimSet(const std::string& s, const std::string& set) {
  size_t first = s.find_first_not_of(set);
  return first == s.npos ? "" : s.substr(first, s.find_last_not_of(set) - first + 1);
}

std::string Indent(int64_t n, const std::string& s) {
  std::string pad(static_cast<size_t>(n), ' ');
  return pad + ReplaceAll(s, "\n", "\n" + pad);
}

std::vector<std::string> SplitText(const std::string& s, const std::string& separator, int64_t limit = -1) {
  std::vector<std::string> out;
  if (limit == 0) return out;
  size_t at = 0;
  if (separator.empty()) {  // between all characters
    while (at < s.size()) {
      int size = 1;
      DecodeRune(std::string_view(s).substr(at), size);
      if (limit > 0 && static_cast<int64_t>(out.size()) == limit - 1) size = static_cast<int>(s.size() - at);
      out.push_back(s.substr(at, static_cast<size_t>(size)));
      at += static_cast<size_t>(size);
    }
    return out;
  }
  for (size_t next;
       (next = s.find(separator, at)) != s.npos && (limit < 0 || static_cast<int64_t>(out.size()) < limit - 1);
       at = next + separator.size())
    out.push_back(s.substr(at, next - at));
  out.push_back(s.substr(at));
  return out;
}

Value Numbered(const std::vector<std::string>& parts) {
  Map out;
  for (size_t i = 0; i < parts.size(); ++i) out["_" + std::to_string(i)] = Value(parts[i]);
  return Value::NewTypedMap(std::move(out), "map[string]string");
}

// goutils.Abbreviate: from `offset` on, at most `width` bytes with the points.
std::string Abbreviate(const std::string& s, int64_t offset, int64_t width) {
  auto size = static_cast<int64_t>(s.size());
  if (s.empty() || width < 4 || size <= width) return width < 4 ? "" : s;
  offset = std::min(offset, size);
  if (size - offset < width - 3) offset = size - (width - 3);
  if (offset <= 4) return s.substr(0, static_cast<size_t>(width - 3)) + "...";
  if (width < 7) return "";
  if (offset + width - 3 < size) return "..." + Abbreviate(s.substr(static_cast<size_t>(offset)), 0, width - 3);
  return "..." + s.substr(static_cast<size_t>(size - (width - 3)));
}

std::string Wrap(const std::string& s, int64_t width, std::string newline, bool break_words) {
  if (newline.empty()) newline = "\n";
  auto w = static_cast<size_t>(std::max<int64_t>(width, 1));
  size_t offset = 0;
  std::string out;
  while (s.size() > offset && s.size() - offset > w) {
    if (s[offset] == ' ') {
      ++offset;
      continue;
    }
    size_t space = s.substr(offset, w + 1).rfind(' ');
    if (space != s.npos) {
      out += s.substr(offset, space) + newline;
      offset += space + 1;
    } else if (break_words) {
      out += s.substr(offset, w) + newline;
      offset += w;
    } else {
      size_t next = s.find(' ', offset + w);
      if (next == s.npos) break;
      out += s.substr(offset, next - offset) + newline;
      offset = next + 1;
    }
  }
  return out + (offset < s.size() ? s.substr(offset) : "");
}

std::string QuoteAll(const List& args, bool single) {
  std::string out;
  bool first = true;
  for (const Value& v : args) {
    if (v.is_nil()) continue;
    if (!std::exchange(first, false)) out += ' ';
    out += single ? "'" + Print(v) + "'" : QuoteGo(StringOf(v));
  }
  return out;
}

Result<Value> Repeat(const List& a) {
  int64_t n = *a[0].as_int();
  const std::string& s = Text(a[1]);
  if (n < 0) return Fail("strings: negative Repeat count");
  if (!s.empty() && n > kMaxText / static_cast<int64_t>(s.size()))
    return Fail("strings: Repeat output length overflow");
  std::string out;
  out.reserve(static_cast<size_t>(n) * s.size());
  for (int64_t i = 0; i < n && !s.empty(); ++i) out += s;
  return Value(std::move(out));
}

Result<Value> Substr(const List& a) {
  int64_t start = *a[0].as_int(), end = *a[1].as_int();
  const std::string& s = Text(a[2]);
  auto size = static_cast<int64_t>(s.size());
  if (start < 0) {
    start = 0;
    if (end < 0 || end > size)
      return Fail("runtime error: slice bounds out of range [:" + std::to_string(end) + "]" +
                  (end < 0 ? "" : " with length " + std::to_string(size)));
  } else if (end < 0 || end > size) {
    end = size;
    if (start > size)
      return Fail("runtime error: slice bounds out of range [" + std::to_string(start) + ":" + std::to_string(size) +
                  "]");
  }
  if (start > end)
    return Fail("runtime error: slice bounds out of range [" + std::to_string(start) + ":" + std::to_string(end) + "]");
  return Value(s.substr(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

Result<Value> Trunc(const List& a) {
  int64_t n = *a[0].as_int();
  const std::string& s = Text(a[1]);
  auto size = static_cast<int64_t>(s.size());
  if (n < 0 && size + n > 0) return Value(s.substr(static_cast<size_t>(size + n)));
  if (n >= 0 && size > n) return Value(s.substr(0, static_cast<size_t>(n)));
  return a[1];
}

}  // namespace

void RegisterStrings(Engine& e) {
  const S text{{S::kString}}, two{{S::kString, S::kString}}, three{{S::kString, S::kString, S::kString}},
      number_text{{S::kInt, S::kString}}, more{{S::kAny}, true};
  auto on_text = [&](const char* name, std::string (*f)(const std::string&)) {
    Define(e, name, text, [f](const List& a) -> Result<Value> { return Value(f(Text(a[0]))); });
  };
  on_text("trim", [](const std::string& s) { return std::string(unicode::TrimSpace(s)); });
  on_text("upper", [](const std::string& s) { return Map1(s, [](int r, int) { return unicode::ToUpper(r); }); });
  on_text("lower", [](const std::string& s) { return Map1(s, [](int r, int) { return unicode::ToLower(r); }); });
  on_text("title", [](const std::string& s) {
    return Map1(s, [](int r, int before) {
      bool starts = before < 0 || (before < 128 ? !isalnum(before) && before != '_' : unicode::IsSpace(before));
      return starts ? unicode::ToTitle(r) : r;
    });
  });
  on_text("untitle", [](const std::string& s) {
    return Map1(s, [](int r, int before) { return before < 0 || unicode::IsSpace(before) ? unicode::ToLower(r) : r; });
  });
  on_text("swapcase", [](const std::string& s) {
    return Map1(s, [](int r, int before) {
      if (unicode::IsUpper(r) || unicode::IsTitle(r)) return unicode::ToLower(r);
      if (!unicode::IsLower(r)) return r;
      return before < 0 || unicode::IsSpace(before) ? unicode::ToTitle(r) : unicode::ToUpper(r);
    });
  });
  on_text("nospace",
          [](const std::string& s) { return Map1(s, [](int r, int) { return unicode::IsSpace(r) ? -1 : r; }); });
  on_text("initials", [](const std::string& s) {
    std::string out;  // goutils takes every byte for a character
    for (size_t i = 0; i < s.size(); ++i) {
      auto at = [&](size_t k) { return static_cast<int>(static_cast<unsigned char>(s[k])); };
      if (!unicode::IsSpace(at(i)) && (i == 0 || unicode::IsSpace(at(i - 1)))) out += EncodeRune(at(i));
    }
    return out;
  });
  auto on_two = [&](const char* name, Value (*f)(const std::string&, const std::string&)) {
    Define(e, name, two, [f](const List& a) -> Result<Value> { return f(Text(a[0]), Text(a[1])); });
  };
  on_two("trimSuffix", [](const std::string& a, const std::string& b) {
    return Value(b.ends_with(a) ? b.substr(0, b.size() - a.size()) : b);
  });
  on_two("trimPrefix",
         [](const std::string& a, const std::string& b) { return Value(b.starts_with(a) ? b.substr(a.size()) : b); });
  for (const char* name : {"trimAll", "trimall"})
    on_two(name, [](const std::string& a, const std::string& b) { return Value(TrimSet(b, a)); });
  on_two("contains", [](const std::string& a, const std::string& b) { return Value(b.find(a) != b.npos); });
  on_two("hasPrefix", [](const std::string& a, const std::string& b) { return Value(b.starts_with(a)); });
  on_two("hasSuffix", [](const std::string& a, const std::string& b) { return Value(b.ends_with(a)); });
  on_two("split", [](const std::string& separator, const std::string& s) { return Numbered(SplitText(s, separator)); });
  on_two("splitList", [](const std::string& separator, const std::string& s) {
    auto parts = SplitText(s, separator);
    return Value::NewTypedList(List(parts.begin(), parts.end()), "[]string");
  });
  Define(e, "splitn", {{S::kString, S::kInt, S::kString}},
         [](const List& a) -> Result<Value> { return Numbered(SplitText(Text(a[2]), Text(a[0]), *a[1].as_int())); });
  Define(e, "replace", three, [](const List& a) -> Result<Value> {
    if (!Text(a[0]).empty()) return Value(ReplaceAll(Text(a[2]), Text(a[0]), Text(a[1])));
    std::string out = Text(a[1]);  // an empty text stands before each character and at the end
    for (const std::string& c : SplitText(Text(a[2]), "")) out += c + Text(a[1]);
    return Value(out);
  });
  Define(e, "trunc", number_text, Trunc);
  Define(e, "substr", {{S::kInt, S::kInt, S::kString}}, Substr);
  Define(e, "repeat", number_text, Repeat);
  for (bool newline : {false, true})
    Define(e, newline ? "nindent" : "indent", number_text, [newline](const List& a) -> Result<Value> {
      int64_t n = *a[0].as_int();
      if (n < 0) return Fail("strings: negative Repeat count");
      if (n > 10000) return Fail("strings: Repeat output length overflow");
      return Value((newline ? "\n" : "") + Indent(n, Text(a[1])));
    });
  Define(e, "abbrev", number_text, [](const List& a) -> Result<Value> {
    if (*a[0].as_int() < 4) return a[1];
    return Value(Abbreviate(Text(a[1]), 0, *a[0].as_int()));
  });
  Define(e, "abbrevboth", {{S::kInt, S::kInt, S::kString}}, [](const List& a) -> Result<Value> {
    int64_t left = *a[0].as_int(), right = *a[1].as_int();
    if (right < 4 || (left > 0 && right < 7)) return a[2];
    return Value(Abbreviate(Text(a[2]), left, right));
  });
  Define(e, "wrap", number_text,
         [](const List& a) -> Result<Value> { return Value(Wrap(Text(a[1]), *a[0].as_int(), "", false)); });
  Define(e, "wrapWith", {{S::kInt, S::kString, S::kString}},
         [](const List& a) -> Result<Value> { return Value(Wrap(Text(a[2]), *a[0].as_int(), Text(a[1]), true)); });
  Define(e, "plural", {{S::kString, S::kString, S::kInt}},
         [](const List& a) -> Result<Value> { return *a[2].as_int() == 1 ? a[0] : a[1]; });
  Define(e, "quote", more, [](const List& a) -> Result<Value> { return Value(QuoteAll(a, false)); });
  Define(e, "squote", more, [](const List& a) -> Result<Value> { return Value(QuoteAll(a, true)); });
  Define(e, "cat", more, [](const List& a) -> Result<Value> {
    std::string out;
    bool first = true;
    for (const Value& v : a)
      if (!v.is_nil()) out += (std::exchange(first, false) ? "" : " ") + Print(v);
    return Value(out);
  });
  Define(e, "toString", {{S::kAny}}, [](const List& a) -> Result<Value> { return Value(StringOf(a[0])); });
  Define(e, "toStrings", {{S::kAny}}, [](const List& a) -> Result<Value> {
    auto texts = StringsOf(a[0]);
    return Value::NewTypedList(List(texts.begin(), texts.end()), "[]string");
  });
  Define(e, "join", {{S::kString, S::kAny}},
         [](const List& a) -> Result<Value> { return Value(Join(StringsOf(a[1]), Text(a[0]))); });
  Define(e, "hello", {}, [](const List&) -> Result<Value> { return Value("Hello!"); });
}

}  // namespace fairlead::gotmpl::sprig
