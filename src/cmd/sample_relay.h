// What the sample's sidecar proxy and its ztunnel share: they pass bytes on and mark each request.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "util/fd.h"

namespace fairlead::sample {

inline constexpr uint16_t kOutbound = 15001, kInbound = 15006;

inline void SetTimeout(int fd, int seconds) {
  timeval t{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

inline bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Adds the mark after the first line of each request. Requests have no bodies here.
class Marker {
 public:
  explicit Marker(std::string header) : header_(std::move(header)) {}
  std::string Pass(std::string_view bytes) {
    std::string out;
    for (char c : bytes) {
      out += c;
      if (c != '\n') {
        if (c != '\r') blank_ = false;
        continue;
      }
      if (first_line_) out += header_ + "\r\n";
      first_line_ = !first_line_ && blank_;
      blank_ = true;
    }
    return out;
  }

 private:
  std::string header_;
  bool first_line_ = true, blank_ = true;
};

// Both ways until either side ends; what the client sends is marked.
inline void Forward(const UniqueFd& client, const UniqueFd& server, const char* mark) {
  SetTimeout(client.get(), 600);
  SetTimeout(server.get(), 600);
  Marker marker(mark);
  char buf[16384];
  while (true) {
    pollfd fds[2] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    if (::poll(fds, 2, 600000) <= 0) return;
    for (int i = 0; i < 2; ++i) {
      if (!fds[i].revents) continue;
      ssize_t n = ::recv(fds[i].fd, buf, sizeof buf, 0);
      if (n <= 0) return;
      std::string_view bytes(buf, static_cast<size_t>(n));
      if (!(i == 0 ? SendAll(server.get(), marker.Pass(bytes)) : SendAll(client.get(), bytes))) return;
    }
  }
}

}  // namespace fairlead::sample
