// sprig's regular expressions. RE2 is the same language as Go's. Source of the behaviour: Masterminds/sprig v3.3
// regex.go and Go's regexp package.
#include <re2/re2.h>

#include "gotmpl/quote.h"
#include "gotmpl/sprig.h"
#include "util/unicode.h"

namespace fairlead::gotmpl::sprig {
namespace {

constexpr int64_t kMaxMemory = 8 << 20;
using Expression = std::shared_ptr<const RE2>;

// Go's words for what is wrong with an expression.
const char* Complaint(RE2::ErrorCode code) {
  switch (code) {
    case RE2::ErrorBadEscape: return "invalid escape sequence";
    case RE2::ErrorBadCharClass: return "invalid character class";
    case RE2::ErrorBadCharRange: return "invalid character class range";
    case RE2::ErrorMissingBracket: return "missing closing ]";
    case RE2::ErrorMissingParen: return "missing closing )";
    case RE2::ErrorUnexpectedParen: return "unexpected )";
    case RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize: return "invalid repeat count";
    case RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8: return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture: return "invalid named capture";
    case RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
  }
}

Result<Expression> Compile(const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxMemory);
  auto re = std::make_shared<const RE2>(text, options);
  if (re->ok()) return re;
  std::string message = std::string("error parsing regexp: ") + Complaint(re->error_code());
  // Go shows the whole group that is not closed, and nothing after a backslash at the end.
  std::string about = re->error_code() == RE2::ErrorMissingParen || re->error_code() == RE2::ErrorUnexpectedParen
                          ? text
                          : re->error_arg();
  return Fail(message + ": `" + (re->error_code() == RE2::ErrorTrailingBackslash ? "" : about) + "`");
}

// As MustCompile, whose panic names the expression.
Result<Expression> MustCompile(const std::string& text) {
  auto re = Compile(text);
  if (!re.ok())
    return Fail("regexp: Compile(" + (CanBackquote(text) ? "`" + text + "`" : QuoteGo(text)) +
                "): " + re.error().message);
  return re;
}

// All matches with their groups, as Go finds them: an empty one right after another does not count.
std::vector<std::vector<re2::StringPiece>> Matches(const RE2& re, const std::string& s, int64_t limit) {
  std::vector<std::vector<re2::StringPiece>> out;
  int groups = 1 + re.NumberOfCapturingGroups();
  size_t pos = 0, previous_end = std::string::npos;
  while (pos <= s.size() && (limit < 0 || static_cast<int64_t>(out.size()) < limit)) {
    std::vector<re2::StringPiece> m(static_cast<size_t>(groups));
    if (!re.Match(s, pos, s.size(), RE2::UNANCHORED, m.data(), groups)) break;
    auto begin = static_cast<size_t>(m[0].data() - s.data()), end = begin + m[0].size();
    bool accept = true;
    if (end == pos) {
      accept = begin != previous_end;
      int size = 1;
      if (pos < s.size()) DecodeRune(std::string_view(s).substr(pos), size);
      pos += static_cast<size_t>(size);
    } else {
      pos = end;
    }
    previous_end = end;
    if (accept) out.push_back(std::move(m));
  }
  return out;
}

// $1, $name, ${name}; $$ is a dollar, and what is no group is nothing.
std::string Expand(const RE2& re, const std::string& pattern, const std::vector<re2::StringPiece>& groups) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$') {
      out += pattern[i];
      continue;
    }
    if (i + 1 < pattern.size() && pattern[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    bool brace = i + 1 < pattern.size() && pattern[i + 1] == '{';
    size_t from = i + (brace ? 2 : 1), to = from;
    while (to < pattern.size() && (isalnum(static_cast<unsigned char>(pattern[to])) || pattern[to] == '_')) ++to;
    if (to == from || (brace && (to >= pattern.size() || pattern[to] != '}'))) {
      out += '$';  // malformed: it stands for itself
      continue;
    }
    std::string name = pattern.substr(from, to - from);
    i = brace ? to : to - 1;
    size_t number = std::string::npos;
    if (name.find_first_not_of("0123456789") == name.npos && name.size() < 9) {
      number = static_cast<size_t>(atoi(name.c_str()));
    } else if (auto it = re.NamedCapturingGroups().find(name); it != re.NamedCapturingGroups().end()) {
      number = static_cast<size_t>(it->second);
    }
    if (number < groups.size()) out.append(groups[number].data() ? groups[number].data() : "", groups[number].size());
  }
  return out;
}

Result<Value> Replace(const RE2& re, const std::string& s, const std::string& with, bool literal) {
  std::string out;
  size_t at = 0;
  for (const auto& m : Matches(re, s, -1)) {
    auto begin = static_cast<size_t>(m[0].data() - s.data());
    out += s.substr(at, begin - at) + (literal ? with : Expand(re, with, m));
    at = begin + m[0].size();
    if (out.size() > (32u << 20)) return Fail("the replaced text is too long");
  }
  return Value(out + s.substr(at));
}

Value Split(const RE2& re, const std::string& s, int64_t limit) {
  if (limit == 0) return Value::NewTypedList({}, kNilStrings);
  if (!re.pattern().empty() && s.empty()) return Value::NewTypedList({Value("")}, "[]string");
  List out;
  size_t begin = 0, end = 0;
  for (const auto& m : Matches(re, s, limit)) {
    if (limit > 0 && static_cast<int64_t>(out.size()) == limit - 1) break;
    end = static_cast<size_t>(m[0].data() - s.data());
    size_t after = end + m[0].size();
    if (after != 0) out.emplace_back(s.substr(begin, end - begin));
    begin = after;
  }
  if (end != s.size()) out.emplace_back(s.substr(begin));
  return Value::NewTypedList(std::move(out), "[]string");
}

std::string QuoteMeta(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (strchr("\\.+*?()|[]{}^$", c) && c) out += '\\';
    out += c;
  }
  return out;
}

// Both forms of a function: the one that panics and the one that fails, which differ in what they say.
void Both(Engine& e, const std::string& name, const Signature& s,
          const std::function<Result<Value>(const RE2&, const List&)>& f) {
  std::string must = "must" + name;
  must[4] = static_cast<char>(toupper(static_cast<unsigned char>(must[4])));
  Define(e, name, s, [f](const List& a) -> Result<Value> {
    FL_ASSIGN(Expression re, MustCompile(Text(a[0])));
    return f(*re, a);
  });
  Define(e, must, s, [f](const List& a) -> Result<Value> {
    FL_ASSIGN(Expression re, Compile(Text(a[0])));
    return f(*re, a);
  });
}

}  // namespace

void RegisterRegex(Engine& e) {
  const S two{{S::kString, S::kString}}, three{{S::kString, S::kString, S::kString}},
      limited{{S::kString, S::kString, S::kInt}};
  auto match = [](const RE2& re, const std::string& s) { return RE2::PartialMatch(s, re); };
  Define(e, "regexMatch", two, [match](const List& a) -> Result<Value> {
    auto re = Compile(Text(a[0]));
    return Value(re.ok() && match(**re, Text(a[1])));
  });
  Define(e, "mustRegexMatch", two, [match](const List& a) -> Result<Value> {
    FL_ASSIGN(Expression re, Compile(Text(a[0])));
    return Value(match(*re, Text(a[1])));
  });
  Both(e, "regexFind", two, [](const RE2& re, const List& a) -> Result<Value> {
    auto found = Matches(re, Text(a[1]), 1);
    return Value(found.empty() ? std::string() : std::string(found[0][0].data(), found[0][0].size()));
  });
  Both(e, "regexFindAll", limited, [](const RE2& re, const List& a) -> Result<Value> {
    List out;
    for (const auto& m : Matches(re, Text(a[1]), *a[2].as_int()))
      out.emplace_back(std::string(m[0].data(), m[0].size()));
    const char* type = out.empty() ? kNilStrings : "[]string";
    return Value::NewTypedList(std::move(out), type);
  });
  Both(e, "regexReplaceAll", three,
       [](const RE2& re, const List& a) { return Replace(re, Text(a[1]), Text(a[2]), false); });
  Both(e, "regexReplaceAllLiteral", three,
       [](const RE2& re, const List& a) { return Replace(re, Text(a[1]), Text(a[2]), true); });
  Both(e, "regexSplit", limited,
       [](const RE2& re, const List& a) -> Result<Value> { return Split(re, Text(a[1]), *a[2].as_int()); });
  Define(e, "regexQuoteMeta", {{S::kString}},
         [](const List& a) -> Result<Value> { return Value(QuoteMeta(Text(a[0]))); });
}

}  // namespace fairlead::gotmpl::sprig
