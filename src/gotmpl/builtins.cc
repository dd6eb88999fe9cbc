// Go's own template functions. Source of the behaviour: text/template/funcs.go.
#include <cmath>

#include "gotmpl/engine.h"
#include "http/message.h"

namespace fairlead::gotmpl {
namespace {

Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }

Status WantArgs(const List& args, size_t least, size_t most, const char* name) {
  if (args.size() >= least && args.size() <= most) return {};
  std::string want = least == most         ? std::to_string(least)
                     : args.size() < least ? "at least " + std::to_string(least)
                                           : "at most " + std::to_string(most);
  return Fail("wrong number of args for " + std::string(name) + ": want " + want + " got " +
              std::to_string(args.size()));
}

// Go's "basic kinds": values of different kinds do not compare.
int Kind(const Value& v) {
  if (v.as_bool()) return 1;
  if (v.as_int()) return 2;
  if (v.as_float()) return 3;
  if (v.as_string()) return 4;
  return 0;
}

Result<bool> Equal(const Value& a, const Value& b) {
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  int ka = Kind(a), kb = Kind(b);
  if (ka == 0 && kb == 0) return Fail("non-comparable type " + Print(a) + ": " + TypeName(a));
  if (ka != kb) return Fail("incompatible types for comparison: " + TypeName(a) + " and " + TypeName(b));
  return DeepEqual(a, b);
}

Result<bool> Less(const Value& a, const Value& b) {
  int ka = Kind(a), kb = Kind(b);
  if (ka < 2 || kb < 2) return Fail("invalid type for comparison");
  if (ka != kb) return Fail("incompatible types for comparison: " + TypeName(a) + " and " + TypeName(b));
  if (ka == 2) return *a.as_int() < *b.as_int();
  if (ka == 3) return *a.as_float() < *b.as_float();
  return *a.as_string() < *b.as_string();
}

Result<Value> Eq(Engine&, const List& args) {
  if (args.size() < 2)
    return Fail(args.empty() ? "wrong number of args for eq: want at least 1 got 0"
                             : "missing argument for comparison");
  for (size_t i = 1; i < args.size(); ++i) {
    FL_ASSIGN(bool same, Equal(args[0], args[i]));
    if (same) return Value(true);
  }
  return Value(false);
}

Function Compare(const char* name, std::function<bool(bool less, bool equal)> verdict, bool ordering) {
  return [=](Engine&, const List& args) -> Result<Value> {
    FL_TRY(WantArgs(args, 2, 2, name));
    FL_ASSIGN(bool equal, Equal(args[0], args[1]));
    bool less = false;
    if (ordering) {
      FL_ASSIGN(less, Less(args[0], args[1]));
    }
    return Value(verdict(less, equal));
  };
}

Result<Value> Index(Engine&, const List& args) {
  FL_TRY(WantArgs(args, 1, 64, "index"));
  Value v = args[0];
  for (size_t i = 1; i < args.size(); ++i) {
    if (v.is_nil()) return Fail("index of untyped nil");
    if (auto m = v.as_map()) {
      auto key = args[i].as_string();
      if (!key) return Fail("value has type " + TypeName(args[i]) + "; should be string");
      auto it = (*m)->find(*key);
      v = it == (*m)->end() ? Value() : it->second;
      continue;
    }
    auto n = args[i].as_int();
    if (!n) return Fail("cannot index slice/array with type " + TypeName(args[i]));
    size_t size = v.as_list() ? (*v.as_list())->size() : v.as_string() ? v.as_string()->size() : 0;
    if (!v.as_list() && !v.as_string()) return Fail("can't index item of type " + TypeName(v));
    if (*n < 0 || static_cast<size_t>(*n) >= size) return Fail("index out of range: " + std::to_string(*n));
    if (v.as_list())
      v = Value((**v.as_list())[static_cast<size_t>(*n)]);
    else
      v = Value(static_cast<int64_t>(static_cast<unsigned char>((*v.as_string())[static_cast<size_t>(*n)])));
  }
  return v;
}

Result<Value> Len(Engine&, const List& args) {
  FL_TRY(WantArgs(args, 1, 1, "len"));
  if (auto l = args[0].as_list()) return Value(static_cast<int64_t>((*l)->size()));
  if (auto m = args[0].as_map()) return Value(static_cast<int64_t>((*m)->size()));
  if (auto s = args[0].as_string()) return Value(static_cast<int64_t>(s->size()));
  if (args[0].is_nil()) return Fail("reflect: call of reflect.Value.Type on zero Value");
  return Fail("len of type " + TypeName(args[0]));
}

std::string PrintAll(const List& args, bool line) {
  std::string out;
  for (size_t i = 0; i < args.size(); ++i) {
    if (i && (line || (!args[i].as_string() && !args[i - 1].as_string()))) out += ' ';
    out += Print(args[i]);
  }
  return line ? out + "\n" : out;
}

std::string EscapeHtml(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '"')
      out += "&#34;";
    else if (c == '\'')
      out += "&#39;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string GoQuote(const std::string& s) { return value::Dump(Json(s)); }

}  // namespace

std::string Sprintf(const std::string& format, const List& args) {
  std::string out;
  size_t used = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    std::string flags = "%";
    for (++i; i < format.size() && std::string_view("+-# 0123456789.").find(format[i]) != std::string_view::npos; ++i)
      flags += format[i];
    if (i == format.size()) return out + "%!(NOVERB)";
    char verb = format[i];
    if (verb == '%') {
      out += '%';
      continue;
    }
    if (used >= args.size()) {
      out += std::string("%!") + verb + "(MISSING)";
      continue;
    }
    const Value& v = args[used++];
    auto bad = [&] {
      out += std::string("%!") + verb + "(" + (v.is_nil() ? "<nil>" : TypeName(v) + "=" + Print(v)) + ")";
    };
    auto padded = [&](const std::string& s) {
      char buf[4096];
      snprintf(buf, sizeof buf, (flags + "s").c_str(), s.c_str());
      out += s.size() > 4000 ? s : buf;
    };
    switch (verb) {
      case 'v':
        padded(Print(v));
        break;
      case 's':
        v.as_string() || v.as_list() || v.as_map() || v.as_object() ? padded(Print(v)) : bad();
        break;
      case 'q':
        v.as_string() ? padded(GoQuote(*v.as_string())) : bad();
        break;
      case 'T':
        out += TypeName(v);
        break;
      case 't':
        v.as_bool() ? padded(Print(v)) : bad();
        break;
      case 'd':
      case 'x':
      case 'X':
      case 'o': {
        if (verb != 'd' && verb != 'o' && v.as_string()) {
          for (unsigned char c : *v.as_string()) out += "0123456789abcdef"[c >> 4], out += "0123456789abcdef"[c & 15];
          break;
        }
        if (!v.as_int()) {
          bad();
          break;
        }
        char buf[256];
        snprintf(buf, sizeof buf, (flags.substr(0, 20) + "l" + verb).c_str(), static_cast<long>(*v.as_int()));
        out += buf;
        break;
      }
      case 'f':
      case 'e':
      case 'g': {
        if (!v.as_float()) {
          bad();
          break;
        }
        if (verb == 'g' && flags == "%") {
          out += Print(v);
          break;
        }
        char buf[512];
        snprintf(buf, sizeof buf, (flags.substr(0, 20) + verb).c_str(), *v.as_float());
        out += buf;
        break;
      }
      default:
        bad();
    }
  }
  if (used < args.size()) {
    out += "%!(EXTRA ";
    for (size_t i = used; i < args.size(); ++i)
      out += (i > used ? ", " : "") + TypeName(args[i]) + "=" + Print(args[i]);
    out += ")";
  }
  return out;
}

void RegisterBuiltins(Engine& e) {
  auto handled = [](Engine&, const List&) -> Result<Value> { return Fail("evaluated by the executor"); };
  e.Register("and", handled);  // the executor short-circuits them
  e.Register("or", handled);
  e.Register("not", [](Engine&, const List& args) -> Result<Value> {
    FL_TRY(WantArgs(args, 1, 1, "not"));
    return Value(!Truth(args[0]));
  });
  e.Register("eq", Eq);
  e.Register("ne", Compare(
                       "ne", [](bool, bool equal) { return !equal; }, false));
  e.Register("lt", Compare(
                       "lt", [](bool less, bool) { return less; }, true));
  e.Register("le", Compare(
                       "le", [](bool less, bool equal) { return less || equal; }, true));
  e.Register("gt", Compare(
                       "gt", [](bool less, bool equal) { return !less && !equal; }, true));
  e.Register("ge", Compare(
                       "ge", [](bool less, bool) { return !less; }, true));
  e.Register("index", Index);
  e.Register("len", Len);
  e.Register("print", [](Engine&, const List& args) -> Result<Value> { return Value(PrintAll(args, false)); });
  e.Register("println", [](Engine&, const List& args) -> Result<Value> { return Value(PrintAll(args, true)); });
  e.Register("printf", [](Engine&, const List& args) -> Result<Value> {
    FL_TRY(WantArgs(args, 1, 64, "printf"));
    if (!args[0].as_string()) return Fail("wrong type for value; expected string; got " + TypeName(args[0]));
    return Value(Sprintf(*args[0].as_string(), List(args.begin() + 1, args.end())));
  });
  e.Register("html",
             [](Engine&, const List& args) -> Result<Value> { return Value(EscapeHtml(PrintAll(args, false))); });
  e.Register("urlquery", [](Engine&, const List& args) -> Result<Value> {
    std::string out = http::PercentEncode(PrintAll(args, false));
    for (size_t at = 0; (at = out.find("%20", at)) != out.npos;) out.replace(at, 3, "+");
    return Value(out);
  });
}

}  // namespace fairlead::gotmpl
