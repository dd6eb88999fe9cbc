// How a new agent takes the node over from the one that runs, without a closed socket in between.
//
// The new agent connects to <run_dir>/handover.sock (root only) and the two exchange JSON messages over SOCK_SEQPACKET:
//
//   new -> old   {"hello": {"protocol": 2, "version": "1.28.6"}}
//   old -> new   {"pod": {journal entry}} with the netns descriptor, once per enrolled pod
//   old -> new   {"offer": {"protocol": 2, "version": "1.28.5"}} with the plugin's listening socket, and ztunnel's if
//   any
//   ...          the new agent fills its caches and installs its files; the old one serves meanwhile
//   new -> old   {"take": {}}      the old agent stops accepting; what it has begun it finishes
//   old -> new   {"released": {"ztunnels": N}} with the connections of ztunnel, 250 at most
//   ...          the new agent reads the journal once more and accepts; who came between waits in the sockets' queues
//
// The connection then stays open. If it breaks before the old agent has ended, the new one died: the old one serves
// again. Versions of the protocol may differ by one; version 1 knows nothing of ztunnel.
#pragma once
#include "agent/journal.h"
#include "util/unix_socket.h"

namespace fairlead::agent {

inline constexpr int kHandoverProtocol = 2;
inline constexpr const char* kHandoverSocket = "handover.sock";

// The new agent's side.
class HandoverClient {
 public:
  // kNotFound or kUnavailable: nobody to take over from. The journal gets the other's entries.
  static Result<std::unique_ptr<HandoverClient>> Begin(const std::string& run_dir, const std::string& version,
                                                       Journal& journal);
  UniqueFd TakeListener() { return std::move(listener_); }
  UniqueFd TakeZtunnelListener() { return std::move(ztunnel_listener_); }  // may be none
  // Makes the old agent stop accepting, and returns its connections of ztunnel. On an error the old one is gone or goes
  // on; serving is safe either way.
  Result<std::vector<UniqueFd>> Take();
  const std::string& old_version() const { return old_version_; }

 private:
  UniqueFd fd_, listener_, ztunnel_listener_;
  std::string old_version_;
};

// What an agent that serves has to give.
struct Serving {
  int plugin_listener = -1, ztunnel_listener = -1;
  std::function<std::vector<UniqueFd>()> release;  // stops serving; the connections of ztunnel
  std::function<void()> resume;                    // serves again
};

// The old agent's side: serves handover.sock until stopped.
class HandoverServer {
 public:
  HandoverServer(std::string run_dir, std::string version, Journal& journal, Serving serving)
      : run_dir_(std::move(run_dir)), version_(std::move(version)), journal_(journal), serving_(std::move(serving)) {}
  ~HandoverServer() { Stop(); }
  Status Start();
  void Stop();
  bool handed_over() const { return handed_over_; }

 private:
  void Run(std::stop_token stop);
  Status Offer(int fd, int wake);
  std::string run_dir_, version_;
  Journal& journal_;
  Serving serving_;
  UniqueFd socket_;
  std::atomic<bool> handed_over_{false};
  std::jthread thread_;
};

}  // namespace fairlead::agent
