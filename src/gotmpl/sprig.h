// What sprig's families share.
#pragma once
#include "gotmpl/engine.h"

namespace fairlead::gotmpl::sprig {

inline Error Fail(std::string message) { return MakeError(Code::kInvalid, std::move(message)); }

using S = Signature;
// The arguments have been checked against the signature.
using Body = std::function<Result<Value>(const List& args)>;
inline void Define(Engine& e, const std::string& name, Signature signature, Body body) {
  e.Register(name, std::move(signature), [body = std::move(body)](Engine&, const List& args) { return body(args); });
}

inline const std::string& Text(const Value& v) { return *v.as_string(); }
inline const Value& Arg(const List& args, size_t i) {
  static const Value none;
  return i < args.size() ? args[i] : none;
}

// sprig's strval: a string as it is, anything else as %v.
std::string StringOf(const Value& v);
// sprig's strslice: nil and empty are nothing, a list's members without nils, anything else alone.
std::vector<std::string> StringsOf(const Value& v);
// spf13/cast: a number from whatever it is, 0 where it is none.
int64_t ToInt64(const Value& v);
double ToFloat(const Value& v);
// reflect.Kind: string, int, int64, float64, bool, map, slice, invalid.
std::string KindOf(const Value& v);

void RegisterMath(Engine& e);
void RegisterStrings(Engine& e);
void RegisterLists(Engine& e);
void RegisterDicts(Engine& e);
void RegisterDefaults(Engine& e);
void RegisterTypes(Engine& e);
void RegisterPaths(Engine& e);
void RegisterEncoding(Engine& e);
void RegisterRegex(Engine& e);
void RegisterSemver(Engine& e);
void RegisterDates(Engine& e);
void RegisterRandom(Engine& e);
void RegisterNames(Engine& e);
void RegisterUrls(Engine& e);
void RegisterCrypto(Engine& e);

}  // namespace fairlead::gotmpl::sprig
