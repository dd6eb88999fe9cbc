#include "gotmpl/value.h"

#include <cmath>

#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::gotmpl {

bool Truth(const Value& v) {
  if (auto b = v.as_bool()) return *b;
  if (auto i = v.as_int()) return *i != 0;
  if (auto d = v.as_float()) return *d != 0;
  if (auto s = v.as_string()) return !s->empty();
  if (auto l = v.as_list()) return !(*l)->empty();
  if (auto m = v.as_map()) return !(*m)->empty();
  auto o = v.as_object();
  if (!o) return false;
  if (auto items = (*o)->Items()) return !items->empty();
  if (auto elements = (*o)->Elements()) return !(*elements)->empty();
  if (auto bytes = (*o)->Bytes()) return !bytes->empty();
  return true;
}

namespace {

// Templates can build values of any depth, and values that contain themselves; every walk is limited.
class Walk {
 public:
  void Enter() {
    if (++depth_ > 500 || ++parts_ > 4000000) throw ValueTooLarge();
  }
  void Leave() { --depth_; }

  void Print(const Value& v, std::string& out) {
    Enter();
    if (auto b = v.as_bool()) {
      out += *b ? "true" : "false";
    } else if (auto i = v.as_int()) {
      out += std::to_string(*i);
    } else if (auto d = v.as_float()) {
      out += value::FormatFloat(*d, 6);  // strconv 'g', shortest
    } else if (auto s = v.as_string()) {
      out += *s;
    } else if (auto l = v.as_list()) {
      out += '[';
      for (const Value& item : **l) {
        if (&item != &(*l)->front()) out += ' ';
        Print(item, out);
      }
      out += ']';
    } else if (auto m = v.as_map()) {
      out += "map[";
      for (bool first = true; const auto& [k, item] : **m) {
        if (!std::exchange(first, false)) out += ' ';
        (out += k) += ':';
        Print(item, out);
      }
      out += ']';
    } else if (auto o = v.as_object()) {
      out += (*o)->Print();
    } else {
      out += "<nil>";
    }
    Leave();
  }

  bool Equal(const Value& a, const Value& b) {
    Enter();
    bool equal = EqualParts(a, b);
    Leave();
    return equal;
  }

  Value Copy(const Value& v) {
    Enter();
    Value out = v;
    if (auto l = v.as_list()) {
      List items;
      for (const Value& item : **l) items.push_back(Copy(item));
      out = v.container_type() ? Value::NewTypedList(std::move(items), v.container_type())
                               : Value::NewList(std::move(items));
    } else if (auto m = v.as_map()) {
      Map members;
      for (const auto& [k, item] : **m) members[k] = Copy(item);
      out = v.container_type() ? Value::NewTypedMap(std::move(members), v.container_type())
                               : Value::NewMap(std::move(members));
    }
    Leave();
    return out;
  }

  Json ToJson(const Value& v, bool keep_floats) {
    Enter();
    Json out;
    if (auto b = v.as_bool()) {
      out = *b;
    } else if (auto i = v.as_int()) {
      out = *i;
    } else if (auto d = v.as_float()) {
      if (!keep_floats && *d == std::floor(*d) && std::fabs(*d) < 9.0e15)
        out = static_cast<int64_t>(*d);
      else
        out = *d;
    } else if (auto s = v.as_string()) {
      out = *s;
    } else if (v.container_type() == kNilStrings) {
      out = nullptr;
    } else if (auto l = v.as_list()) {
      out = Json::array();
      for (const Value& item : **l) out.push_back(ToJson(item, keep_floats));
    } else if (auto m = v.as_map()) {
      out = Json::object();
      for (const auto& [k, item] : **m) out[k] = ToJson(item, keep_floats);
    } else if (auto o = v.as_object()) {
      if (auto bytes = (*o)->Bytes())
        out = Base64Encode(*bytes);  // as encoding/json writes them
      else if (auto items = (*o)->Items())
        out = ToJson(Value::NewMap(*items), keep_floats);
      else
        out = (*o)->JsonText();
    }
    Leave();
    return out;
  }

 private:
  bool EqualParts(const Value& a, const Value& b) {
    if (auto x = a.as_bool()) return b.as_bool() && *x == *b.as_bool();
    if (auto x = a.as_int()) return b.as_int() && *x == *b.as_int() && a.is_int64() == b.is_int64();
    if (auto x = a.as_float()) return b.as_float() && *x == *b.as_float();
    if (auto x = a.as_string()) return b.as_string() && *x == *b.as_string();
    if ((a.as_list() || a.as_map()) && fairlead::gotmpl::TypeName(a) != fairlead::gotmpl::TypeName(b)) return false;
    if (auto x = a.as_list()) {
      auto y = b.as_list();
      return y && std::equal((*x)->begin(), (*x)->end(), (*y)->begin(), (*y)->end(),
                             [this](const Value& p, const Value& q) { return Equal(p, q); });
    }
    if (auto x = a.as_map()) {
      auto y = b.as_map();
      return y && std::equal(
                      (*x)->begin(), (*x)->end(), (*y)->begin(), (*y)->end(),
                      [this](const auto& p, const auto& q) { return p.first == q.first && Equal(p.second, q.second); });
    }
    if (auto x = a.as_object()) return b.as_object() && *x == *b.as_object();
    return b.is_nil();
  }

  int depth_ = 0, parts_ = 0;
};

// Lets go of a container's parts one after the other: a chain of containers would end them in as many nested calls.
template <class Container>
void LetGo(Container* gone) {
  thread_local std::vector<Value>* waiting = nullptr;
  std::vector<Value> mine;
  bool outermost = !waiting;
  if (outermost) waiting = &mine;
  auto keep = [](Value& v) {
    if (v.as_list() || v.as_map()) waiting->push_back(std::move(v));
  };
  if constexpr (std::is_same_v<Container, Map>)
    for (auto& [k, v] : *gone) keep(v);
  else
    for (Value& v : *gone) keep(v);
  delete gone;
  if (!outermost) return;
  while (!mine.empty()) {
    Value next = std::move(mine.back());
    mine.pop_back();
  }
  waiting = nullptr;
}

class ByteSlice : public Object {
 public:
  explicit ByteSlice(std::string bytes) : bytes_(std::move(bytes)) {}
  const char* TypeName() const override { return "[]uint8"; }
  std::string Print() const override {
    std::string out;
    for (unsigned char c : bytes_) out += (out.empty() ? "" : " ") + std::to_string(c);
    return "[" + out + "]";
  }
  std::optional<Result<Value>> Member(const std::string&, const List&) override { return std::nullopt; }
  const std::string* Bytes() const override { return &bytes_; }

 private:
  std::string bytes_;
};

}  // namespace

const Map* MapIn(const Value& v) {
  if (auto m = v.as_map()) return m->get();
  return v.as_object() ? (*v.as_object())->Items() : nullptr;
}
const ListPtr* ListIn(const Value& v) {
  if (auto l = v.as_list()) return l;
  return v.as_object() ? (*v.as_object())->Elements() : nullptr;
}

Value BytesValue(std::string bytes) { return Value(ObjectPtr(std::make_shared<ByteSlice>(std::move(bytes)))); }
Value Value::NewList(List items) { return Value(ListPtr(new List(std::move(items)), LetGo<List>)); }
Value Value::NewMap(Map members) { return Value(MapPtr(new Map(std::move(members)), LetGo<Map>)); }

Value Value::NewTypedList(List items, const char* type) {
  Value out = NewList(std::move(items));
  out.v_ = TypedList{std::get<ListPtr>(out.v_), type};
  return out;
}
Value Value::NewTypedMap(Map members, const char* type) {
  Value out = NewMap(std::move(members));
  out.v_ = TypedMap{std::get<MapPtr>(out.v_), type};
  return out;
}

std::string Print(const Value& v) {
  std::string out;
  Walk().Print(v, out);
  return out;
}

std::string TypeName(const Value& v) {
  if (auto type = v.container_type()) return type;
  if (v.as_bool()) return "bool";
  if (v.as_int()) return v.is_int64() ? "int64" : "int";
  if (v.as_float()) return "float64";
  if (v.as_string()) return "string";
  if (v.as_list()) return "[]interface {}";
  if (v.as_map()) return "map[string]interface {}";
  if (auto o = v.as_object()) return (*o)->TypeName();
  return "<nil>";
}

bool DeepEqual(const Value& a, const Value& b) { return Walk().Equal(a, b); }
Value DeepCopy(const Value& v) { return Walk().Copy(v); }
Json ToJson(const Value& v, bool keep_floats) { return Walk().ToJson(v, keep_floats); }

Value FromJson(const Json& j, bool floats) {
  if (j.is_boolean()) return Value(j.get<bool>());
  if (j.is_number_integer() && !floats) return Value::Int64(j.get<int64_t>());
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

}  // namespace fairlead::gotmpl
