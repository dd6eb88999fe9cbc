// sprig's string functions. Source of the behaviour: Masterminds/sprig v3.3 strings.go, regex.go.
#include <cmath>

#include "gotmpl/engine.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::gotmpl {
namespace {

Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }

// Argument `i` as a string, as Go checks it: no conversion.
Result<std::string> Text(const List& args, size_t i) {
  if (i >= args.size())
    return Fail("wrong number of args: want at least " + std::to_string(i + 1) + " got " + std::to_string(args.size()));
  if (auto s = args[i].as_string()) return *s;
  if (args[i].is_nil()) return Fail("invalid value; expected string");
  return Fail("wrong type for value; expected string; got " + TypeName(args[i]));
}

Result<int64_t> Number(const List& args, size_t i) {
  if (i >= args.size())
    return Fail("wrong number of args: want at least " + std::to_string(i + 1) + " got " + std::to_string(args.size()));
  if (auto n = args[i].as_int()) return *n;
  return Fail("wrong type for value; expected int; got " + TypeName(args[i]));
}

using TextFn = std::function<std::string(const std::string&)>;
Function OnText(TextFn f) {
  return [f](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string s, Text(args, 0));
    return Value(f(s));
  };
}

using TwoTexts = std::function<Value(const std::string&, const std::string&)>;
Function OnTwo(TwoTexts f) {
  return [f](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string a, Text(args, 0));
    FL_ASSIGN(std::string b, Text(args, 1));
    return f(a, b);
  };
}

std::string Indent(int64_t n, const std::string& s) {
  std::string pad(static_cast<size_t>(std::max<int64_t>(0, n)), ' ');
  return pad + ReplaceAll(s, "\n", "\n" + pad);
}

std::string TrimSet(const std::string& s, const std::string& set) {
  size_t first = s.find_first_not_of(set);
  return first == s.npos ? "" : s.substr(first, s.find_last_not_of(set) - first + 1);
}

std::string QuoteAll(const List& args, char quote) {
  std::string out;
  for (const Value& v : args) {
    if (v.is_nil()) continue;
    if (!out.empty()) out += ' ';
    out += quote == '"' ? value::Dump(Json(Print(v))) : "'" + Print(v) + "'";
  }
  return out;
}

}  // namespace

void RegisterSprigStrings(Engine& e) {
  e.Register("trim", OnText([](const std::string& s) { return std::string(Trim(s)); }));
  e.Register("upper", OnText([](std::string s) {
               for (char& c : s) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
               return s;
             }));
  e.Register("lower", OnText([](const std::string& s) { return ToLower(s); }));
  e.Register("sha256sum", OnText([](const std::string& s) { return value::Sha256Hex(s); }));
  e.Register("trimSuffix", OnTwo([](const std::string& a, const std::string& b) {
               return Value(b.ends_with(a) ? b.substr(0, b.size() - a.size()) : b);
             }));
  e.Register("trimPrefix", OnTwo([](const std::string& a, const std::string& b) {
               return Value(b.starts_with(a) ? b.substr(a.size()) : b);
             }));
  e.Register("trimAll", OnTwo([](const std::string& a, const std::string& b) { return Value(TrimSet(b, a)); }));
  e.Register("contains", OnTwo([](const std::string& a, const std::string& b) { return Value(b.find(a) != b.npos); }));
  e.Register("hasPrefix", OnTwo([](const std::string& a, const std::string& b) { return Value(b.starts_with(a)); }));
  e.Register("hasSuffix", OnTwo([](const std::string& a, const std::string& b) { return Value(b.ends_with(a)); }));
  e.Register("splitList", OnTwo([](const std::string& sep, const std::string& s) {
               List out;
               if (sep.size() == 1)
                 for (auto& part : Split(s, sep[0])) out.emplace_back(part);
               else {
                 size_t at = 0;
                 for (size_t next; (next = s.find(sep, at)) != s.npos && !sep.empty(); at = next + sep.size())
                   out.emplace_back(s.substr(at, next - at));
                 out.emplace_back(s.substr(at));
               }
               return Value::NewList(std::move(out));
             }));
  e.Register("split", OnTwo([](const std::string& sep, const std::string& s) {
               Map out;
               auto parts = Split(s, sep.empty() ? ' ' : sep[0]);
               for (size_t i = 0; i < parts.size(); ++i) out["_" + std::to_string(i)] = Value(parts[i]);
               return Value::NewMap(std::move(out));
             }));
  e.Register("replace", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string from, Text(args, 0));
    FL_ASSIGN(std::string to, Text(args, 1));
    FL_ASSIGN(std::string s, Text(args, 2));
    return Value(ReplaceAll(s, from, to));
  });
  e.Register("trunc", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(int64_t n, Number(args, 0));
    FL_ASSIGN(std::string s, Text(args, 1));
    auto size = static_cast<int64_t>(s.size());
    if (n < 0 && size + n > 0) return Value(s.substr(static_cast<size_t>(size + n)));
    if (n >= 0 && size > n) return Value(s.substr(0, static_cast<size_t>(n)));
    return Value(s);
  });
  e.Register("repeat", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(int64_t n, Number(args, 0));
    FL_ASSIGN(std::string s, Text(args, 1));
    if (n < 0 || static_cast<size_t>(n) * s.size() > (1u << 24)) return Fail("strings: Repeat count out of range");
    std::string out;
    for (int64_t i = 0; i < n; ++i) out += s;
    return Value(out);
  });
  auto indent = [](bool newline) {
    return [newline](Engine&, const List& args) -> Result<Value> {
      FL_ASSIGN(int64_t n, Number(args, 0));
      FL_ASSIGN(std::string s, Text(args, 1));
      return Value((newline ? "\n" : "") + Indent(n, s));
    };
  };
  e.Register("indent", indent(false));
  e.Register("nindent", indent(true));
  e.Register("quote", [](Engine&, const List& args) -> Result<Value> { return Value(QuoteAll(args, '"')); });
  e.Register("squote", [](Engine&, const List& args) -> Result<Value> { return Value(QuoteAll(args, '\'')); });
  e.Register("cat", [](Engine&, const List& args) -> Result<Value> {
    std::string out;
    for (const Value& v : args)
      if (!v.is_nil()) out += (out.empty() ? "" : " ") + Print(v);
    return Value(out);
  });
  e.Register("toString", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 1) return Fail("wrong number of args for toString: want 1 got " + std::to_string(args.size()));
    return Value(args[0].is_nil() ? "" : Print(args[0]));
  });
  e.Register("join", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(std::string sep, Text(args, 0));
    if (args.size() != 2) return Fail("wrong number of args for join: want 2 got " + std::to_string(args.size()));
    std::vector<std::string> parts;
    if (auto l = args[1].as_list()) {
      for (const Value& v : **l)
        if (!v.is_nil()) parts.push_back(Print(v));
    } else {
      parts.push_back(Print(args[1]));
    }
    return Value(Join(parts, sep));
  });
  e.Register("int", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 1) return Fail("wrong number of args for int: want 1 got " + std::to_string(args.size()));
    if (auto n = args[0].as_int()) return Value(*n);
    if (auto d = args[0].as_float()) return Value(static_cast<int64_t>(*d));
    if (auto b = args[0].as_bool()) return Value(static_cast<int64_t>(*b));
    if (auto s = args[0].as_string()) return Value(static_cast<int64_t>(strtoll(s->c_str(), nullptr, 0)));
    return Value(0);
  });
}

}  // namespace fairlead::gotmpl
