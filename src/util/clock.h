// Time. Durations and deadlines use the steady clock; timestamps for people and for Kubernetes use the wall clock.
#pragma once
#include <chrono>
#include <string>

#include "util/result.h"

namespace fairlead {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Millis = std::chrono::milliseconds;

// Injected where logic depends on time, so that tests decide what time it is.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual WallTime Wall() const = 0;
  static const Clock& Real();
};

inline SteadyTime SteadyNow() { return std::chrono::steady_clock::now(); }
inline WallTime WallNow() { return std::chrono::system_clock::now(); }

std::string Rfc3339(WallTime t);       // 2026-01-02T03:04:05Z, as metav1.Time
std::string Rfc3339Micro(WallTime t);  // 2026-01-02T03:04:05.000006Z, as metav1.MicroTime
Result<WallTime> ParseRfc3339(std::string_view text);

// As k8s.io/apimachinery/pkg/util/duration.HumanDuration prints ages in tables: 95s, 5m30s, 170m, 7h5m, 40h, 2d3h.
std::string HumanDuration(std::chrono::seconds d);

}  // namespace fairlead
