#include "agent/netns_finder.h"

#include <sys/stat.h>

#include "util/file.h"
#include "util/strings.h"

namespace fairlead::agent {

Result<FoundNetns> FindNetns(const std::string& netns_dir, const std::vector<std::string>& addresses) {
  FL_ASSIGN(auto names, ListDirectory(netns_dir));
  std::optional<FoundNetns> found;
  timespec newest{};
  for (const std::string& name : names) {
    std::string path = netns_dir + "/" + name;
    auto fd = kernel::OpenNetns(path);
    if (!fd.ok()) continue;
    std::vector<std::string> have;
    Status s = kernel::RunInNetns(fd->get(), [&]() -> Status {
      FL_ASSIGN(have, kernel::GlobalAddresses());
      return {};
    });
    bool is_it = s.ok() && std::any_of(have.begin(), have.end(), [&](const std::string& a) {
                   return std::find(addresses.begin(), addresses.end(), a) != addresses.end();
                 });
    struct stat st {};
    if (!is_it || ::stat(path.c_str(), &st) != 0) continue;
    auto later = [](const timespec& a, const timespec& b) {
      return std::pair(a.tv_sec, a.tv_nsec) > std::pair(b.tv_sec, b.tv_nsec);
    };
    if (found && !later(st.st_ctim, newest)) continue;
    FL_ASSIGN(kernel::NetnsId id, kernel::IdentifyNetns(fd->get()));
    newest = st.st_ctim;
    found = FoundNetns{"/var/run/netns/" + name, std::move(*fd), id};
  }
  if (!found)
    return MakeError(Code::kNotFound,
                     "no network namespace in " + netns_dir + " has the address " + Join(addresses, " or "));
  return std::move(*found);
}

}  // namespace fairlead::agent
