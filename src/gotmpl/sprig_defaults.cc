// sprig's defaults and JSON. Source of the behaviour: Masterminds/sprig v3.3 defaults.go.
#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

bool Empty(const Value& v) { return !Truth(v); }

// Go's encoding/json escapes these for HTML.
std::string GoJson(const Value& v, bool pretty, bool html = true) {
  std::string s = pretty ? value::DumpPretty(ToJson(v)) : value::Dump(ToJson(v));
  s = ReplaceAll(ReplaceAll(s, "\xe2\x80\xa8", "\\u2028"), "\xe2\x80\xa9", "\\u2029");
  if (!html) return s;
  return ReplaceAll(ReplaceAll(ReplaceAll(s, "<", "\\u003c"), ">", "\\u003e"), "&", "\\u0026");
}

}  // namespace

void RegisterDefaults(Engine& e) {
  const S one{{S::kAny}}, more{{S::kAny}, true};
  Define(e, "default", {{S::kAny, S::kAny}, true}, [](const List& a) -> Result<Value> { return a.size() < 2 || Empty(a[1]) ? a[0] : a[1]; });
  Define(e, "empty", one, [](const List& a) -> Result<Value> { return Value(Empty(a[0])); });
  Define(e, "coalesce", more, [](const List& a) -> Result<Value> {
    for (const Value& v : a)
      if (!Empty(v)) return v;
    return Value();
  });
  Define(e, "all", more, [](const List& a) -> Result<Value> { return Value(std::none_of(a.begin(), a.end(), Empty)); });
  Define(e, "any", more, [](const List& a) -> Result<Value> { return Value(!std::all_of(a.begin(), a.end(), Empty)); });
  Define(e, "ternary", {{S::kAny, S::kAny, S::kBool}}, [](const List& a) -> Result<Value> { return *a[2].as_bool() ? a[0] : a[1]; });
  Define(e, "fail", {{S::kString}}, [](const List& a) -> Result<Value> { return Fail(Text(a[0])); });
  for (const char* name : {"toJson", "mustToJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0], false)); });
  for (const char* name : {"toPrettyJson", "mustToPrettyJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0], true)); });
  for (const char* name : {"toRawJson", "mustToRawJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0], false, false)); });
  Define(e, "fromJson", {{S::kString}}, [](const List& a) -> Result<Value> {
    auto j = value::ParseJson(Text(a[0]), "JSON");
    return j.ok() ? FromJson(*j) : Value();
  });
}

}  // namespace fairlead::gotmpl::sprig
