// Go's time package as far as templates need it: layouts, durations, zones.
#pragma once
#include <cstdint>
#include <string>

#include "gotmpl/value.h"

namespace fairlead::gotmpl {

struct GoTime {
  int64_t seconds = -62135596800;  // since 1970; Go's zero time is in the year 1
  int32_t nanoseconds = 0;
  int offset = 0;  // of the zone, in seconds east of UTC
  std::string zone = "UTC";
};

// "2006-01-02T15:04:05Z07:00" and the like.
std::string FormatTime(const GoTime& t, const std::string& layout);
// kInvalid in Go's words: parsing time "x" as "2006": cannot parse "x" as "2006".
Result<GoTime> ParseTime(const std::string& layout, const std::string& text);
// The same moment in a zone of the system's database, "UTC" or "Local" (which is UTC here). kNotFound: there is no such
// zone.
Result<GoTime> InZone(GoTime t, const std::string& zone);
struct CivilDate {
  int64_t year;
  int month, day, weekday, yearday;  // weekday: 0 is Sunday
};
CivilDate DateOf(const GoTime& t);
// A time.Time with its methods.
Value TimeValue(GoTime t);
// time.Duration's text: 1h2m3.5s.
std::string DurationText(int64_t nanoseconds);
Result<int64_t> ParseDuration(const std::string& text);

}  // namespace fairlead::gotmpl
