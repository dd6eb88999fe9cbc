// The bytes are a tar file, which is packed here, so that the fuzzer sees what it changes.
#include "chart/render.h"
#include "chart/test_gzip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead::chart;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  (void)LoadArchive(bytes).ok();
  (void)LoadArchive(Gzip(bytes)).ok();
  return 0;
}
