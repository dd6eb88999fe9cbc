// What is read and written again is read as the same.
#include "value/yaml.h"

namespace {

// Characters that YAML cannot hold are the callers' to keep away, and a key << is written as go-yaml does it: as a
// merge.
bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }) &&
         text.find('\\') == text.npos && text.find("<<") == text.npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto documents = value::ParseYamlStream(text, "yaml");
  if (!documents.ok() || !IsPlain(text)) return 0;
  for (const Json& d : *documents)
    for (const std::string& written : {value::ToYaml(d), value::ToYamlIndented(d)}) {
      auto again = value::ParseYaml(written, "written");
      if (!again.ok() || value::WithFloatNumbers(*again) != value::WithFloatNumbers(d)) {
        fprintf(stderr, "%s\nbecame\n%s\n%s\n", value::Dump(d).c_str(), written.c_str(),
                again.ok() ? value::Dump(*again).c_str() : again.error().message.c_str());
        abort();
      }
    }
  return 0;
}
