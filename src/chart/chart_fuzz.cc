// A chart as text, a file after each line "-- PATH --": it is loaded and rendered, or refused.
#include "chart/render.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  chart::Files files;
  while (text.starts_with("-- ")) {
    size_t line = text.find('\n'), next = text.find("\n-- ");
    std::string_view name = text.substr(3, line == text.npos ? text.npos : line - 3);
    if (name.ends_with(" --")) name.remove_suffix(3);
    size_t body = line == text.npos ? text.size() : line + 1;
    size_t end = next == text.npos ? text.size() : next + 1;
    files[std::string(name)] = text.substr(std::min(body, end), end > body ? end - body : 0);
    text.remove_prefix(end);
  }
  auto chart = chart::LoadFiles(files);
  if (!chart.ok()) return 0;
  (void)chart::Render(*chart, {{"a", 1}, {"sub", {{"b", nullptr}}}, {"global", {{"g", "x"}}}}, {.name = "r", .ns = "n"})
      .ok();
  return 0;
}
