// Structured log lines on standard error: time, level, message, then key=value pairs (values quoted when they need it).
//
//   Log(Level::kInfo, "plugin installed", {{"path", path}, {"version", version}});
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

namespace fairlead {

enum class Level { kDebug, kInfo, kWarn, kError };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <class N>
  requires(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>) LogField(std::string_view k, N v)
      : key(k), value(std::to_string(v)) {}
  std::string key;
  std::string value;
};

// The lowest level that is printed (default kInfo), and whether lines are JSON objects. Call once at the start of
// main().
void ConfigureLog(Level level, bool as_json);
// "debug", "info", "warn"/"warning", "error", also in istio's form "default:debug"; anything else is kInfo.
Level ParseLevel(std::string_view name);
void Log(Level level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace fairlead
