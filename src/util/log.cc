#include "util/log.h"

#include <unistd.h>

#include "util/clock.h"

namespace fairlead {
namespace {

std::atomic<int> g_level{static_cast<int>(Level::kInfo)};
std::atomic<bool> g_json{false};

const char* LevelName(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "info";
}

std::string Quoted(const std::string& s) {
  bool plain = !s.empty();
  for (unsigned char c : s) plain = plain && c > ' ' && c != '"' && c != '=' && c != '\\' && c < 0x7f;
  if (plain) return s;
  return nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void ConfigureLog(Level level, bool as_json) {
  g_level = static_cast<int>(level);
  g_json = as_json;
}

Level ParseLevel(std::string_view name) {
  if (auto colon = name.rfind(':'); colon != name.npos) name.remove_prefix(colon + 1);
  if (name == "debug") return Level::kDebug;
  if (name == "warn" || name == "warning") return Level::kWarn;
  if (name == "error" || name == "none" || name == "fatal") return Level::kError;
  return Level::kInfo;
}

void Log(Level level, std::string_view message, std::initializer_list<LogField> fields) {
  if (static_cast<int>(level) < g_level) return;
  std::string line;
  if (g_json) {
    nlohmann::json j = {{"time", Rfc3339Micro(WallNow())}, {"level", LevelName(level)}, {"msg", message}};
    for (const auto& f : fields) j[f.key] = f.value;
    line = j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    line = Rfc3339Micro(WallNow()) + "\t" + LevelName(level) + "\t" + std::string(message);
    for (const auto& f : fields) line += " " + f.key + "=" + Quoted(f.value);
  }
  line += '\n';
  (void)!::write(STDERR_FILENO, line.data(), line.size());  // one write: lines of several threads do not mix
}

}  // namespace fairlead
