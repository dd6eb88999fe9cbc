#include "agent/ztunnel_server.h"

#include <poll.h>
#include <sys/socket.h>

#include "util/log.h"
#include "util/unix_socket.h"
#include "zds/messages.h"

namespace fairlead::agent {
namespace {

constexpr Millis kZtunnelTimeout{5000};  // for hello and for each acknowledgement

}  // namespace

// What became of one message that went to several connections.
struct ZtunnelServer::Reply {
  int pending = 0;
  bool taken = false;
  std::string refused;  // a ztunnel's words
};

void ZtunnelServer::Start(UniqueFd listener, std::vector<UniqueFd> connections) {
  std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  released_ = false;
  for (UniqueFd& fd : connections) {
    auto c = Open(std::move(fd));
    c->live = true;
    c->thread = std::jthread([this, &c = *c](std::stop_token stop) { Serve(c, false, stop); });
  }
  acceptor_ = std::jthread([this](std::stop_token stop) { Accept(stop); });
  Report();
}

std::shared_ptr<ZtunnelServer::Connection> ZtunnelServer::Open(UniqueFd fd) {
  auto c = std::make_shared<Connection>();
  c->fd = std::move(fd);
  connections_.push_back(c);
  return c;
}

void ZtunnelServer::Report() {
  double live = 0;
  for (const auto& c : connections_) live += c->live && !c->closed;
  metrics_.Set("ztunnel_connected", {}, live, "Number of connected ztunnels");
}

void ZtunnelServer::Accept(const std::stop_token& stop) {
  WakeFd wake(stop);
  while (!stop.stop_requested()) {
    if (!WaitFd(listener_.get(), POLLIN, std::chrono::hours(1), wake.fd()).ok()) continue;
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    if (auto peer = GetPeerCredentials(fd.get()); !peer.ok() || peer->uid != 0) {
      Log(Level::kWarn, "a connection to the ztunnel socket was refused: the peer is not root, as ztunnel is");
      continue;
    }
    std::list<std::shared_ptr<Connection>> ended;
    std::lock_guard lock(mutex_);
    for (auto it = connections_.begin(); it != connections_.end();) {
      auto here = it++;
      if ((*here)->closed) ended.splice(ended.end(), connections_, here);
    }
    auto c = Open(std::move(fd));
    c->thread = std::jthread([this, &c = *c](std::stop_token s) { Serve(c, true, s); });
  }
}

// One message and its acknowledgement. kConflict: refused, the connection is fine. Any other error: it is not.
Status ZtunnelServer::Exchange(Connection& c, const Task& t) {
  FL_TRY(SendWithFds(c.fd.get(), t.message, t.netns ? std::vector<int>{t.netns->get()} : std::vector<int>{}));
  FL_TRY(WaitFd(c.fd.get(), POLLIN, kZtunnelTimeout));
  FL_ASSIGN(Received got, ReceiveWithFds(c.fd.get(), zds::kMaxMessage));
  if (got.bytes.empty()) return MakeError(Code::kUnavailable, "ztunnel closed the connection");
  return zds::ReadAck(got.bytes);
}

// Hello and snapshot.
Status ZtunnelServer::Greet(Connection& c, const std::stop_token& stop) {
  WakeFd wake(stop);
  FL_TRY(WaitFd(c.fd.get(), POLLIN, kZtunnelTimeout, wake.fd()));
  FL_ASSIGN(Received hello, ReceiveWithFds(c.fd.get(), zds::kMaxMessage));
  if (hello.bytes.empty()) return MakeError(Code::kUnavailable, "ztunnel closed the connection before it said hello");
  FL_TRY(zds::CheckHello(hello.bytes));
  size_t pods = 0;
  for (const ZtunnelWorkload& w : snapshot_()) {
    if (stop.stop_requested()) return MakeError(Code::kUnavailable, "stopped");
    Task t{w.netns ? zds::AddMessage(w.uid, w.name, w.ns, w.service_account) : zds::KeepMessage(w.uid), w.netns,
           nullptr};
    Status s = Exchange(c, t);
    if (!s.ok() && s.error().code != Code::kConflict) return s;
    if (!s.ok())  // ztunnel tries that one again by itself
      Log(Level::kWarn, "ztunnel could not take a pod that ran before it connected; ztunnel tries it again by itself",
          {{"pod", w.ns + "/" + w.name}, {"uid", w.uid}, {"error", s.error().message}});
    ++pods;
  }
  FL_TRY(Exchange(c, {zds::SnapshotSentMessage(), nullptr, nullptr}));
  Log(Level::kInfo, "ztunnel connected", {{"pods", pods}});
  return {};
}

void ZtunnelServer::Serve(Connection& c, bool snapshot, const std::stop_token& stop) {
  std::stop_callback on_stop(stop, [&c] { c.wake.Wake(); });
  Status s = snapshot ? Greet(c, stop) : Status();
  {
    std::lock_guard lock(mutex_);
    c.live = s.ok();
    Report();
  }
  changed_.notify_all();
  while (s.ok() && !stop.stop_requested()) {
    std::optional<Task> task;
    {
      std::lock_guard lock(mutex_);
      if (!c.tasks.empty()) {
        task = std::move(c.tasks.front());
        c.tasks.pop_front();
      }
    }
    if (!task) {
      pollfd fds[2] = {{c.fd.get(), POLLIN, 0}, {c.wake.fd(), POLLIN, 0}};
      ::poll(fds, 2, -1);
      c.wake.Clear();
      if (fds[0].revents) s = MakeError(Code::kUnavailable, "ztunnel closed the connection, or spoke unasked");
      continue;
    }
    Status done = Exchange(c, *task);
    bool fine = done.ok() || done.error().code == Code::kConflict;
    std::lock_guard lock(mutex_);
    if (task->reply) {
      --task->reply->pending;
      task->reply->taken |= done.ok();
      if (!done.ok() && fine) task->reply->refused = done.error().message;
    }
    if (!fine) s = done;
    changed_.notify_all();
  }
  std::lock_guard lock(mutex_);
  for (Task& t : c.tasks)
    if (t.reply) --t.reply->pending;
  c.tasks.clear();
  if (!s.ok()) {
    if (c.live)
      Log(Level::kWarn, "ztunnel disconnected; ambient pods that start wait until one is connected",
          {{"reason", s.error().message}});
    c.live = false;
    c.closed = true;
    ::shutdown(c.fd.get(), SHUT_RDWR);
    Report();
  }
  changed_.notify_all();
}

Status ZtunnelServer::Add(const ZtunnelWorkload& w, SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    if (released_) return MakeError(Code::kUnavailable, "another agent serves ztunnel now");
    auto reply = std::make_shared<Reply>();
    for (const auto& c : connections_) {
      if (c->closed) continue;
      c->tasks.push_back({zds::AddMessage(w.uid, w.name, w.ns, w.service_account), w.netns, reply});
      ++reply->pending;
      c->wake.Wake();
    }
    auto over = [&] { return released_ || reply->taken || (reply->pending == 0 && !reply->refused.empty()); };
    bool waited = false;
    if (reply->pending > 0)
      waited = changed_.wait_until(lock, deadline, [&] { return over() || reply->pending == 0; });
    else  // nobody is connected: whoever comes first gets this pod with its snapshot, and is asked again here
      waited = changed_.wait_until(lock, deadline, [&] {
        return released_ ||
               std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return !c->closed; });
      });
    if (reply->taken) return {};
    if (!released_ && reply->pending == 0 && !reply->refused.empty())
      return MakeError(Code::kConflict, "ztunnel refused the pod: " + reply->refused);
    if (!waited)
      return MakeError(Code::kDeadlineExceeded, connections_.empty()
                                                    ? "no ztunnel is connected to the agent on this node"
                                                    : "no ztunnel has taken the pod in time");
  }
}

void ZtunnelServer::Delete(const std::string& uid) {
  std::lock_guard lock(mutex_);
  for (const auto& c : connections_) {
    if (c->closed) continue;
    c->tasks.push_back({zds::DeleteMessage(uid), nullptr, nullptr});
    c->wake.Wake();
  }
}

size_t ZtunnelServer::connected() const {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(connections_.begin(), connections_.end(), [](const auto& c) { return c->live && !c->closed; }));
}

std::vector<UniqueFd> ZtunnelServer::Release() {
  if (acceptor_.joinable()) {
    acceptor_.request_stop();
    acceptor_.join();
  }
  std::list<std::shared_ptr<Connection>> all;
  {
    std::lock_guard lock(mutex_);
    released_ = true;
    all.swap(connections_);
    Report();
  }
  changed_.notify_all();
  std::vector<UniqueFd> out;
  for (const auto& c : all) {
    c->thread.request_stop();
    if (c->thread.joinable()) c->thread.join();
    // One that is still in its snapshot is closed: its ztunnel comes again and is served by the next agent.
    if (c->live && !c->closed)
      out.push_back(std::move(c->fd));
    else
      ::shutdown(c->fd.get(), SHUT_RDWR);
  }
  return out;
}

void ZtunnelServer::Stop() {
  for (UniqueFd& fd : Release()) ::shutdown(fd.get(), SHUT_RDWR);
}

}  // namespace fairlead::agent
