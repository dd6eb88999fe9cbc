// The values that templates work on. Maps and lists are shared: a template that sets a key changes the map for everyone
// who holds it, as in Go. Istio's charts depend on that.
#pragma once
#include "value/json.h"

namespace fairlead::gotmpl {

class Value;
using List = std::vector<Value>;
using Map = std::map<std::string, Value>;
using ListPtr = std::shared_ptr<List>;
using MapPtr = std::shared_ptr<Map>;

// Something with methods, such as .Files or .Capabilities.APIVersions.
class Object {
 public:
  virtual ~Object() = default;
  virtual const char* TypeName() const = 0;
  virtual std::string Print() const = 0;
  // The value of a field or of a method called with `args`. nullopt: there is no such member.
  virtual std::optional<Result<Value>> Member(const std::string& name, const List& args) = 0;
  // A type that is a map or a slice with methods: what range, index and len see of it.
  virtual const Map* Items() const { return nullptr; }
  virtual const ListPtr* Elements() const { return nullptr; }
  // A type that is a slice of bytes: toString makes text of it.
  virtual const std::string* Bytes() const { return nullptr; }
  // What encoding/json makes of it, as text.
  virtual std::string JsonText() const { return Print(); }
};
using ObjectPtr = std::shared_ptr<Object>;

class Value {
 public:
  Value() = default;                             // nil
  Value(bool b) : v_(b) {}                       // NOLINT: implicit on purpose
  Value(int64_t i) : v_(i) {}                    // NOLINT
  Value(int i) : v_(static_cast<int64_t>(i)) {}  // NOLINT
  Value(double d) : v_(d) {}                     // NOLINT
  Value(std::string s) : v_(std::move(s)) {}     // NOLINT
  Value(const char* s) : v_(std::string(s)) {}   // NOLINT
  Value(ListPtr l) : v_(std::move(l)) {}         // NOLINT
  Value(MapPtr m) : v_(std::move(m)) {}          // NOLINT
  Value(ObjectPtr o) : v_(std::move(o)) {}       // NOLINT
  // A nil that came out of a map or a list: Go tells it apart from no value at all in some messages.
  static Value NilInterface() {
    Value v;
    v.v_ = Nil{};
    return v;
  }
  // Go's int64, which sprig's arithmetic gives; an int is another type.
  static Value Int64(int64_t n) {
    Value v;
    v.v_ = Long{n};
    return v;
  }
  static Value NewList(List items = {});
  static Value NewMap(Map members = {});
  // Of a type of its own, []string or map[string]string: `type` is a literal. Elements are then no interfaces.
  static Value NewTypedList(List items, const char* type);
  static Value NewTypedMap(Map members, const char* type);

  bool is_nil() const { return v_.index() == 0 || is_nil_interface(); }
  bool is_nil_interface() const { return std::holds_alternative<Nil>(v_); }
  const bool* as_bool() const { return std::get_if<bool>(&v_); }
  const int64_t* as_int() const {
    if (auto l = std::get_if<Long>(&v_)) return &l->n;
    return std::get_if<int64_t>(&v_);
  }
  bool is_int64() const { return std::holds_alternative<Long>(v_); }
  const double* as_float() const { return std::get_if<double>(&v_); }
  const std::string* as_string() const { return std::get_if<std::string>(&v_); }
  const ListPtr* as_list() const {
    if (auto t = std::get_if<TypedList>(&v_)) return &t->list;
    return std::get_if<ListPtr>(&v_);
  }
  const MapPtr* as_map() const {
    if (auto t = std::get_if<TypedMap>(&v_)) return &t->map;
    return std::get_if<MapPtr>(&v_);
  }
  // The type of a typed list or map, nullptr for any other value.
  const char* container_type() const {
    if (auto l = std::get_if<TypedList>(&v_)) return l->type;
    auto m = std::get_if<TypedMap>(&v_);
    return m ? m->type : nullptr;
  }
  const ObjectPtr* as_object() const { return std::get_if<ObjectPtr>(&v_); }

 private:
  struct Nil {};
  struct Long {
    int64_t n;
  };
  struct TypedList {
    ListPtr list;
    const char* type;
  };
  struct TypedMap {
    MapPtr map;
    const char* type;
  };
  std::variant<std::monostate, bool, int64_t, double, std::string, ListPtr, MapPtr, ObjectPtr, Nil, Long, TypedList,
               TypedMap>
      v_;
};

// The type of a []string that is nil in Go, for NewTypedList: JSON has null for it.
inline constexpr char kNilStrings[] = "[]string";

// A map or a list, be it one with methods; nullptr: it is none.
const Map* MapIn(const Value& v);
const ListPtr* ListIn(const Value& v);
// Go's []byte.
Value BytesValue(std::string bytes);

// Thrown by what walks through a value that is nested too deep, has too many parts, or contains itself; the executor
// makes an error of it.
struct ValueTooLarge {};

// Go's truth: nil, false, 0, "", and empty lists and maps are false.
bool Truth(const Value& v);
// Go's %v: floats with an exponent from 1e+06 on, maps as map[a:1 b:2], nil as <nil>.
std::string Print(const Value& v);
// Go's %T for messages: string, int, float64, bool, []interface {}, map[string]interface {}, <nil>.
std::string TypeName(const Value& v);
bool DeepEqual(const Value& a, const Value& b);
Value DeepCopy(const Value& v);
// `floats`: every number becomes float64, as Helm's values are; otherwise integers are int64.
Value FromJson(const Json& j, bool floats = true);
// encoding/json writes a whole float without a point, so it comes back as an integer; with `keep_floats` it stays one.
Json ToJson(const Value& v, bool keep_floats = false);

}  // namespace fairlead::gotmpl
