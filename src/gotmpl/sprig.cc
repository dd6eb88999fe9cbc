#include "gotmpl/sprig.h"

#include <cmath>

namespace fairlead::gotmpl {
namespace sprig {

std::string StringOf(const Value& v) {
  if (auto s = v.as_string()) return *s;
  if (auto o = v.as_object())
    if (auto bytes = (*o)->Bytes()) return *bytes;
  return Print(v);
}

std::vector<std::string> StringsOf(const Value& v) {
  std::vector<std::string> out;
  if (auto l = v.as_list()) {
    for (const Value& item : **l)
      if (!item.is_nil()) out.push_back(StringOf(item));
  } else if (!v.is_nil()) {
    out.push_back(StringOf(v));
  }
  return out;
}

int64_t ToInt64(const Value& v) {
  if (auto i = v.as_int()) return *i;
  if (auto d = v.as_float()) return std::fabs(*d) < 9.3e18 ? static_cast<int64_t>(*d) : INT64_MIN;
  if (auto b = v.as_bool()) return *b;
  auto s = v.as_string();
  if (!s || s->empty()) return 0;
  // A point with nothing but zeros after it is dropped; then the whole text must be an integer, with Go's prefixes.
  std::string t = *s;
  if (size_t point = t.find('.'); point != t.npos && t.find_first_not_of('0', point + 1) == t.npos && point > 0)
    t.resize(point);
  // An underscore may stand between digits.
  for (size_t u = t.find('_'); u != t.npos; u = t.find('_', u)) {
    if (u == 0 || u + 1 >= t.size() || !isalnum(static_cast<unsigned char>(t[u - 1])) ||
        !isalnum(static_cast<unsigned char>(t[u + 1])))
      return 0;
    t.erase(u, 1);
  }
  size_t i = t[0] == '+' || t[0] == '-' ? 1 : 0;
  int base = 10;
  if (t.size() > i + 1 && t[i] == '0') {
    char p = static_cast<char>(tolower(static_cast<unsigned char>(t[i + 1])));
    base = p == 'x' ? 16 : p == 'b' ? 2 : 8;
    i += p == 'x' || p == 'b' || p == 'o' ? 2 : 1;
  }
  if (i >= t.size() || !isalnum(static_cast<unsigned char>(t[i]))) return 0;
  errno = 0;
  char* end = nullptr;
  int64_t n = strtoll(t.c_str() + i, &end, base);
  if (*end != '\0' || errno == ERANGE) return 0;
  return t[0] == '-' ? -n : n;
}

double ToFloat(const Value& v) {
  if (auto d = v.as_float()) return *d;
  if (auto i = v.as_int()) return static_cast<double>(*i);
  if (auto b = v.as_bool()) return *b;
  auto s = v.as_string();
  if (!s || s->empty() || isspace(static_cast<unsigned char>((*s)[0]))) return 0;
  char* end = nullptr;
  double d = strtod(s->c_str(), &end);
  return *end == '\0' ? d : 0;
}

std::string KindOf(const Value& v) {
  if (v.is_nil()) return "invalid";
  if (v.as_list()) return "slice";
  if (v.as_map()) return "map";
  if (auto o = v.as_object())
    return (*o)->Items()                       ? "map"
           : (*o)->Elements() || (*o)->Bytes() ? "slice"
           : TypeName(v).starts_with('*')      ? "ptr"
                                               : "struct";
  return TypeName(v);
}

}  // namespace sprig

void RegisterSprig(Engine& e) {
  sprig::RegisterMath(e);
  sprig::RegisterStrings(e);
  sprig::RegisterLists(e);
  sprig::RegisterDicts(e);
  sprig::RegisterDefaults(e);
  sprig::RegisterTypes(e);
  sprig::RegisterPaths(e);
  sprig::RegisterEncoding(e);
  sprig::RegisterRegex(e);
  sprig::RegisterSemver(e);
  sprig::RegisterDates(e);
  sprig::RegisterRandom(e);
  sprig::RegisterNames(e);
  sprig::RegisterUrls(e);
  sprig::RegisterCrypto(e);
}

}  // namespace fairlead::gotmpl
