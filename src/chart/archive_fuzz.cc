// The bytes are a tar file, which is packed here, so that the fuzzer sees what it changes.
#include <zlib.h>

#include "chart/render.h"

namespace {

std::string Gzip(std::string_view bytes) {
  z_stream z{};
  deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()), 0);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fairlead::chart;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)LoadArchive(std::string(bytes)).ok();
  (void)LoadArchive(Gzip(bytes)).ok();
  return 0;
}
