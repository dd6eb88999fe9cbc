// The executor and the functions: whatever a template does, it ends.
#include "gotmpl/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  using namespace fairlead::gotmpl;
  static const Json kData = Json::parse(R"({"a":1,"b":"text","c":[1,"two",null,{"d":2.5}],"e":{"f":{"g":true}},"h":null,
    "Values":{"l":["x","y"],"m":{"k":"v"},"n":1000000,"s":"a: b"},"x":"<&>"})");
  std::string text(reinterpret_cast<const char*>(data), size);
  Engine engine({.output_bytes = 1 << 20, .call_depth = 50, .stack_bytes = 2u << 20, .time = std::chrono::seconds(2)},
                {.now = [] { return std::chrono::system_clock::time_point(std::chrono::seconds(1700000000)); },
                 .random = [](size_t bytes) { return std::string(bytes, 'r'); }});
  RegisterBuiltins(engine);
  RegisterSprig(engine);
  engine.Register("include", {{Signature::kString, Signature::kAny}}, [](Engine& e, const List& a) -> Result<Value> {
    FL_ASSIGN(std::string out, e.Execute(*a[0].as_string(), a[1]));
    return Value(std::move(out));
  });
  engine.Register("tpl", {{Signature::kString, Signature::kAny}}, [](Engine& e, const List& a) -> Result<Value> {
    FL_ASSIGN(std::string out, e.ExecuteText("tpl", *a[0].as_string(), a[1]));
    return Value(std::move(out));
  });
  if (engine.Parse("t", text).ok()) (void)engine.Execute("t", FromJson(kData)).ok();
  return 0;
}
