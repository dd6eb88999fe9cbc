// Tells ztunnel which pods it serves: the agent's side of ZDS, on a SOCK_SEQPACKET socket that only root may use.
//
// A ztunnel connects, says hello, gets every pod that is known (the snapshot), and from then on each change, one
// message at a time, each acknowledged. While ztunnel itself is updated several are connected; every one of them gets
// every change, so any of them may be the one that stays.
//
// Threading: every member may be called from any thread; each connection has a thread of its own. Failure: a connection
// that does not answer in time is closed, and the ztunnel comes again and gets a snapshot.
#pragma once
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>

#include "controller/metrics.h"
#include "util/clock.h"
#include "util/fd.h"

namespace fairlead::agent {

struct ZtunnelWorkload {
  std::string uid, name, ns, service_account;
  std::shared_ptr<UniqueFd> netns;  // null: known to be enrolled, but its namespace is not; ztunnel keeps what it has
};

class ZtunnelServer {
 public:
  using Snapshot = std::function<std::vector<ZtunnelWorkload>()>;
  ZtunnelServer(Snapshot snapshot, controller::Metrics& metrics) : snapshot_(std::move(snapshot)), metrics_(metrics) {}
  ~ZtunnelServer() { Stop(); }

  // Serves `listener`, and `connections` that another agent has served until now: they have had their snapshot.
  void Start(UniqueFd listener, std::vector<UniqueFd> connections = {});
  // Ends every exchange that is going on and gives the connections away; new ones wait in the listener's queue.
  std::vector<UniqueFd> Release();
  // Closes the connections.
  void Stop();

  // ok once a ztunnel has taken the pod. Waits for one to connect. kDeadlineExceeded: none took it in time; kConflict:
  // refused, with ztunnel's words.
  Status Add(const ZtunnelWorkload& w, SteadyTime deadline);
  // Tells every ztunnel; does not wait.
  void Delete(const std::string& uid);
  size_t connected() const;

 private:
  struct Reply;
  struct Task {
    std::string message;
    std::shared_ptr<UniqueFd> netns;
    std::shared_ptr<Reply> reply;  // null: nobody waits
  };
  struct Connection {
    UniqueFd fd;
    bool live = false;  // has had its snapshot
    bool closed = false;
    std::deque<Task> tasks;
    WakeFd wake;
    std::jthread thread;
  };

  void Accept(const std::stop_token& stop);
  void Serve(Connection& c, bool snapshot, const std::stop_token& stop);
  Status Greet(Connection& c, const std::stop_token& stop);
  Status Exchange(Connection& c, const Task& t);
  std::shared_ptr<Connection> Open(UniqueFd fd);  // with mutex_ held
  void Report();                                  // with mutex_ held

  Snapshot snapshot_;
  controller::Metrics& metrics_;
  UniqueFd listener_;
  mutable std::mutex mutex_;  // guards connections_ and their live, closed, tasks
  std::condition_variable changed_;
  std::list<std::shared_ptr<Connection>> connections_;
  bool released_ = false;
  std::jthread acceptor_;
};

}  // namespace fairlead::agent
