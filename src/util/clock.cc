#include "util/clock.h"

#include <cstdio>
#include <ctime>

namespace fairlead {
namespace {

class RealClock : public Clock {
 public:
  SteadyTime Now() const override { return SteadyNow(); }
  WallTime Wall() const override { return WallNow(); }
};

std::string Format(WallTime t, bool micro) {
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
  time_t secs = static_cast<time_t>(us / 1000000);
  tm parts{};
  gmtime_r(&secs, &parts);
  char buf[64];
  size_t n = strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(buf, n);
  if (micro) {
    snprintf(buf, sizeof buf, ".%06ld", static_cast<long>(us % 1000000));
    out += buf;
  }
  return out + "Z";
}

}  // namespace

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

std::string Rfc3339(WallTime t) { return Format(t, false); }
std::string Rfc3339Micro(WallTime t) { return Format(t, true); }

Result<WallTime> ParseRfc3339(std::string_view text) {
  std::string s(text);
  tm parts{};
  const char* rest = strptime(s.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!rest) return MakeError(Code::kInvalid, "\"" + s + "\" is not an RFC 3339 time");
  WallTime t = std::chrono::system_clock::from_time_t(timegm(&parts));
  if (*rest == '.') {
    double fraction = strtod(rest, const_cast<char**>(&rest));
    t += std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(fraction));
  }
  if (*rest == 'Z' && !rest[1]) return t;
  int hours = 0, minutes = 0;
  char sign = 0;
  if (sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3 || (sign != '+' && sign != '-'))
    return MakeError(Code::kInvalid, "\"" + s + "\" is not an RFC 3339 time");
  auto offset = std::chrono::minutes(hours * 60 + minutes);
  return sign == '+' ? t - offset : t + offset;
}

std::string HumanDuration(std::chrono::seconds d) {
  long s = d.count();
  auto n = [](long v, const char* unit) { return std::to_string(v) + unit; };
  auto pair = [&](long a, const char* ua, long b, const char* ub) { return n(a, ua) + (b ? n(b, ub) : ""); };
  if (s < -1) return "<invalid>";
  if (s < 0) return "0s";
  if (s < 120) return n(s, "s");
  long m = s / 60, h = s / 3600, days = h / 24;
  if (m < 10) return pair(m, "m", s % 60, "s");
  if (m < 180) return n(m, "m");
  if (h < 8) return pair(h, "h", m % 60, "m");
  if (h < 48) return n(h, "h");
  if (days < 8) return pair(days, "d", h % 24, "h");
  if (days < 365 * 2) return n(days, "d");
  if (days < 365 * 8) return pair(days / 365, "y", days % 365, "d");
  return n(days / 365, "y");
}

}  // namespace fairlead
