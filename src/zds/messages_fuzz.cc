// What a ztunnel may send.
#include "zds/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)fairlead::zds::ReadRequest(std::string(reinterpret_cast<const char*>(data), size)).ok();
  return 0;
}
