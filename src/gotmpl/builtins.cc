// Go's own template functions. Source of the behaviour: text/template/funcs.go.
#include "gotmpl/engine.h"
#include "gotmpl/format.h"
#include "gotmpl/quote.h"
#include "http/message.h"
#include "util/unicode.h"

namespace fairlead::gotmpl {
namespace {

Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }

// Go's "basic kinds": values of different kinds do not compare.
int Kind(const Value& v) {
  if (v.as_bool()) return 1;
  if (v.as_int()) return 2;
  if (v.as_float()) return 3;
  if (v.as_string()) return 4;
  return 0;
}

// eq's rules: nil equals nil, lists and maps do not compare with anything that is there.
Result<bool> Equal(const Value& a, const Value& b) {
  int ka = Kind(a), kb = Kind(b);
  if (ka != kb || ka == 0) {
    if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
    if (ka != kb) return Fail("incompatible types for comparison: " + TypeName(a) + " and " + TypeName(b));
    return Fail("non-comparable type " + Sprintf("%s", {a}) + ": " + TypeName(a));
  }
  if (ka == 2) return *a.as_int() == *b.as_int();  // of whatever size
  return DeepEqual(a, b);
}

Result<bool> Less(const Value& a, const Value& b) {
  int ka = Kind(a), kb = Kind(b);
  if (ka < 2 || kb == 0) return Fail("invalid type for comparison");
  if (ka != kb) return Fail("incompatible types for comparison: " + TypeName(a) + " and " + TypeName(b));
  if (ka == 2) return *a.as_int() < *b.as_int();
  if (ka == 3) return *a.as_float() < *b.as_float();
  return *a.as_string() < *b.as_string();
}

Result<Value> Eq(Engine&, const List& args) {
  if (args.size() < 2) return Fail("missing argument for comparison");
  for (size_t i = 1; i < args.size(); ++i) {
    FL_ASSIGN(bool same, Equal(args[0], args[i]));
    if (same) return Value(true);
  }
  return Value(false);
}

Function Order(bool less, bool equal, bool greater) {
  return [=](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(bool is_less, Less(args[0], args[1]));
    FL_ASSIGN(bool same, Equal(args[0], args[1]));
    return Value(is_less ? less : same ? equal : greater);
  };
}

// What may stand for a position; `limit` is the largest that is allowed.
Result<size_t> Position(const Value& index, size_t limit) {
  if (index.is_nil()) return Fail("cannot index slice/array with nil");
  auto n = index.as_int();
  if (!n) return Fail("cannot index slice/array with type " + TypeName(index));
  if (*n < 0 || static_cast<uint64_t>(*n) > limit) return Fail("index out of range: " + std::to_string(*n));
  return static_cast<size_t>(*n);
}

Result<Value> Index(Engine&, const List& args) {
  Value v = args[0];
  if (v.is_nil()) return Fail("index of untyped nil");
  for (size_t i = 1; i < args.size(); ++i) {
    if (v.is_nil()) return Fail("index of nil pointer");
    if (const Map* m = MapIn(v)) {
      if (args[i].is_nil()) return Fail("value is nil; should be of type string");
      auto key = args[i].as_string();
      if (!key) return Fail("value has type " + TypeName(args[i]) + "; should be string");
      auto it = m->find(*key);
      v = it == m->end() ? Value() : Value(it->second);
    } else if (auto l = ListIn(v)) {
      FL_ASSIGN(size_t n, Position(args[i], (*l)->size()));
      if (n == (*l)->size()) return Fail("reflect: slice index out of range");
      v = Value((**l)[n]);
    } else if (auto s = v.as_string()) {
      FL_ASSIGN(size_t n, Position(args[i], s->size()));
      if (n == s->size()) return Fail("reflect: string index out of range");
      v = Value(static_cast<int64_t>(static_cast<unsigned char>((*s)[n])));
    } else {
      return Fail("can't index item of type " + TypeName(v));
    }
  }
  return v;
}

Result<Value> Slice(Engine&, const List& args) {
  const Value& v = args[0];
  if (v.is_nil()) return Fail("slice of untyped nil");
  if (args.size() > 4) return Fail("too many slice indexes: " + std::to_string(args.size() - 1));
  auto l = v.as_list();
  auto s = v.as_string();
  if (!l && !s) return Fail("can't slice item of type " + TypeName(v));
  if (s && args.size() == 4) return Fail("cannot 3-index slice a string");
  size_t size = l ? (*l)->size() : s->size();
  size_t bounds[3] = {0, size, size};
  for (size_t i = 1; i < args.size(); ++i) {
    FL_ASSIGN(bounds[i - 1], Position(args[i], size));
  }
  for (int i : {0, 1})
    if (bounds[i] > bounds[i + 1] && (i == 0 || args.size() == 4))
      return Fail("invalid slice index: " + std::to_string(bounds[i]) + " > " + std::to_string(bounds[i + 1]));
  if (s) return Value(s->substr(bounds[0], bounds[1] - bounds[0]));
  auto from = (*l)->begin() + static_cast<ptrdiff_t>(bounds[0]), to = (*l)->begin() + static_cast<ptrdiff_t>(bounds[1]);
  return Value::NewList(List(from, to));
}

Result<Value> Len(Engine&, const List& args) {
  if (auto l = ListIn(args[0])) return Value(static_cast<int64_t>((*l)->size()));
  if (auto m = MapIn(args[0])) return Value(static_cast<int64_t>(m->size()));
  if (auto s = args[0].as_string()) return Value(static_cast<int64_t>(s->size()));
  if (args[0].is_nil_interface()) return Fail("len of nil pointer");
  if (args[0].is_nil()) return Fail("reflect: call of reflect.Value.Type on zero Value");
  return Fail("len of type " + TypeName(args[0]));
}

std::string EscapeHtml(const std::string& s) {
  std::string out;
  for (char c : s) switch (c) {
      case '\0': out += "\xef\xbf\xbd"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  return out;
}

std::string EscapeJs(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    int size = 1;
    int r = DecodeRune(std::string_view(s).substr(i), size);
    switch (r) {
      case '\\': out += "\\\\"; break;
      case '\'': out += "\\'"; break;
      case '"': out += "\\\""; break;
      case '<': out += "\\u003C"; break;
      case '>': out += "\\u003E"; break;
      case '&': out += "\\u0026"; break;
      case '=': out += "\\u003D"; break;
      default: {
        char code[16];
        snprintf(code, sizeof code, "\\u%04X", static_cast<unsigned>(r));
        out += r < ' ' || !unicode::IsPrint(r) ? code : s.substr(i, static_cast<size_t>(size));
      }
    }
    i += static_cast<size_t>(size);
  }
  return out;
}

}  // namespace

void RegisterBuiltins(Engine& e) {
  using S = Signature;
  const S any_number{{S::kAny}, true}, one{{S::kAny}}, two{{S::kAny, S::kAny}}, one_and_more{{S::kAny, S::kAny}, true};
  auto handled = [](Engine&, const List&) -> Result<Value> { return Fail("evaluated by the executor"); };
  e.Register("and", one_and_more, handled);  // the executor short-circuits them
  e.Register("or", one_and_more, handled);
  e.Register("not", one, [](Engine&, const List& args) -> Result<Value> { return Value(!Truth(args[0])); });
  e.Register("eq", one_and_more, Eq);
  e.Register("ne", two, [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(bool same, Equal(args[0], args[1]));
    return Value(!same);
  });
  e.Register("lt", two, Order(true, false, false));
  e.Register("le", two, Order(true, true, false));
  e.Register("gt", two, Order(false, false, true));
  e.Register("ge", two, Order(false, true, true));
  e.Register("index", one_and_more, Index);
  e.Register("slice", one_and_more, Slice);
  e.Register("len", one, Len);
  e.Register("call", one_and_more, [](Engine&, const List& args) -> Result<Value> {
    // The name, then the value. No function is a value here.
    if (args.size() < 2 || args[1].is_nil()) return Fail("call of nil");
    return Fail("non-function " + *args[0].as_string() + " of type " + TypeName(args[1]));
  });
  e.Register("print", any_number, [](Engine&, const List& args) -> Result<Value> { return Value(Sprint(args)); });
  e.Register("println", any_number, [](Engine&, const List& args) -> Result<Value> { return Value(Sprintln(args)); });
  e.Register("printf", S{{S::kString, S::kAny}, true}, [](Engine&, const List& args) -> Result<Value> {
    return Value(Sprintf(*args[0].as_string(), List(args.begin() + 1, args.end())));
  });
  e.Register("html", any_number,
             [](Engine&, const List& args) -> Result<Value> { return Value(EscapeHtml(Sprint(args))); });
  e.Register("js", any_number,
             [](Engine&, const List& args) -> Result<Value> { return Value(EscapeJs(Sprint(args))); });
  e.Register("urlquery", any_number, [](Engine&, const List& args) -> Result<Value> {
    std::string out = http::PercentEncode(Sprint(args));
    for (size_t at = 0; (at = out.find("%20", at)) != out.npos;) out.replace(at, 3, "+");
    return Value(out);
  });
}

}  // namespace fairlead::gotmpl
