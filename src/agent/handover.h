// How a new agent takes the node over from the one that runs, without a closed socket in between.
//
// The new agent connects to <run_dir>/handover.sock (root only) and the two exchange JSON messages over SOCK_SEQPACKET:
//
//   new -> old   {"hello": {"protocol": 1, "version": "1.28.6"}}
//   old -> new   {"pod": {journal entry}} with the netns descriptor, once per enrolled pod
//   old -> new   {"offer": {"protocol": 1, "version": "1.28.5"}} with the plugin's listening socket
//   ...          the new agent fills its caches and installs its files; the old one serves meanwhile
//   new -> old   {"take": {}}      the old agent stops accepting; what it has begun it finishes
//   old -> new   {"released": {}}  the new agent accepts; connections that came between wait in the socket's queue
//
// The connection then stays open. If it breaks before the old agent has ended, the new one died: the old one accepts
// again. Versions of the protocol may differ by one.
#pragma once
#include "agent/journal.h"
#include "http/server.h"
#include "util/unix_socket.h"

namespace fairlead::agent {

inline constexpr int kHandoverProtocol = 1;
inline constexpr const char* kHandoverSocket = "handover.sock";

// The new agent's side.
class HandoverClient {
 public:
  // kNotFound or kUnavailable: nobody to take over from. The journal gets the other's entries.
  static Result<std::unique_ptr<HandoverClient>> Begin(const std::string& run_dir, const std::string& version,
                                                       Journal& journal);
  UniqueFd TakeListener() { return std::move(listener_); }
  // Makes the old agent stop accepting. On an error the old one is gone or goes on; serving is safe either way.
  Status Take();
  const std::string& old_version() const { return old_version_; }

 private:
  UniqueFd fd_, listener_;
  std::string old_version_;
};

// The old agent's side: serves handover.sock until stopped.
class HandoverServer {
 public:
  // `listener` is the plugin's socket; `server` accepts on it.
  HandoverServer(std::string run_dir, std::string version, Journal& journal, int listener, http::Server& server)
      : run_dir_(std::move(run_dir)),
        version_(std::move(version)),
        journal_(journal),
        listener_(listener),
        server_(server) {}
  ~HandoverServer() { Stop(); }
  Status Start();
  void Stop();
  bool handed_over() const { return handed_over_; }

 private:
  void Run(std::stop_token stop);
  Status Offer(int fd, int wake);
  std::string run_dir_, version_;
  Journal& journal_;
  int listener_;
  http::Server& server_;
  UniqueFd socket_;
  std::atomic<bool> handed_over_{false};
  std::jthread thread_;
};

}  // namespace fairlead::agent
