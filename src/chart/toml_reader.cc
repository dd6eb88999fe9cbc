// The library asserts what malformed text can break ([#a]), and without assertions goes on with what it does not expect.
// Here an assertion that fails is a malformed text.
#include <stdexcept>
namespace {
struct UnexpectedToml : std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace
#undef NDEBUG
#define TOML_ASSERT(expression) \
  if (!(expression)) throw UnexpectedToml("malformed (" #expression ")")
#include <toml++/toml.h>

#include <sstream>

#include "chart/toml.h"
#include "gotmpl/go_time.h"

namespace fairlead::chart {
namespace {

using gotmpl::GoTime;
using gotmpl::List;
using gotmpl::Map;
using gotmpl::Value;

// A date or a time without the other, or without a zone, gets what is missing from Go's zero time, and a zone that says
// so.
Value TimeOf(const std::string& text, const char* missing_before, const char* missing_after, const char* zone) {
  auto t = gotmpl::ParseTime("2006-01-02T15:04:05.999999999Z07:00", missing_before + text + missing_after);
  GoTime time = t.value_or(GoTime());
  if (*zone) time.zone = zone;
  return gotmpl::TimeValue(time);
}

template <class T>
std::string TextOf(const T& v) {
  std::ostringstream out;
  out << v;
  return out.str();
}

Value ValueOf(const toml::node& node);

Value ListOf(const toml::array& array) {
  List out;
  for (const toml::node& item : array) out.push_back(ValueOf(item));
  if (!array.empty() && array.is_homogeneous<toml::table>())
    return Value::NewTypedList(std::move(out), "[]map[string]interface {}");
  return Value::NewList(std::move(out));
}

Value ValueOf(const toml::node& node) {
  if (auto v = node.as_table()) {
    Map out;
    for (const auto& [k, item] : *v) out[std::string(k.str())] = ValueOf(item);
    return Value::NewMap(std::move(out));
  }
  if (auto v = node.as_array()) return ListOf(*v);
  if (auto v = node.as_string()) return Value(v->get());
  if (auto v = node.as_integer()) return Value::Int64(v->get());
  if (auto v = node.as_floating_point()) return Value(v->get());
  if (auto v = node.as_boolean()) return Value(v->get());
  if (auto v = node.as_date()) return TimeOf(TextOf(v->get()), "", "T00:00:00Z", "date-local");
  if (auto v = node.as_time()) return TimeOf(TextOf(v->get()), "0000-01-01T", "Z", "time-local");
  const toml::date_time& at = node.as_date_time()->get();
  return at.offset ? TimeOf(TextOf(at), "", "", "") : TimeOf(TextOf(at), "", "Z", "datetime-local");
}

}  // namespace

Result<Value> FromToml(const std::string& text) {
  try {
    return ValueOf(toml::parse(text));
  } catch (const toml::parse_error& e) {
    return MakeError(Code::kInvalid, "toml: line " + std::to_string(e.source().begin.line) + ", column " +
                                         std::to_string(e.source().begin.column) + ": " + std::string(e.description()));
  } catch (const UnexpectedToml& e) {
    return MakeError(Code::kInvalid, std::string("toml: ") + e.what());
  }
}

}  // namespace fairlead::chart
