#include "kernel/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "kernel/rtnetlink.h"
#include "util/strings.h"

namespace fairlead::kernel {

std::string NetnsId::ToString() const { return std::to_string(device) + ":" + std::to_string(inode); }

Result<UniqueFd> OpenNetns(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError("opening network namespace " + path, errno);
  auto id = IdentifyNetns(fd.get());
  if (!id.ok()) return id.error().Wrap(path);
  return fd;
}

Result<NetnsId> IdentifyNetns(int fd) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return ErrnoError("finding out whether a file is a network namespace", errno);
  if (static_cast<unsigned long>(fs.f_type) != NSFS_MAGIC || ::ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
    return MakeError(Code::kInvalid, "not a network namespace");
  struct stat st {};
  if (::fstat(fd, &st) != 0) return ErrnoError("finding out which network namespace a file is", errno);
  return NetnsId{st.st_dev, st.st_ino};
}

Status RunInNetns(int netns_fd, const std::function<Status()>& work) {
  Status result;
  std::thread([&] {
    if (::setns(netns_fd, CLONE_NEWNET) != 0) {
      result = ErrnoError("entering the network namespace", errno);
      return;
    }
    result = work();
  }).join();
  return result;
}

Result<UniqueFd> CreateNetns() {
  UniqueFd fd;
  Status status;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      status = ErrnoError("creating a network namespace", errno);
      return;
    }
    fd.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) status = ErrnoError("opening the new network namespace", errno);
  }).join();
  if (!status.ok()) return status.error();
  return fd;
}

bool IsAddress(const std::string& text) {
  char buf[16];
  return inet_pton(AF_INET, text.c_str(), buf) == 1 || inet_pton(AF_INET6, text.c_str(), buf) == 1;
}

bool IsCidr(const std::string& text) {
  size_t slash = text.find('/');
  if (slash == text.npos || !IsAddress(text.substr(0, slash))) return false;
  auto bits = ParseInt(text.substr(slash + 1));
  return bits.ok() && *bits >= 0 && *bits <= (text.find(':') == text.npos ? 32 : 128);
}

Result<std::vector<std::string>> GlobalAddresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return ErrnoError("listing addresses", errno);
  std::vector<std::string> out;
  for (ifaddrs* a = list; a; a = a->ifa_next) {
    if (!a->ifa_addr || (a->ifa_flags & IFF_LOOPBACK)) continue;
    char text[INET6_ADDRSTRLEN];
    if (a->ifa_addr->sa_family == AF_INET) {
      auto* in = reinterpret_cast<sockaddr_in*>(a->ifa_addr);
      if ((ntohl(in->sin_addr.s_addr) >> 16) == 0xa9fe) continue;
      out.emplace_back(inet_ntop(AF_INET, &in->sin_addr, text, sizeof text));
    } else if (a->ifa_addr->sa_family == AF_INET6) {
      auto* in = reinterpret_cast<sockaddr_in6*>(a->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr)) continue;
      out.emplace_back(inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text));
    }
  }
  ::freeifaddrs(list);
  return out;
}

Status SetLoopbackUp() {
  ifinfomsg message{AF_UNSPEC, 0, 0, static_cast<int>(if_nametoindex("lo")), IFF_UP, IFF_UP};
  FL_ASSIGN(int error, RtRequest(RTM_NEWLINK, 0, message).Send());
  return error == 0 ? Status() : Status(ErrnoError("setting lo up", error));
}

Status AddLoopbackAddress6(const std::string& address) {
  in6_addr addr{};
  if (inet_pton(AF_INET6, address.c_str(), &addr) != 1)
    return MakeError(Code::kInvalid, address + " is not an IPv6 address");
  ifaddrmsg message{AF_INET6, 128, IFA_F_NODAD, 0, if_nametoindex("lo")};
  FL_ASSIGN(
      int error,
      RtRequest(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, message).Attribute(IFA_LOCAL, &addr, sizeof addr).Send());
  if (error != 0 && error != EEXIST) return ErrnoError("adding " + address + " to lo", error);
  return {};
}

bool HasIpv6() {
  UniqueFd fd(::open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", O_RDONLY | O_CLOEXEC));
  char value = '1';
  return fd.valid() && ::read(fd.get(), &value, 1) == 1 && value == '0';
}

}  // namespace fairlead::kernel
