// sprig's numbers. Source of the behaviour: Masterminds/sprig v3.3 numeric.go; decimals are shopspring's, so 0.1 + 0.2
// is 0.3.
#include <boost/multiprecision/cpp_dec_float.hpp>
#include <cmath>

#include "gotmpl/sprig.h"
#include "util/strings.h"
#include "value/yaml.h"

namespace fairlead::gotmpl::sprig {
namespace {

constexpr size_t kMaxItems = 1000000;
using Decimal = boost::multiprecision::number<boost::multiprecision::cpp_dec_float<100>>;

Value Long(int64_t n) { return Value::Int64(n); }

Result<Value> UntilStep(int64_t start, int64_t stop, int64_t step) {
  List out;
  if (stop < start ? step >= 0 : step <= 0) return Value::NewTypedList({}, "[]int");
  for (int64_t i = start; stop < start ? i > stop : i < stop; i += step) {
    if (out.size() >= kMaxItems) return Fail("more than " + std::to_string(kMaxItems) + " numbers");
    out.emplace_back(i);
  }
  return Value::NewTypedList(std::move(out), "[]int");
}

Result<Value> Seq(const List& args) {
  std::vector<int64_t> n;
  for (const Value& v : args) n.push_back(*v.as_int());
  Result<Value> numbers = Value::NewList();
  if (n.size() == 1) {
    int64_t step = n[0] < 1 ? -1 : 1;
    numbers = UntilStep(1, n[0] + step, step);
  } else if (n.size() == 2) {
    int64_t step = n[1] < n[0] ? -1 : 1;
    numbers = UntilStep(n[0], n[1] + step, step);
  } else if (n.size() == 3) {
    int64_t end = n[2] < n[0] ? -1 : 1;
    if (n[2] >= n[0] || n[1] <= 0) numbers = UntilStep(n[0], n[2] + end, n[1]);
  }
  if (!numbers.ok()) return numbers;
  std::string out;
  for (const Value& v : **numbers->as_list()) out += (out.empty() ? "" : " ") + Print(v);
  return Value(out);
}

Decimal Exact(const Value& v) { return Decimal(value::FormatFloat(ToFloat(v), 21)); }
Value Floating(const Decimal& d) { return Value(strtod(d.str(0, std::ios_base::scientific).c_str(), nullptr)); }

using Step = std::function<Result<Decimal>(const Decimal&, const Decimal&)>;
Result<Value> Decimals(Decimal total, const List& args, size_t from, const Step& step) {
  for (size_t i = from; i < args.size(); ++i) {
    FL_ASSIGN(total, step(total, Exact(args[i])));
  }
  return Floating(total);
}

Result<Decimal> Divide(const Decimal& a, const Decimal& b) {
  if (b == 0) return Fail("decimal division by 0");
  Decimal scale("1e16");
  Decimal scaled = a / b * scale;
  return Decimal((scaled < 0 ? ceil(scaled - Decimal("0.5")) : floor(scaled + Decimal("0.5"))) / scale);
}

Result<Value> Round(const List& args) {
  double on = args.size() > 2 ? *args[2].as_float() : 0.5;
  double power = std::pow(10, static_cast<double>(*args[1].as_int()));
  double digit = power * ToFloat(args[0]), whole = 0;
  double fraction = std::modf(digit, &whole);
  return Value((fraction >= on ? std::ceil(digit) : std::floor(digit)) / power);
}

int64_t ParseOctal(const Value& v) {
  std::string s = StringOf(v);
  char* end = nullptr;
  int64_t n = strtoll(s.c_str(), &end, 8);
  return s.empty() || *end != '\0' ? 0 : n;
}

}  // namespace

void RegisterMath(Engine& e) {
  const S one{{S::kAny}}, two{{S::kAny, S::kAny}}, more{{S::kAny}, true}, one_and_more{{S::kAny, S::kAny}, true};
  Define(e, "int", one, [](const List& a) -> Result<Value> { return Value(ToInt64(a[0])); });
  Define(e, "int64", one, [](const List& a) -> Result<Value> { return Long(ToInt64(a[0])); });
  Define(e, "float64", one, [](const List& a) -> Result<Value> { return Value(ToFloat(a[0])); });
  Define(e, "atoi", {{S::kString}},
         [](const List& a) -> Result<Value> { return Value(ParseInt(Text(a[0])).value_or(0)); });
  Define(e, "toDecimal", one, [](const List& a) -> Result<Value> { return Long(ParseOctal(a[0])); });
  Define(e, "add1", one, [](const List& a) -> Result<Value> { return Long(ToInt64(a[0]) + 1); });
  Define(e, "add", more, [](const List& a) -> Result<Value> {
    uint64_t sum = 0;
    for (const Value& v : a) sum += static_cast<uint64_t>(ToInt64(v));
    return Long(static_cast<int64_t>(sum));
  });
  Define(e, "sub", two, [](const List& a) -> Result<Value> {
    return Long(static_cast<int64_t>(static_cast<uint64_t>(ToInt64(a[0])) - static_cast<uint64_t>(ToInt64(a[1]))));
  });
  Define(e, "mul", one_and_more, [](const List& a) -> Result<Value> {
    uint64_t product = 1;
    for (const Value& v : a) product *= static_cast<uint64_t>(ToInt64(v));
    return Long(static_cast<int64_t>(product));
  });
  for (bool remainder : {false, true})
    Define(e, remainder ? "mod" : "div", two, [remainder](const List& a) -> Result<Value> {
      int64_t x = ToInt64(a[0]), y = ToInt64(a[1]);
      if (y == 0) return Fail("runtime error: integer divide by zero");
      if (y == -1) return Long(remainder ? 0 : static_cast<int64_t>(0 - static_cast<uint64_t>(x)));
      return Long(remainder ? x % y : x / y);
    });
  for (const char* name : {"max", "biggest", "min"}) {
    bool least = std::string_view(name) == "min";
    Define(e, name, one_and_more, [least](const List& a) -> Result<Value> {
      int64_t best = ToInt64(a[0]);
      for (const Value& v : a) best = least ? std::min(best, ToInt64(v)) : std::max(best, ToInt64(v));
      return Long(best);
    });
  }
  for (bool least : {false, true})
    Define(e, least ? "minf" : "maxf", one_and_more, [least](const List& a) -> Result<Value> {
      double best = ToFloat(a[0]);
      for (const Value& v : a) best = least ? std::fmin(best, ToFloat(v)) : std::fmax(best, ToFloat(v));
      return Value(best);
    });
  Define(e, "ceil", one, [](const List& a) -> Result<Value> { return Value(std::ceil(ToFloat(a[0]))); });
  Define(e, "floor", one, [](const List& a) -> Result<Value> { return Value(std::floor(ToFloat(a[0]))); });
  Define(e, "round", {{S::kAny, S::kInt, S::kFloat}, true}, Round);
  Define(e, "until", {{S::kInt}}, [](const List& a) {
    int64_t n = *a[0].as_int();
    return UntilStep(0, n, n < 0 ? -1 : 1);
  });
  Define(e, "untilStep", {{S::kInt, S::kInt, S::kInt}},
         [](const List& a) { return UntilStep(*a[0].as_int(), *a[1].as_int(), *a[2].as_int()); });
  Define(e, "seq", {{S::kInt}, true}, Seq);
  auto add = [](const Decimal& x, const Decimal& y) -> Result<Decimal> { return Decimal(x + y); };
  Define(e, "add1f", one, [add](const List& a) { return Decimals(Decimal(1), a, 0, add); });
  Define(e, "addf", more, [add](const List& a) { return Decimals(Decimal(0), a, 0, add); });
  Define(e, "subf", one_and_more, [](const List& a) {
    return Decimals(Exact(a[0]), a, 1,
                    [](const Decimal& x, const Decimal& y) -> Result<Decimal> { return Decimal(x - y); });
  });
  Define(e, "mulf", one_and_more, [](const List& a) {
    return Decimals(Exact(a[0]), a, 1,
                    [](const Decimal& x, const Decimal& y) -> Result<Decimal> { return Decimal(x * y); });
  });
  Define(e, "divf", one_and_more, [](const List& a) { return Decimals(Exact(a[0]), a, 1, Divide); });
}

}  // namespace fairlead::gotmpl::sprig
