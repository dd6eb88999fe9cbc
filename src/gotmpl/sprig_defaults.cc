// sprig's defaults and JSON. Source of the behaviour: Masterminds/sprig v3.3 defaults.go.
#include "gotmpl/json_check.h"
#include "gotmpl/json_text.h"
#include "gotmpl/sprig.h"
#include "util/strings.h"

namespace fairlead::gotmpl::sprig {
namespace {

bool Empty(const Value& v) { return !Truth(v); }

}  // namespace

void RegisterDefaults(Engine& e) {
  const S one{{S::kAny}}, more{{S::kAny}, true};
  Define(e, "default", {{S::kAny, S::kAny}, true},
         [](const List& a) -> Result<Value> { return a.size() < 2 || Empty(a[1]) ? a[0] : a[1]; });
  Define(e, "empty", one, [](const List& a) -> Result<Value> { return Value(Empty(a[0])); });
  Define(e, "coalesce", more, [](const List& a) -> Result<Value> {
    for (const Value& v : a)
      if (!Empty(v)) return v;
    return Value();
  });
  Define(e, "all", more, [](const List& a) -> Result<Value> { return Value(std::none_of(a.begin(), a.end(), Empty)); });
  Define(e, "any", more, [](const List& a) -> Result<Value> { return Value(!std::all_of(a.begin(), a.end(), Empty)); });
  Define(e, "ternary", {{S::kAny, S::kAny, S::kBool}},
         [](const List& a) -> Result<Value> { return *a[2].as_bool() ? a[0] : a[1]; });
  Define(e, "fail", {{S::kString}}, [](const List& a) -> Result<Value> { return Fail(Text(a[0])); });
  for (const char* name : {"toJson", "mustToJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0])); });
  for (const char* name : {"toPrettyJson", "mustToPrettyJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0], {.pretty = true})); });
  for (const char* name : {"toRawJson", "mustToRawJson"})
    Define(e, name, one, [](const List& a) -> Result<Value> { return Value(GoJson(a[0], {.html = false})); });
  Define(e, "fromJson", {{S::kString}}, [](const List& a) -> Result<Value> {
    auto j = ParseGoJson(Text(a[0]));
    return j.ok() ? FromJson(*j) : Value();
  });
  Define(e, "mustFromJson", {{S::kString}}, [](const List& a) -> Result<Value> {
    FL_ASSIGN(Json j, ParseGoJson(Text(a[0])));
    return FromJson(j);
  });
}

}  // namespace fairlead::gotmpl::sprig
