// sprig's dictionaries. Source of the behaviour: Masterminds/sprig v3.3 dict.go and, for the merges, mergo as sprig
// calls it: values of the source are shared with the destination, not copied.
#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {
namespace {

bool IsZero(const Value& v) { return !Truth(v) && !v.as_object(); }

// mergo.Merge: with `overwrite`, the source wins wherever it has a key; otherwise it fills what is zero in dst. The
// pointers are held: one of the maps may lie within the other.
void MergeInto(Engine& engine, const MapPtr& dst, const MapPtr& src, bool overwrite, int depth = 0) {
  if (dst == src) return;
  engine.Filled(dst);
  if (depth > 500) throw ValueTooLarge();
  for (const auto& [k, v] : *src) {
    auto it = dst->find(k);
    if (!overwrite && v.is_nil()) continue;  // nil fills nothing
    if (it == dst->end()) {
      (*dst)[k] = v;
    } else if (it->second.as_map() && v.as_map()) {
      MergeInto(engine, MapPtr(*it->second.as_map()), MapPtr(*v.as_map()), overwrite, depth + 1);
    } else if (overwrite || IsZero(it->second)) {
      it->second = v;
    }
  }
}

const MapPtr& Dict(const Value& v) {
  static const MapPtr none = std::make_shared<Map>();
  return v.as_map() ? *v.as_map() : none;  // Go's nil map: reading it is fine
}

Function Merge(bool overwrite) {
  return [overwrite](Engine& engine, const List& args) -> Result<Value> {
    if (args[0].is_nil()) return Fail("dst cannot be nil");
    for (size_t i = 1; i < args.size(); ++i) MergeInto(engine, Dict(args[0]), Dict(args[i]), overwrite);
    return args[0];
  };
}

Body Pick(bool pick) {
  return [pick](const List& args) -> Result<Value> {
    const Map& m = *Dict(args[0]);
    Map out;
    if (!pick) out = m;
    for (size_t i = 1; i < args.size(); ++i) {
      if (!pick)
        out.erase(Text(args[i]));
      else if (auto it = m.find(Text(args[i])); it != m.end())
        out[it->first] = it->second;
    }
    return Value::NewMap(std::move(out));
  };
}

Result<Value> Dig(const List& args) {
  if (args.size() < 3) return Fail("dig needs at least three arguments");
  Value v = args.back();
  for (size_t i = 0; i + 2 < args.size(); ++i) {
    auto m = v.as_map();
    if (!m)
      return Fail("interface conversion: interface {} is " + (v.is_nil() ? "nil" : TypeName(v)) +
                  ", not map[string]interface {}");
    if (!args[i].as_string())
      return Fail("interface conversion: interface {} is " + TypeName(args[i]) + ", not string");
    auto it = (*m)->find(Text(args[i]));
    if (it == (*m)->end()) return args[args.size() - 2];
    v = Value(it->second);
  }
  return v;
}

}  // namespace

void RegisterDicts(Engine& e) {
  const S key{{S::kMap, S::kString}}, keys{{S::kMap, S::kString}, true}, maps{{S::kMap, S::kMap}, true};
  Define(e, "dict", {{S::kAny}, true}, [](const List& a) -> Result<Value> {
    Map out;
    for (size_t i = 0; i < a.size(); i += 2) out[StringOf(a[i])] = i + 1 < a.size() ? a[i + 1] : Value("");
    return Value::NewMap(std::move(out));
  });
  Define(e, "get", key, [](const List& a) -> Result<Value> {
    auto it = Dict(a[0])->find(Text(a[1]));
    return it == Dict(a[0])->end() ? Value("") : it->second;
  });
  e.Register("set", {{S::kMap, S::kString, S::kAny}}, [](Engine& engine, const List& a) -> Result<Value> {
    if (a[0].is_nil()) return Fail("assignment to entry in nil map");
    if (a[2].as_map() || a[2].as_list()) engine.Filled(Dict(a[0]));
    (*Dict(a[0]))[Text(a[1])] = a[2];
    return a[0];
  });
  Define(e, "unset", key, [](const List& a) -> Result<Value> {
    if (!a[0].is_nil()) Dict(a[0])->erase(Text(a[1]));
    return a[0];
  });
  Define(e, "hasKey", key, [](const List& a) -> Result<Value> { return Value(Dict(a[0])->contains(Text(a[1]))); });
  Define(e, "pluck", {{S::kString, S::kMap}, true}, [](const List& a) -> Result<Value> {
    List out;
    for (size_t i = 1; i < a.size(); ++i)
      if (auto it = Dict(a[i])->find(Text(a[0])); it != Dict(a[i])->end()) out.push_back(it->second);
    return Value::NewList(std::move(out));
  });
  // Sorted here; sprig's order is Go's, which is another each time.
  Define(e, "keys", {{S::kMap}, true}, [](const List& a) -> Result<Value> {
    List out;
    for (const Value& m : a)
      for (const auto& [k, v] : *Dict(m)) out.emplace_back(k);
    return Value::NewTypedList(std::move(out), "[]string");
  });
  Define(e, "values", {{S::kMap}}, [](const List& a) -> Result<Value> {
    List out;
    for (const auto& [k, v] : *Dict(a[0])) out.push_back(v);
    return Value::NewList(std::move(out));
  });
  Define(e, "pick", keys, Pick(true));
  Define(e, "omit", keys, Pick(false));
  Define(e, "dig", {{S::kAny}, true}, Dig);
  for (const char* name : {"merge", "mustMerge"}) e.Register(name, maps, Merge(false));
  for (const char* name : {"mergeOverwrite", "mustMergeOverwrite"}) e.Register(name, maps, Merge(true));
  for (const char* name : {"deepCopy", "mustDeepCopy"})
    Define(e, name, {{S::kAny}}, [](const List& a) -> Result<Value> {
      if (a[0].is_nil()) return Fail("reflect: call of reflect.Value.Type on zero Value");
      return DeepCopy(a[0]);
    });
}

}  // namespace fairlead::gotmpl::sprig
