#include "kernel/nft.h"

#include <nftables/libnftables.h>

#include <memory>

#include "util/strings.h"

namespace fairlead::kernel {
namespace {

struct ContextFree {
  void operator()(nft_ctx* c) const { nft_ctx_free(c); }
};
using Context = std::unique_ptr<nft_ctx, ContextFree>;

// One for each thread: its socket belongs to the network namespace that the thread is in, and threads do not change
// that again. Making one reads half a dozen files.
Result<nft_ctx*> ThreadsContext() {
  thread_local Context context;
  if (!context) {
    context.reset(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!context) return MakeError(Code::kInternal, "libnftables: cannot open netlink");
    nft_ctx_buffer_output(context.get());
    nft_ctx_buffer_error(context.get());
  }
  return context.get();
}

Error Failure(nft_ctx* c, const std::string& command) {
  std::string text(Trim(nft_ctx_get_error_buffer(c)));
  bool missing = text.find("No such file or directory") != std::string::npos;
  return MakeError(missing ? Code::kNotFound : Code::kIo,
                   "nft: " + (text.empty() ? "failed: " + command.substr(0, 200) : text));
}

}  // namespace

Status NftRun(const std::string& script) {
  FL_ASSIGN(nft_ctx * c, ThreadsContext());
  int failed = nft_run_cmd_from_buffer(c, script.c_str());
  (void)nft_ctx_get_output_buffer(c);  // empties it
  return failed ? Status(Failure(c, script)) : Status();
}

Result<std::string> NftListJson(const std::string& command) {
  FL_ASSIGN(nft_ctx * c, ThreadsContext());
  nft_ctx_output_set_flags(c, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
  int failed = nft_run_cmd_from_buffer(c, command.c_str());
  std::string out = nft_ctx_get_output_buffer(c);
  if (failed) return Failure(c, command);
  return out;
}

}  // namespace fairlead::kernel
