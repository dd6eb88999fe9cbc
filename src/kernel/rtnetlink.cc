#include "kernel/rtnetlink.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "util/fd.h"

namespace fairlead::kernel {
namespace {

Result<UniqueFd> SendMessage(const std::string& message) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoError("making a netlink socket to configure the network", errno);
  timeval timeout{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (::send(fd.get(), message.data(), message.size(), 0) < 0)
    return ErrnoError("sending a request to the kernel (netlink)", errno);
  return fd;
}

}  // namespace

RtRequest& RtRequest::Attribute(uint16_t type, const void* data, size_t size) {
  rtattr a{static_cast<uint16_t>(RTA_LENGTH(size)), type};
  body_.append(reinterpret_cast<const char*>(&a), sizeof a);
  body_.append(static_cast<const char*>(data), size);
  Pad();
  return *this;
}

std::string RtRequest::Message(uint16_t extra_flags) const {
  nlmsghdr h{static_cast<uint32_t>(sizeof(nlmsghdr) + body_.size()), type_,
             static_cast<uint16_t>(NLM_F_REQUEST | flags_ | extra_flags), 1, 0};
  return std::string(reinterpret_cast<const char*>(&h), sizeof h) + body_;
}

Result<int> RtRequest::Send() const {
  FL_ASSIGN(UniqueFd fd, SendMessage(Message(NLM_F_ACK)));
  char reply[4096];
  ssize_t n = ::recv(fd.get(), reply, sizeof reply, 0);
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(int)))
    return ErrnoError("receiving the kernel's answer (netlink)", n < 0 ? errno : EBADMSG);
  int error = 0;
  memcpy(&error, reply + sizeof(nlmsghdr), sizeof error);
  return -error;
}

Status RtRequest::Dump(const Each& each) const {
  FL_ASSIGN(UniqueFd fd, SendMessage(Message(NLM_F_DUMP)));
  alignas(nlmsghdr) char buf[32768];
  while (true) {
    ssize_t n = ::recv(fd.get(), buf, sizeof buf, 0);
    if (n < 0) return ErrnoError("receiving the kernel's answer (netlink)", errno);
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buf); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type == NLMSG_ERROR)
        return ErrnoError("listing what the kernel has (netlink)", -reinterpret_cast<nlmsgerr*>(NLMSG_DATA(h))->error);
      each(*h);
    }
  }
}

}  // namespace fairlead::kernel
