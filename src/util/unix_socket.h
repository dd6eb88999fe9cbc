// Unix sockets with the two things that make them worth using on a node: descriptors cross them (SCM_RIGHTS), and the
// kernel vouches for who is on the other side (SO_PEERCRED).
#pragma once
#include <string>
#include <vector>

#include "util/fd.h"

namespace fairlead {

enum class SocketKind { kStream, kSeqPacket };

// Binds to a fresh name beside `path` and renames it there, so that a connecting peer never finds the path missing: it
// meets either the old socket or the new one. Listens. Mode is that of the socket file.
Result<UniqueFd> ListenUnix(const std::string& path, SocketKind kind, unsigned mode);
// kNotFound: no such path; kUnavailable: nobody listens there (or its queue is full).
Result<UniqueFd> ConnectUnix(const std::string& path, SocketKind kind);

struct PeerCredentials {
  int pid = 0;  // 0 when the peer lives in another pid namespace
  unsigned uid = 0;
  unsigned gid = 0;
};
Result<PeerCredentials> GetPeerCredentials(int fd);

// One message with up to 250 descriptors. On a stream socket the descriptors travel with the first byte.
Status SendWithFds(int fd, std::string_view bytes, const std::vector<int>& fds);

struct Received {
  std::string bytes;          // empty: the peer closed
  std::vector<UniqueFd> fds;  // close-on-exec
};
// One read of up to `limit` bytes. A truncated message or descriptor list is kInvalid.
Result<Received> ReceiveWithFds(int fd, size_t limit);

}  // namespace fairlead
