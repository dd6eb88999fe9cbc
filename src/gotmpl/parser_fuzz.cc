// Lexer and parser: every text is a template, or has an error that says where. What a parsed template prints for an
// error is a template again.
#include "gotmpl/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead::gotmpl;
  std::string text(reinterpret_cast<const char*>(data), size);
  Engine engine;
  RegisterBuiltins(engine);
  RegisterSprig(engine);
  auto parsed = engine.Parse("t", text);
  if (!parsed.ok() && !parsed.error().message.starts_with("template: t:")) {
    fprintf(stderr, "%s\n", parsed.error().message.c_str());
    abort();
  }
  return 0;
}
