// Validation rules of CRDs.
#include "lab/cel.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  static const Json kSelf = {{"a", {{"b", "x"}}}, {"l", {1, 2}}, {"n", "text"}, {"t", true}};
  (void)lab::EvaluateRule(std::string(reinterpret_cast<const char*>(data), size), kSelf, kSelf).ok();
  return 0;
}
