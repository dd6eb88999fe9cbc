// sprig's lists and dictionaries. Source of the behaviour: Masterminds/sprig v3.3 list.go, dict.go and, for the merges,
// darccy.io/mergo as sprig calls it: values of the source are shared with the destination, not copied.
#include "gotmpl/engine.h"

namespace fairlead::gotmpl {
namespace {

Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }

Result<MapPtr> Dict(const List& args, size_t i, const char* name) {
  if (i >= args.size())
    return Fail("wrong number of args for " + std::string(name) + ": want at least " + std::to_string(i + 1) + " got " +
                std::to_string(args.size()));
  if (auto m = args[i].as_map()) return *m;
  if (args[i].is_nil()) return Fail("invalid value; expected map[string]interface {}");
  return Fail("wrong type for value; expected map[string]interface {}; got " + TypeName(args[i]));
}

bool IsZero(const Value& v) { return !Truth(v) && !v.as_object(); }

// mergo.Merge: with `overwrite`, the source wins wherever it has a key; otherwise it fills what is zero in dst.
void MergeInto(Map& dst, const Map& src, bool overwrite) {
  for (const auto& [k, v] : src) {
    auto it = dst.find(k);
    if (it == dst.end()) {
      dst[k] = v;
    } else if (it->second.as_map() && v.as_map()) {
      MergeInto(**it->second.as_map(), **v.as_map(), overwrite);
    } else if (overwrite || IsZero(it->second)) {
      it->second = v;
    }
  }
}

Function Merge(const char* name, bool overwrite) {
  return [=](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(MapPtr dst, Dict(args, 0, name));
    for (size_t i = 1; i < args.size(); ++i) {
      FL_ASSIGN(MapPtr src, Dict(args, i, name));
      if (src != dst) MergeInto(*dst, *src, overwrite);
    }
    return Value(dst);
  };
}

Result<Value> PickOmit(const List& args, bool pick) {
  FL_ASSIGN(MapPtr m, Dict(args, 0, pick ? "pick" : "omit"));
  Map out;
  if (!pick) out = *m;
  for (size_t i = 1; i < args.size(); ++i) {
    std::string key = Print(args[i]);
    if (!pick)
      out.erase(key);
    else if (m->contains(key))
      out[key] = (*m)[key];
  }
  return Value::NewMap(std::move(out));
}

Result<Value> Dig(Engine&, const List& args) {
  if (args.size() < 3) return Fail("dig needs at least three arguments");
  Value v = args.back();
  for (size_t i = 0; i + 2 < args.size(); ++i) {
    auto m = v.as_map();
    if (!m) return Fail("wrong type for value; expected map[string]interface {}; got " + TypeName(v));
    auto it = (*m)->find(Print(args[i]));
    if (it == (*m)->end()) return args[args.size() - 2];
    v = Value(it->second);
  }
  return v;
}

}  // namespace

void RegisterSprigCollections(Engine& e) {
  auto list = [](Engine&, const List& args) -> Result<Value> { return Value::NewList(args); };
  e.Register("list", list);
  e.Register("tuple", list);
  e.Register("append", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 2 || !args[0].as_list())
      return Fail("Cannot push on type " + (args.empty() ? "" : TypeName(args[0])));
    List out = **args[0].as_list();
    out.push_back(args[1]);
    return Value::NewList(std::move(out));
  });
  e.Register("has", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 2) return Fail("wrong number of args for has: want 2 got " + std::to_string(args.size()));
    if (args[1].is_nil()) return Value(false);
    if (!args[1].as_list()) return Fail("Cannot find has on type " + TypeName(args[1]));
    for (const Value& v : **args[1].as_list())
      if (DeepEqual(v, args[0])) return Value(true);
    return Value(false);
  });
  e.Register("first", [](Engine&, const List& args) -> Result<Value> {
    if (args.size() != 1 || !args[0].as_list()) return Fail("Cannot find first on this type");
    return (*args[0].as_list())->empty() ? Value() : (**args[0].as_list())[0];
  });
  e.Register("dict", [](Engine&, const List& args) -> Result<Value> {
    Map out;
    for (size_t i = 0; i < args.size(); i += 2) out[Print(args[i])] = i + 1 < args.size() ? args[i + 1] : Value("");
    return Value::NewMap(std::move(out));
  });
  e.Register("get", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(MapPtr m, Dict(args, 0, "get"));
    auto it = args.size() > 1 ? m->find(Print(args[1])) : m->end();
    return it == m->end() ? Value("") : it->second;
  });
  e.Register("set", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(MapPtr m, Dict(args, 0, "set"));
    if (args.size() != 3 || !args[1].as_string()) return Fail("set takes a dict, a key and a value");
    (*m)[*args[1].as_string()] = args[2];
    return Value(m);
  });
  e.Register("unset", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(MapPtr m, Dict(args, 0, "unset"));
    if (args.size() > 1) m->erase(Print(args[1]));
    return Value(m);
  });
  e.Register("hasKey", [](Engine&, const List& args) -> Result<Value> {
    FL_ASSIGN(MapPtr m, Dict(args, 0, "hasKey"));
    return Value(args.size() > 1 && m->contains(Print(args[1])));
  });
  e.Register("keys", [](Engine&, const List& args) -> Result<Value> {
    List out;
    for (size_t i = 0; i < args.size(); ++i) {
      FL_ASSIGN(MapPtr m, Dict(args, i, "keys"));
      for (const auto& [k, v] : *m) out.emplace_back(k);  // sorted here; sprig's order is Go's random map order
    }
    return Value::NewList(std::move(out));
  });
  e.Register("pick", [](Engine&, const List& args) { return PickOmit(args, true); });
  e.Register("omit", [](Engine&, const List& args) { return PickOmit(args, false); });
  e.Register("dig", Dig);
  for (const char* name : {"merge", "mustMerge"}) e.Register(name, Merge(name, false));
  for (const char* name : {"mergeOverwrite", "mustMergeOverwrite"}) e.Register(name, Merge(name, true));
  for (const char* name : {"deepCopy", "mustDeepCopy"})
    e.Register(name,
               [](Engine&, const List& args) -> Result<Value> { return args.empty() ? Value() : DeepCopy(args[0]); });
}

}  // namespace fairlead::gotmpl
