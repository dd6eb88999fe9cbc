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

Result<Context> NewContext() {
  Context c(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!c) return MakeError(Code::kInternal, "libnftables: cannot open netlink");
  nft_ctx_buffer_output(c.get());
  nft_ctx_buffer_error(c.get());
  return c;
}

Error Failure(nft_ctx* c, const std::string& command) {
  std::string text(Trim(nft_ctx_get_error_buffer(c)));
  bool missing = text.find("No such file or directory") != std::string::npos;
  return MakeError(missing ? Code::kNotFound : Code::kIo,
                   "nft: " + (text.empty() ? "failed: " + command.substr(0, 200) : text));
}

}  // namespace

Status NftRun(const std::string& script) {
  FL_ASSIGN(Context c, NewContext());
  if (nft_run_cmd_from_buffer(c.get(), script.c_str()) != 0) return Failure(c.get(), script);
  return {};
}

Result<std::string> NftListJson(const std::string& command) {
  FL_ASSIGN(Context c, NewContext());
  nft_ctx_output_set_flags(c.get(), NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
  if (nft_run_cmd_from_buffer(c.get(), command.c_str()) != 0) return Failure(c.get(), command);
  return std::string(nft_ctx_get_output_buffer(c.get()));
}

}  // namespace fairlead::kernel
