// --set, --set-string and --set-json.
#include "chart/set_values.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  std::string text(reinterpret_cast<const char*>(data), size);
  for (auto kind : {chart::SetKind::kTyped, chart::SetKind::kString, chart::SetKind::kJson}) {
    Json values = {{"a", {{"b", {1, 2}}}}, {"c", "d"}};
    (void)chart::SetValues(values, text, kind).ok();
  }
  return 0;
}
