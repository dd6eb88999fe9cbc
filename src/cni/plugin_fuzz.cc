// The plugin's standard input: an answer of the specification comes out, whatever goes in. STATUS reads the
// configuration as ADD does, and does not wait for an agent.
#include <nlohmann/json.hpp>

#include "cni/plugin.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  std::string text(reinterpret_cast<const char*>(data), size);
  for (const char* command : {"STATUS", "VERSION"}) {
    auto out = cni::RunPlugin({.env = {{"CNI_COMMAND", command}}, .config = text}, [](const std::string&) {});
    if (out.exit_status != 0 && nlohmann::json::parse(out.text, nullptr, false).is_discarded()) {
      fprintf(stderr, "no JSON: %s\n", out.text.c_str());
      abort();
    }
  }
  return 0;
}
