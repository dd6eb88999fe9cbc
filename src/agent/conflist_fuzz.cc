// A node's CNI configuration: our entry goes in and out again, and what others wrote stays.
#include "agent/conflist.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto with = agent::InsertPlugin(text, {.run_dir = "/run/x", .pod_namespace = "istio-cni"});
  (void)agent::RemovePlugin(text).ok();
  if (!with.ok()) return 0;
  auto without = agent::RemovePlugin(*with);
  if (!without.ok() || !without->has_value()) {
    fprintf(stderr, "%s\ncannot be taken out of\n%s\n", text.c_str(), with->c_str());
    abort();
  }
  return 0;
}
