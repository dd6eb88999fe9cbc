// sprig's dates. Source of the behaviour: Masterminds/sprig v3.3 date.go. The local zone is UTC.
#include "gotmpl/go_time.h"
#include "gotmpl/sprig.h"

namespace fairlead::gotmpl::sprig {
namespace {

class Moment : public Object {
 public:
  explicit Moment(GoTime t) : time(std::move(t)) {}
  const GoTime time;

  const char* TypeName() const override { return "time.Time"; }
  std::string Print() const override { return FormatTime(time, "2006-01-02 15:04:05.999999999 -0700 MST"); }
  std::string JsonText() const override { return FormatTime(time, "2006-01-02T15:04:05.999999999Z07:00"); }
  std::optional<Result<Value>> Member(const std::string& name, const List& args) override {
    if (name == "Format" && args.size() == 1 && args[0].as_string()) return Value(FormatTime(time, Text(args[0])));
    if (!args.empty()) return Fail("wrong number of args for " + name + ": want 0 got " + std::to_string(args.size()));
    auto field = Field(name);
    if (!field) return std::nullopt;
    return Result<Value>(*field);
  }

  std::optional<Value> Field(const std::string& name) const {
    CivilDate d = DateOf(time);
    int64_t second = ((time.seconds + time.offset) % 86400 + 86400) % 86400;
    if (name == "Unix") return Value::Int64(time.seconds);
    if (name == "UnixNano") return Value::Int64(time.seconds * 1000000000 + time.nanoseconds);
    if (name == "UnixMilli") return Value::Int64(time.seconds * 1000 + time.nanoseconds / 1000000);
    if (name == "Year") return Value(d.year);
    if (name == "Month") return Value(FormatTime(time, "January"));
    if (name == "Weekday") return Value(FormatTime(time, "Monday"));
    if (name == "Day") return Value(d.day);
    if (name == "YearDay") return Value(d.yearday);
    if (name == "Hour") return Value(second / 3600);
    if (name == "Minute") return Value(second / 60 % 60);
    if (name == "Second") return Value(second % 60);
    if (name == "Nanosecond") return Value(static_cast<int64_t>(time.nanoseconds));
    if (name == "IsZero") return Value(time.seconds == GoTime().seconds && time.nanoseconds == 0);
    if (name == "String") return Value(Print());
    if (name == "UTC" || name == "Local") return Of(*InZone(time, "UTC"));
    return std::nullopt;
  }

  static Value Of(GoTime t) { return Value(ObjectPtr(std::make_shared<Moment>(std::move(t)))); }
};

const GoTime* TimeIn(const Value& v) {
  auto o = v.as_object();
  auto m = o ? dynamic_cast<const Moment*>(o->get()) : nullptr;
  return m ? &m->time : nullptr;
}

GoTime Now(const Engine& e) {
  auto now = e.sources().now().time_since_epoch();
  auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return {seconds.count(), static_cast<int32_t>(std::chrono::nanoseconds(now - seconds).count()), 0, "UTC"};
}

// A time, or seconds since 1970; anything else is now.
GoTime Moment1970(const Engine& e, const Value& v) {
  if (auto t = TimeIn(v)) return *t;
  if (auto seconds = v.as_int()) return {*seconds, 0, 0, "UTC"};
  return Now(e);
}

std::string InZoneText(const Engine& e, const std::string& layout, const Value& v, const std::string& zone) {
  GoTime t = Moment1970(e, v);
  auto there = InZone(t, zone);
  return FormatTime(there.ok() ? *there : *InZone(t, "UTC"), layout);
}

Result<GoTime> Shifted(const Value& v, const std::string& by) {
  auto t = TimeIn(v);
  if (!t) return Fail("wrong type for value; expected time.Time; got " + (v.is_nil() ? "interface {}" : TypeName(v)));
  FL_ASSIGN(int64_t d, ParseDuration(by));
  GoTime out = *t;
  int64_t nanoseconds = out.nanoseconds + d % 1000000000;
  out.seconds += d / 1000000000 + (nanoseconds < 0 ? -1 : nanoseconds / 1000000000);
  out.nanoseconds = static_cast<int32_t>((nanoseconds + 1000000000) % 1000000000);
  return out;
}

// The largest unit alone.
std::string Rounded(int64_t nanoseconds) {
  uint64_t u = nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  constexpr uint64_t kHour = 3600000000000;
  const std::pair<uint64_t, const char*> units[] = {{kHour * 24 * 365, "y"}, {kHour * 24 * 30, "mo"},
                                                    {kHour * 24, "d"},       {kHour, "h"},
                                                    {kHour / 60, "m"},       {kHour / 3600, "s"}};
  for (const auto& [size, name] : units)
    if (u > size) return std::to_string(u / size) + name;
  return "0s";
}

int64_t Since(const Engine& e, const GoTime& t) {
  GoTime now = Now(e);
  return (now.seconds - t.seconds) * 1000000000 + now.nanoseconds - t.nanoseconds;
}

}  // namespace

void RegisterDates(Engine& e) {
  const S any{{S::kAny}}, text_any{{S::kString, S::kAny}}, texts{{S::kString, S::kString}};
  e.Register("now", S{}, [](Engine& engine, const List&) -> Result<Value> { return Moment::Of(Now(engine)); });
  e.Register("date", text_any, [](Engine& engine, const List& a) -> Result<Value> {
    return Value(InZoneText(engine, Text(a[0]), a[1], "Local"));
  });
  for (const char* name : {"dateInZone", "date_in_zone"})
    e.Register(name, {{S::kString, S::kAny, S::kString}}, [](Engine& engine, const List& a) -> Result<Value> {
      return Value(InZoneText(engine, Text(a[0]), a[1], Text(a[2])));
    });
  e.Register("htmlDate", any, [](Engine& engine, const List& a) -> Result<Value> {
    return Value(InZoneText(engine, "2006-01-02", a[0], "Local"));
  });
  e.Register("htmlDateInZone", {{S::kAny, S::kString}}, [](Engine& engine, const List& a) -> Result<Value> {
    return Value(InZoneText(engine, "2006-01-02", a[0], Text(a[1])));
  });
  for (const char* name : {"dateModify", "date_modify", "mustDateModify", "must_date_modify"}) {
    bool must = std::string_view(name).starts_with("must");
    Define(e, name, text_any, [must](const List& a) -> Result<Value> {
      auto shifted = Shifted(a[1], Text(a[0]));
      if (shifted.ok()) return Moment::Of(*shifted);
      if (must || !TimeIn(a[1])) return shifted.error();
      return a[1];
    });
  }
  e.Register("ago", any, [](Engine& engine, const List& a) -> Result<Value> {
    int64_t since = Since(engine, Moment1970(engine, a[0]));
    int64_t seconds = (since < 0 ? since - 500000000 : since + 500000000) / 1000000000;
    return Value(DurationText(seconds * 1000000000));
  });
  Define(e, "duration", any, [](const List& a) -> Result<Value> {
    int64_t seconds = a[0].is_int64() ? *a[0].as_int() : a[0].as_string() ? ToInt64(a[0]) : 0;
    return Value(DurationText(static_cast<int64_t>(static_cast<uint64_t>(seconds) * 1000000000)));
  });
  e.Register("durationRound", any, [](Engine& engine, const List& a) -> Result<Value> {
    if (auto t = TimeIn(a[0])) return Value(Rounded(Since(engine, *t)));
    if (a[0].as_string()) return Value(Rounded(ParseDuration(Text(a[0])).value_or(0)));
    return Value(Rounded(a[0].is_int64() ? *a[0].as_int() : 0));
  });
  Define(e, "toDate", texts, [](const List& a) -> Result<Value> {
    return Moment::Of(ParseTime(Text(a[0]), Text(a[1])).value_or(GoTime()));
  });
  Define(e, "mustToDate", texts, [](const List& a) -> Result<Value> {
    FL_ASSIGN(GoTime t, ParseTime(Text(a[0]), Text(a[1])));
    return Moment::Of(t);
  });
  Define(e, "unixEpoch", any, [](const List& a) -> Result<Value> {
    auto t = TimeIn(a[0]);
    if (!t) return Fail("wrong type for value; expected time.Time; got " + TypeName(a[0]));
    return Value(std::to_string(t->seconds));
  });
}

}  // namespace fairlead::gotmpl::sprig

namespace fairlead::gotmpl {
Value TimeValue(GoTime t) { return sprig::Moment::Of(std::move(t)); }
}  // namespace fairlead::gotmpl
