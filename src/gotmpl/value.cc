#include "gotmpl/value.h"

#include <cmath>

#include "value/yaml.h"

namespace fairlead::gotmpl {

bool Truth(const Value& v) {
  if (auto b = v.as_bool()) return *b;
  if (auto i = v.as_int()) return *i != 0;
  if (auto d = v.as_float()) return *d != 0;
  if (auto s = v.as_string()) return !s->empty();
  if (auto l = v.as_list()) return !(*l)->empty();
  if (auto m = v.as_map()) return !(*m)->empty();
  return v.as_object() != nullptr;
}

std::string Print(const Value& v) {
  if (auto b = v.as_bool()) return *b ? "true" : "false";
  if (auto i = v.as_int()) return std::to_string(*i);

  if (auto d = v.as_float()) return value::FormatFloat(*d, 6);  // strconv 'g', shortest
  if (auto s = v.as_string()) return *s;
  std::string out;
  if (auto l = v.as_list()) {
    for (const Value& item : **l) out += Print(item) + " ";
    if (!out.empty()) out.pop_back();
    return "[" + out + "]";
  }
  if (auto m = v.as_map()) {
    for (const auto& [k, item] : **m) out += k + ":" + Print(item) + " ";
    if (!out.empty()) out.pop_back();
    return "map[" + out + "]";
  }
  if (auto o = v.as_object()) return (*o)->Print();
  return "<nil>";
}

std::string TypeName(const Value& v) {
  if (v.as_bool()) return "bool";
  if (v.as_int()) return v.is_int64() ? "int64" : "int";
  if (v.as_float()) return "float64";
  if (v.as_string()) return "string";
  if (v.as_list()) return "[]interface {}";
  if (v.as_map()) return "map[string]interface {}";
  if (auto o = v.as_object()) return (*o)->TypeName();
  return "<nil>";
}

bool DeepEqual(const Value& a, const Value& b) {
  if (auto x = a.as_bool()) return b.as_bool() && *x == *b.as_bool();
  if (auto x = a.as_int()) return b.as_int() && *x == *b.as_int() && a.is_int64() == b.is_int64();
  if (auto x = a.as_float()) return b.as_float() && *x == *b.as_float();
  if (auto x = a.as_string()) return b.as_string() && *x == *b.as_string();
  if (auto x = a.as_list()) {
    auto y = b.as_list();
    return y && std::equal((*x)->begin(), (*x)->end(), (*y)->begin(), (*y)->end(), DeepEqual);
  }
  if (auto x = a.as_map()) {
    auto y = b.as_map();
    return y && std::equal((*x)->begin(), (*x)->end(), (*y)->begin(), (*y)->end(), [](const auto& p, const auto& q) {
             return p.first == q.first && DeepEqual(p.second, q.second);
           });
  }
  if (auto x = a.as_object()) return b.as_object() && *x == *b.as_object();
  return b.is_nil();
}

Value DeepCopy(const Value& v) {
  if (auto l = v.as_list()) {
    List out;
    for (const Value& item : **l) out.push_back(DeepCopy(item));
    return Value::NewList(std::move(out));
  }
  if (auto m = v.as_map()) {
    Map out;
    for (const auto& [k, item] : **m) out[k] = DeepCopy(item);
    return Value::NewMap(std::move(out));
  }
  return v;
}

Value FromJson(const Json& j, bool floats) {
  if (j.is_boolean()) return Value(j.get<bool>());
  if (j.is_number_integer() && !floats) return Value(j.get<int64_t>());
  if (j.is_number()) return Value(j.get<double>());
  if (j.is_string()) return Value(j.get<std::string>());
  if (j.is_array()) {
    List out;
    for (const Json& item : j) out.push_back(FromJson(item, floats));
    return Value::NewList(std::move(out));
  }
  if (j.is_object()) {
    Map out;
    for (const auto& [k, item] : j.items()) out[k] = FromJson(item, floats);
    return Value::NewMap(std::move(out));
  }
  return {};
}

Json ToJson(const Value& v) {
  if (auto b = v.as_bool()) return *b;
  if (auto i = v.as_int()) return *i;
  if (auto d = v.as_float()) {
    // encoding/json writes a whole float without a point, so it comes back as an integer
    if (*d == std::floor(*d) && std::fabs(*d) < 9.0e15) return static_cast<int64_t>(*d);
    return *d;
  }
  if (auto s = v.as_string()) return *s;
  if (auto l = v.as_list()) {
    Json out = Json::array();
    for (const Value& item : **l) out.push_back(ToJson(item));
    return out;
  }
  if (auto m = v.as_map()) {
    Json out = Json::object();
    for (const auto& [k, item] : **m) out[k] = ToJson(item);
    return out;
  }
  if (auto o = v.as_object()) return (*o)->Print();
  return nullptr;
}

}  // namespace fairlead::gotmpl
