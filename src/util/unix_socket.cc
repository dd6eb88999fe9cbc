#include "util/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "util/file.h"
#include "util/strings.h"

namespace fairlead {
namespace {

constexpr size_t kMaxFds = 250;  // the kernel's SCM_MAX_FD is 253

int KindFlag(SocketKind kind) { return kind == SocketKind::kStream ? SOCK_STREAM : SOCK_SEQPACKET; }

Result<sockaddr_un> Address(const std::string& path) {
  sockaddr_un addr{};
  addr.sun_family = AF_UNIX;
  if (path.size() >= sizeof addr.sun_path)
    return MakeError(Code::kInvalid,
                     "socket path " + path + " is longer than " + std::to_string(sizeof addr.sun_path - 1) + " bytes");
  memcpy(addr.sun_path, path.c_str(), path.size() + 1);
  return addr;
}

}  // namespace

Result<UniqueFd> ListenUnix(const std::string& path, SocketKind kind, unsigned mode) {
  std::string fresh = path + "." + RandomHex(6);
  FL_ASSIGN(sockaddr_un addr, Address(fresh));
  UniqueFd fd(::socket(AF_UNIX, KindFlag(kind) | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError("making a socket to listen on " + path, errno);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&addr), sizeof addr) != 0)
    return ErrnoError("binding " + path, errno);
  auto fail = [&](const char* step) {
    Error e = ErrnoError(std::string(step) + " " + path, errno);
    ::unlink(fresh.c_str());
    return e;
  };
  if (::chmod(fresh.c_str(), mode) != 0) return fail("setting the mode of");
  if (::listen(fd.get(), 1024) != 0) return fail("listening on");
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail("putting in place");
  return fd;
}

Result<UniqueFd> ConnectUnix(const std::string& path, SocketKind kind) {
  FL_ASSIGN(sockaddr_un addr, Address(path));
  UniqueFd fd(::socket(AF_UNIX, KindFlag(kind) | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError("making a socket to connect to " + path, errno);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&addr), sizeof addr) != 0) {
    Error e = ErrnoError("connecting to " + path, errno);
    if (errno == ECONNREFUSED || errno == EAGAIN) e.code = Code::kUnavailable;
    return e;
  }
  return fd;
}

Result<PeerCredentials> GetPeerCredentials(int fd) {
  ucred cred{};
  socklen_t len = sizeof cred;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
    return ErrnoError("asking the kernel who is at the other end of a Unix socket", errno);
  return PeerCredentials{cred.pid, cred.uid, cred.gid};
}

Status SendWithFds(int fd, std::string_view bytes, const std::vector<int>& fds) {
  if (fds.size() > kMaxFds) return MakeError(Code::kInvalid, "too many descriptors for one message");
  iovec iov{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(fds.empty() ? 0 : CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (!fds.empty()) {
    msg.msg_control = control.data();
    msg.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
  }
  while (iov.iov_len > 0) {
    ssize_t n = ::sendmsg(fd, &msg, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      Error e = ErrnoError("sending on a Unix socket", errno);
      if (errno == EPIPE || errno == ECONNRESET) e.code = Code::kUnavailable;
      return e;
    }
    iov.iov_base = static_cast<char*>(iov.iov_base) + n;
    iov.iov_len -= static_cast<size_t>(n);
    msg.msg_control = nullptr;
    msg.msg_controllen = 0;
  }
  return {};
}

Result<Received> ReceiveWithFds(int fd, size_t limit) {
  Received out;
  out.bytes.resize(limit);
  iovec iov{out.bytes.data(), limit};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  ssize_t n;
  while ((n = ::recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (n < 0) {
    Error e = ErrnoError("receiving on a Unix socket", errno);
    if (errno == ECONNRESET) e.code = Code::kUnavailable;
    return e;
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int received;
      memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof received);
      out.fds.emplace_back(received);
    }
  }
  if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
    return MakeError(Code::kInvalid, "message larger than " + std::to_string(limit) + " bytes");
  out.bytes.resize(static_cast<size_t>(n));
  return out;
}

}  // namespace fairlead
