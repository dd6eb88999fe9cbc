#include "kernel/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

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
  if (::fstatfs(fd, &fs) != 0) return ErrnoError("statfs", errno);
  if (static_cast<unsigned long>(fs.f_type) != NSFS_MAGIC || ::ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
    return MakeError(Code::kInvalid, "not a network namespace");
  struct stat st {};
  if (::fstat(fd, &st) != 0) return ErrnoError("stat", errno);
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

Status AddLoopbackAddress6(const std::string& address) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoError("netlink socket", errno);
  struct {
    nlmsghdr header;
    ifaddrmsg message;
    rtattr attr;
    in6_addr addr;
  } request{};
  request.header = {sizeof request, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, 1, 0};
  request.message = {AF_INET6, 128, IFA_F_NODAD, 0, if_nametoindex("lo")};
  request.attr = {RTA_LENGTH(sizeof(in6_addr)), IFA_LOCAL};
  if (inet_pton(AF_INET6, address.c_str(), &request.addr) != 1)
    return MakeError(Code::kInvalid, address + " is not an IPv6 address");
  timeval timeout{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (::send(fd.get(), &request, sizeof request, 0) < 0) return ErrnoError("netlink send", errno);
  char reply[1024];
  ssize_t n = ::recv(fd.get(), reply, sizeof reply, 0);
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(int))) return ErrnoError("netlink receive", errno);
  nlmsgerr err{};
  memcpy(&err, reply + sizeof(nlmsghdr), sizeof err.error);
  if (err.error != 0 && err.error != -EEXIST) return ErrnoError("adding " + address + " to lo", -err.error);
  return {};
}

}  // namespace fairlead::kernel
