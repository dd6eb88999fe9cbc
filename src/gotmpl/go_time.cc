#include "gotmpl/go_time.h"

#include <cmath>
#include <vector>

#include "gotmpl/quote.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::gotmpl {
namespace {

constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};
constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

enum class Part {
  kText,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearday,
  kZeroYearday,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kPM,
  kpm,
  kZone,
  kOffset,    // ±hhmm in one of its forms; Z for UTC where the layout has it
  kFraction,  // .000 or .999
};
struct LayoutPart {
  Part part;
  std::string text;
};

// The elements of a layout, with the text between them. The longer one comes first where one begins another.
std::vector<LayoutPart> Parts(const std::string& layout) {
  static const std::pair<const char*, Part> kElements[] = {{"January", Part::kLongMonth},
                                                           {"Jan", Part::kMonth},
                                                           {"Monday", Part::kLongWeekday},
                                                           {"Mon", Part::kWeekday},
                                                           {"MST", Part::kZone},
                                                           {"2006", Part::kLongYear},
                                                           {"__2", Part::kUnderYearday},
                                                           {"_2006", Part::kText},
                                                           {"_2", Part::kUnderDay},
                                                           {"002", Part::kZeroYearday},
                                                           {"01", Part::kZeroMonth},
                                                           {"02", Part::kZeroDay},
                                                           {"03", Part::kZeroHour12},
                                                           {"04", Part::kZeroMinute},
                                                           {"05", Part::kZeroSecond},
                                                           {"06", Part::kYear},
                                                           {"15", Part::kHour},
                                                           {"1", Part::kNumMonth},
                                                           {"2", Part::kDay},
                                                           {"3", Part::kHour12},
                                                           {"4", Part::kMinute},
                                                           {"5", Part::kSecond},
                                                           {"PM", Part::kPM},
                                                           {"pm", Part::kpm},
                                                           {"-07:00:00", Part::kOffset},
                                                           {"-070000", Part::kOffset},
                                                           {"-07:00", Part::kOffset},
                                                           {"-0700", Part::kOffset},
                                                           {"-07", Part::kOffset},
                                                           {"Z07:00:00", Part::kOffset},
                                                           {"Z070000", Part::kOffset},
                                                           {"Z07:00", Part::kOffset},
                                                           {"Z0700", Part::kOffset},
                                                           {"Z07", Part::kOffset}};
  std::vector<LayoutPart> out;
  std::string text;
  auto flush = [&] {
    if (!text.empty()) out.push_back({Part::kText, std::exchange(text, "")});
  };
  for (size_t i = 0; i < layout.size();) {
    if ((layout[i] == '.' || layout[i] == ',') && i + 1 < layout.size() &&
        (layout[i + 1] == '0' || layout[i + 1] == '9')) {
      size_t end = layout.find_first_not_of(layout[i + 1], i + 1);
      end = std::min(end, layout.size());
      if (end == layout.size() || !isdigit(static_cast<unsigned char>(layout[end]))) {
        flush();
        out.push_back({Part::kFraction, layout.substr(i, end - i)});
        i = end;
        continue;
      }
    }
    const std::pair<const char*, Part>* found = nullptr;
    for (const auto& e : kElements)
      if (layout.compare(i, strlen(e.first), e.first) == 0) {
        found = &e;
        break;
      }
    // "Janet" is a name, not a month.
    if (found && found->second == Part::kMonth && i + 3 < layout.size() &&
        islower(static_cast<unsigned char>(layout[i + 3])))
      found = nullptr;
    if (!found) {
      text += layout[i++];
    } else if (found->second == Part::kText) {  // _2006 is an underscore and a year
      text += layout[i++];
    } else {
      flush();
      out.push_back({found->second, found->first});
      i += strlen(found->first);
    }
  }
  flush();
  return out;
}

std::string Padded(int64_t n, int width, char fill = '0') {
  std::string s = std::to_string(n < 0 ? -n : n);
  if (static_cast<int>(s.size()) < width) s.insert(0, static_cast<size_t>(width) - s.size(), fill);
  return n < 0 ? "-" + s : s;
}

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

// Days since 1970 of a date, and back: the calendar of the era that begins in March.
int64_t DaysOf(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = FloorDiv(y, 400), yoe = y - era * 400;
  int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

std::string OffsetText(int offset, const std::string& form) {
  if (form[0] == 'Z' && offset == 0) return "Z";
  std::string out = offset < 0 ? "-" : "+";
  int o = std::abs(offset);
  bool colon = form.find(':') != form.npos;
  out += Padded(o / 3600, 2);
  if (form.size() > 3) out += (colon ? ":" : "") + Padded(o / 60 % 60, 2);
  if (form.size() > 6) out += (colon ? ":" : "") + Padded(o % 60, 2);
  return out;
}

std::string FractionText(int32_t nanoseconds, const std::string& form) {
  std::string digits = Padded(nanoseconds, 9).substr(0, form.size() - 1);
  if (form[1] == '9') {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
    if (digits.empty()) return "";
  }
  return form[0] + digits;
}

int DaysIn(int64_t year, int month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// What has been read of a text.
class TimeParser {
 public:
  TimeParser(const std::string& layout, const std::string& text) : layout_(layout), text_(text), rest_(text) {}

  Result<GoTime> Run() {
    for (const LayoutPart& c : Parts(layout_)) {
      if (!Read(c)) return Fail(c.text);
      if (!range_.empty())
        return MakeError(Code::kInvalid, "parsing time " + QuoteGo(text_) + ": " + range_ + " out of range");
    }
    if (!rest_.empty())
      return MakeError(Code::kInvalid,
                       "parsing time " + QuoteGo(text_) + ": extra text: " + QuoteGo(std::string(rest_)));
    if (pm_ && hour_ < 12) hour_ += 12;
    if (am_ && hour_ == 12) hour_ = 0;
    if (yearday_ > 0) {
      month_ = 1;
      day_ = yearday_;
      while (month_ < 12 && day_ > DaysIn(year_, month_)) day_ -= DaysIn(year_, month_++);
    }
    if (day_ < 1 || day_ > DaysIn(year_, month_))
      return MakeError(Code::kInvalid, "parsing time " + QuoteGo(text_) + ": day out of range");
    GoTime t{DaysOf(year_, month_, day_) * 86400 + hour_ * 3600 + minute_ * 60 + second_, nanoseconds_, 0, "UTC"};
    if (offset_) {
      t.seconds -= *offset_;
      t.offset = *offset_;
      if (*offset_ != 0) t.zone = zone_;
    }
    return t;
  }

 private:
  Error Fail(const std::string& element) const {
    return MakeError(Code::kInvalid, "parsing time " + QuoteGo(text_) + " as " + QuoteGo(layout_) + ": cannot parse " +
                                         QuoteGo(std::string(rest_)) + " as " + QuoteGo(element));
  }

  bool Number(size_t least, size_t most, int& out) {
    size_t n = 0;
    int v = 0;
    while (n < rest_.size() && n < most && isdigit(static_cast<unsigned char>(rest_[n])))
      v = v * 10 + (rest_[n++] - '0');
    if (n < least) return false;
    rest_.remove_prefix(n);
    out = v;
    return true;
  }
  bool Within(const char* what, int v, int low, int high) {
    if (v < low || v > high) range_ = what;
    return true;
  }
  template <size_t N>
  bool Name(const char* const (&names)[N], size_t length, int* out) {
    for (size_t i = 0; i < N; ++i) {
      std::string_view name = names[i];
      if (length) name = name.substr(0, length);
      if (rest_.size() < name.size() || !EqualFold(rest_.substr(0, name.size()), name)) continue;
      rest_.remove_prefix(name.size());
      if (out) *out = static_cast<int>(i);
      return true;
    }
    return false;
  }
  bool Offset(const std::string& form) {
    if (form[0] == 'Z' && rest_.starts_with('Z')) {
      rest_.remove_prefix(1);
      offset_ = 0;
      return true;
    }
    if (rest_.empty() || (rest_[0] != '+' && rest_[0] != '-')) return false;
    bool negative = rest_[0] == '-', colon = form.find(':') != form.npos;
    std::string_view before = rest_;
    rest_.remove_prefix(1);
    int h = 0, m = 0, s = 0;
    auto next = [&](int& v) {
      if (colon) {
        if (!rest_.starts_with(':')) return false;
        rest_.remove_prefix(1);
      }
      return Number(2, 2, v);
    };
    if (!Number(2, 2, h) || (form.size() > 3 && !next(m)) || (form.size() > 6 && !next(s))) {
      rest_ = before;
      return false;
    }
    offset_ = (h * 3600 + m * 60 + s) * (negative ? -1 : 1);
    zone_ = "";
    return true;
  }
  bool Fraction() {
    size_t n = 1;
    while (n < rest_.size() && isdigit(static_cast<unsigned char>(rest_[n]))) ++n;
    if (rest_.empty() || (rest_[0] != '.' && rest_[0] != ',') || n == 1) return false;
    std::string digits(rest_.substr(1, std::min<size_t>(n - 1, 9)));
    digits.resize(9, '0');
    nanoseconds_ = atoi(digits.c_str());
    rest_.remove_prefix(n);
    return true;
  }

  bool Read(const LayoutPart& c) {
    int ignored = 0;
    switch (c.part) {
      case Part::kText:
        for (char ch : c.text) {
          if (ch == ' ') {
            if (!rest_.empty() && rest_[0] != ' ') return false;
            while (rest_.starts_with(' ')) rest_.remove_prefix(1);
          } else {
            if (rest_.empty() || rest_[0] != ch) return false;
            rest_.remove_prefix(1);
          }
        }
        return true;
      case Part::kLongMonth:
        if (!Name(kMonths, 0, &month_)) return false;
        ++month_;
        return true;
      case Part::kMonth:
        if (!Name(kMonths, 3, &month_)) return false;
        ++month_;
        return true;
      case Part::kNumMonth: return Number(1, 2, month_) && Within("month", month_, 1, 12);
      case Part::kZeroMonth: return Number(2, 2, month_) && Within("month", month_, 1, 12);
      case Part::kLongWeekday: return Name(kDays, 0, nullptr);
      case Part::kWeekday: return Name(kDays, 3, nullptr);
      case Part::kUnderDay:
        if (rest_.starts_with(' ')) rest_.remove_prefix(1);
        return Number(1, 2, day_);
      case Part::kDay: return Number(1, 2, day_);
      case Part::kZeroDay: return Number(2, 2, day_);
      case Part::kUnderYearday:
        while (rest_.starts_with(' ')) rest_.remove_prefix(1);
        return Number(1, 3, yearday_);
      case Part::kZeroYearday: return Number(3, 3, yearday_);
      case Part::kHour: return Number(2, 2, hour_) && Within("hour", hour_, 0, 23);
      case Part::kHour12: return Number(1, 2, hour_) && Within("hour", hour_, 0, 12);
      case Part::kZeroHour12: return Number(2, 2, hour_) && Within("hour", hour_, 0, 12);
      case Part::kMinute: return Number(1, 2, minute_) && Within("minute", minute_, 0, 59);
      case Part::kZeroMinute: return Number(2, 2, minute_) && Within("minute", minute_, 0, 59);
      case Part::kSecond:
      case Part::kZeroSecond:
        if (!Number(c.part == Part::kSecond ? 1 : 2, 2, second_)) return false;
        Within("second", second_, 0, 59);
        // A fraction may follow that the layout does not name.
        if (rest_.size() > 1 && (rest_[0] == '.' || rest_[0] == ',') && isdigit(static_cast<unsigned char>(rest_[1])) &&
            layout_.find(".0") == layout_.npos && layout_.find(".9") == layout_.npos)
          Fraction();
        return true;
      case Part::kLongYear: {
        int y = 0;
        if (!Number(4, 4, y)) return false;
        year_ = y;
        return true;
      }
      case Part::kYear: {
        int y = 0;
        if (!Number(2, 2, y)) return false;
        year_ = y >= 69 ? 1900 + y : 2000 + y;
        return true;
      }
      case Part::kPM:
      case Part::kpm: {
        std::string_view word = rest_.substr(0, 2);
        bool upper = c.part == Part::kPM;
        if (word == (upper ? "PM" : "pm"))
          pm_ = true;
        else if (word == (upper ? "AM" : "am"))
          am_ = true;
        else
          return false;
        rest_.remove_prefix(2);
        return true;
      }
      case Part::kZone: {
        size_t n = 0;
        while (n < rest_.size() && n < 5 && isupper(static_cast<unsigned char>(rest_[n]))) ++n;
        if (n < 3) return false;
        zone_ = std::string(rest_.substr(0, n));
        if (!offset_ || *offset_ == 0) offset_ = 0;
        rest_.remove_prefix(n);
        return true;
      }
      case Part::kOffset: return Offset(c.text);
      case Part::kFraction:
        if (c.text[1] == '9') {
          Fraction();
          return true;
        }
        return Fraction();
    }
    return Number(0, 0, ignored);
  }

  const std::string &layout_, &text_;
  std::string_view rest_;
  std::string range_;
  int64_t year_ = 0;
  int month_ = 1, day_ = 1, yearday_ = 0, hour_ = 0, minute_ = 0, second_ = 0;
  int32_t nanoseconds_ = 0;
  bool pm_ = false, am_ = false;
  std::optional<int> offset_;
  std::string zone_;
};

uint32_t Big32(const std::string& s, size_t at) {
  uint32_t n = 0;
  for (size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(s[at + i]);
  return n;
}
int64_t Big64(const std::string& s, size_t at) {
  return static_cast<int64_t>(static_cast<uint64_t>(Big32(s, at)) << 32 | Big32(s, at + 4));
}

// The second, 64 bit part of a TZif file: the offset and the name that hold at a moment.
bool ReadZone(const std::string& file, GoTime& t) {
  constexpr size_t kHeader = 44;
  if (file.size() < kHeader || !file.starts_with("TZif") || file[4] < '2') return false;
  auto count = [&](size_t base, size_t i) { return static_cast<size_t>(Big32(file, base + 20 + 4 * i)); };
  size_t first =
      kHeader + count(0, 3) * 5 + count(0, 4) * 6 + count(0, 5) + count(0, 2) * 8 + count(0, 1) + count(0, 0);
  if (first + kHeader > file.size()) return false;
  size_t transitions = count(first, 3), types = count(first, 4), names = count(first, 5);
  size_t times = first + kHeader, indexes = times + transitions * 8, infos = indexes + transitions,
         text = infos + types * 6;
  if (types == 0 || text + names > file.size() || text < first) return false;
  size_t type = 0;
  for (size_t i = 0; i < transitions && Big64(file, times + i * 8) <= t.seconds; ++i)
    type = static_cast<unsigned char>(file[indexes + i]);
  if (type >= types) return false;
  t.offset = static_cast<int32_t>(Big32(file, infos + type * 6));
  size_t name = static_cast<unsigned char>(file[infos + type * 6 + 5]);
  if (name >= names) return false;
  t.zone = file.substr(text + name, names - name);
  t.zone.resize(strlen(t.zone.c_str()));
  return true;
}

}  // namespace

CivilDate DateOf(const GoTime& t) {
  int64_t days = FloorDiv(t.seconds + t.offset, 86400), z = days + 719468;
  int64_t era = FloorDiv(z, 146097), doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, y = yoe + era * 400;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  CivilDate d{};
  d.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  d.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  d.year = y + (d.month <= 2);
  d.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  d.yearday = static_cast<int>(days - DaysOf(d.year, 1, 1) + 1);
  return d;
}

std::string FormatTime(const GoTime& t, const std::string& layout) {
  CivilDate d = DateOf(t);
  int64_t second = (t.seconds + t.offset) - FloorDiv(t.seconds + t.offset, 86400) * 86400;
  int64_t hour = second / 3600, minute = second / 60 % 60, hour12 = hour % 12 == 0 ? 12 : hour % 12;
  std::string out;
  for (const LayoutPart& c : Parts(layout)) switch (c.part) {
      case Part::kText: out += c.text; break;
      case Part::kLongMonth: out += kMonths[d.month - 1]; break;
      case Part::kMonth: out += std::string(kMonths[d.month - 1]).substr(0, 3); break;
      case Part::kNumMonth: out += std::to_string(d.month); break;
      case Part::kZeroMonth: out += Padded(d.month, 2); break;
      case Part::kLongWeekday: out += kDays[d.weekday]; break;
      case Part::kWeekday: out += std::string(kDays[d.weekday]).substr(0, 3); break;
      case Part::kDay: out += std::to_string(d.day); break;
      case Part::kUnderDay: out += Padded(d.day, 2, ' '); break;
      case Part::kZeroDay: out += Padded(d.day, 2); break;
      case Part::kUnderYearday: out += Padded(d.yearday, 3, ' '); break;
      case Part::kZeroYearday: out += Padded(d.yearday, 3); break;
      case Part::kHour: out += Padded(hour, 2); break;
      case Part::kHour12: out += std::to_string(hour12); break;
      case Part::kZeroHour12: out += Padded(hour12, 2); break;
      case Part::kMinute: out += std::to_string(minute); break;
      case Part::kZeroMinute: out += Padded(minute, 2); break;
      case Part::kSecond: out += std::to_string(second % 60); break;
      case Part::kZeroSecond: out += Padded(second % 60, 2); break;
      case Part::kLongYear: out += Padded(d.year, 4); break;
      case Part::kYear: out += Padded(d.year % 100, 2); break;
      case Part::kPM: out += hour >= 12 ? "PM" : "AM"; break;
      case Part::kpm: out += hour >= 12 ? "pm" : "am"; break;
      case Part::kZone: out += t.zone.empty() ? OffsetText(t.offset, "-0700") : t.zone; break;
      case Part::kOffset: out += OffsetText(t.offset, c.text); break;
      case Part::kFraction: out += FractionText(t.nanoseconds, c.text); break;
    }
  return out;
}

Result<GoTime> ParseTime(const std::string& layout, const std::string& text) { return TimeParser(layout, text).Run(); }

Result<GoTime> InZone(GoTime t, const std::string& zone) {
  t.offset = 0;
  t.zone = "UTC";
  if (zone.empty() || zone == "UTC" || zone == "Local") return t;
  auto unknown = MakeError(Code::kNotFound, "unknown time zone " + zone);
  if (zone.find("..") != zone.npos || zone.starts_with('/') || zone.find('\\') != zone.npos) return unknown;
  auto file = ReadFile("/usr/share/zoneinfo/" + zone, 1 << 20);
  if (!file.ok() || !ReadZone(*file, t)) return unknown;
  return t;
}

std::string DurationText(int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  bool negative = nanoseconds < 0;
  uint64_t u = negative ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  auto fraction = [](uint64_t n, uint64_t unit) {
    std::string s = std::to_string(n / unit), rest = std::to_string(unit + n % unit).substr(1);
    while (!rest.empty() && rest.back() == '0') rest.pop_back();
    return rest.empty() ? s : s + "." + rest;
  };
  std::string out;
  if (u < 1000)
    out = std::to_string(u) + "ns";
  else if (u < 1000000)
    out = fraction(u, 1000) + "\xc2\xb5s";
  else if (u < 1000000000)
    out = fraction(u, 1000000) + "ms";
  else {
    uint64_t seconds = u / 1000000000, hours = seconds / 3600, minutes = seconds / 60 % 60;
    if (hours) out += std::to_string(hours) + "h";
    if (seconds >= 60) out += std::to_string(minutes) + "m";
    out += fraction(u % 60000000000u, 1000000000) + "s";
  }
  return (negative ? "-" : "") + out;
}

Result<int64_t> ParseDuration(const std::string& text) {
  auto invalid = [&](const std::string& why) { return MakeError(Code::kInvalid, "time: " + why + QuoteGo(text)); };
  std::string_view rest = text;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return invalid("invalid duration ");
  double total = 0;
  while (!rest.empty()) {
    size_t n = 0;
    bool digits = false;
    while (n < rest.size() && (isdigit(static_cast<unsigned char>(rest[n])) || rest[n] == '.'))
      digits = isdigit(static_cast<unsigned char>(rest[n++])) || digits;
    if (!digits) return invalid("invalid duration ");
    double v = strtod(std::string(rest.substr(0, n)).c_str(), nullptr);
    rest.remove_prefix(n);
    size_t u = 0;
    while (u < rest.size() && rest[u] != '.' && !isdigit(static_cast<unsigned char>(rest[u]))) ++u;
    std::string unit(rest.substr(0, u));
    if (unit.empty()) return invalid("missing unit in duration ");
    double scale = unit == "ns"                                                 ? 1
                   : unit == "us" || unit == "\xc2\xb5s" || unit == "\xce\xbcs" ? 1e3
                   : unit == "ms"                                               ? 1e6
                   : unit == "s"                                                ? 1e9
                   : unit == "m"                                                ? 60e9
                   : unit == "h"                                                ? 3600e9
                                                                                : 0;
    if (scale == 0) return invalid("unknown unit " + QuoteGo(unit) + " in duration ");
    total += v * scale;
    rest.remove_prefix(u);
  }
  if (total > 9.2e18) return invalid("invalid duration ");
  auto result = static_cast<int64_t>(std::llround(total));
  return negative ? -result : result;
}

}  // namespace fairlead::gotmpl
