// sprig's defaults, types and JSON. Source of the behaviour: Masterminds/sprig v3.3 defaults.go, functions.go.
#include "gotmpl/engine.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }
bool Empty(const Value& v) { return !Truth(v); }

// Go's encoding/json escapes these for HTML.
std::string GoJson(const Value& v, bool pretty) {
  std::string s = pretty ? value::DumpPretty(ToJson(v)) : value::Dump(ToJson(v));
  s = ReplaceAll(s, "<", "\\u003c");
  s = ReplaceAll(s, ">", "\\u003e");
  return ReplaceAll(s, "&", "\\u0026");
}

}  // namespace

void RegisterSprigDefaults(Engine& e) {
  e.Register("default", [](Engine&, const List& args) -> Result<Value> {
    if (args.empty()) return Fail("wrong number of args for default: want at least 1 got 0");
    return args.size() < 2 || Empty(args[1]) ? args[0] : args[1];
  });
  e.Register("empty", [](Engine&, const List& args) -> Result<Value> { return Value(args.empty() || Empty(args[0])); });
  e.Register("coalesce", [](Engine&, const List& args) -> Result<Value> {
    for (const Value& v : args)
      if (!Empty(v)) return v;
    return Value();
  });
  e.Register("ternary", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 3) return Fail("wrong number of args for ternary: want 3 got " + std::to_string(args.size()));
    if (!args[2].as_bool()) return Fail("wrong type for value; expected bool; got " + TypeName(args[2]));
    return *args[2].as_bool() ? args[0] : args[1];
  });
  e.Register("fail",
             [](Engine&, const List& args) -> Result<Value> { return Fail(args.empty() ? "" : Print(args[0])); });
  for (const char* name : {"toJson", "mustToJson"})
    e.Register(name, [](Engine&, const List& args) -> Result<Value> {
      return Value(args.empty() ? "" : GoJson(args[0], false));
    });
  e.Register("toPrettyJson", [](Engine&, const List& args) -> Result<Value> {
    return Value(args.empty() ? "" : GoJson(args[0], true));
  });
  e.Register("kindIs", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 2) return Fail("wrong number of args for kindIs: want 2 got " + std::to_string(args.size()));
    std::string type = TypeName(args[1]);
    std::string kind = type.starts_with("map")  ? "map"
                       : type.starts_with("[]") ? "slice"
                       : type == "<nil>"        ? "invalid"
                                                : type;
    return Value(Print(args[0]) == kind);
  });
}

void RegisterSprig(Engine& e) {
  RegisterSprigStrings(e);
  RegisterSprigCollections(e);
  RegisterSprigDefaults(e);
}

}  // namespace fairlead::gotmpl
