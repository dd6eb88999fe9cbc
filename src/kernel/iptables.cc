#include "kernel/iptables.h"

#include <fcntl.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/strings.h"
#include "util/subprocess.h"

namespace fairlead::kernel {
namespace {

std::string Program(Iptables which, bool v6, const char* what) {
  return std::string(v6 ? "ip6tables" : "iptables") + (which == Iptables::kNft ? "-nft-" : "-legacy-") + what;
}

// The legacy programs lock a file in /run, which the agent's read-only root does not have. A device can be locked too.
RunOptions Options() { return {.env = {"XTABLES_LOCKFILE=/dev/null"}}; }

Error Failure(const std::string& program, const RunResult& r) {
  std::string text(Trim(r.err));
  return MakeError(Code::kIo, program + ": " + (text.empty() ? "exit status " + std::to_string(r.exit_status) : text));
}

}  // namespace

Result<std::string> IptablesSave(Iptables which, bool v6) {
  std::string program = Program(which, v6, "save");
  FL_ASSIGN(RunResult r, RunProgram({program}, Options()));
  if (r.exit_status != 0) return Failure(program, r);
  return std::move(r.out);
}

Status IptablesRestore(Iptables which, bool v6, const std::string& text) {
  std::string program = Program(which, v6, "restore");
  RunOptions options = Options();
  options.input = text;
  FL_ASSIGN(RunResult r, RunProgram({program, "--noflush", "--wait=30"}, options));
  if (r.exit_status != 0) return Failure(program, r);
  return {};
}

bool HasLegacyTables(bool v6) {
  UniqueFd fd(::open(v6 ? "/proc/thread-self/net/ip6_tables_names" : "/proc/thread-self/net/ip_tables_names",
                     O_RDONLY | O_CLOEXEC));
  char byte;
  return fd.valid() && ::read(fd.get(), &byte, 1) == 1;
}

}  // namespace fairlead::kernel
