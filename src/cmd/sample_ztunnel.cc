#include "cmd/sample_ztunnel.h"

// clang-format off
#include <netinet/in.h>  // before the kernel's headers, which it must know of
// clang-format on

#include <linux/netfilter_ipv4.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <set>
#include <thread>

#include "cmd/sample_relay.h"
#include "util/clock.h"
#include "util/unix_socket.h"
#include "zds/messages.h"

namespace fairlead::sample {
namespace {

constexpr uint16_t kTunnel = 15008, kReady = 15021;
constexpr uint32_t kZtunnelMark = 0x539;

void MarkSocket(int fd) { ::setsockopt(fd, SOL_SOCKET, SO_MARK, &kZtunnelMark, sizeof kZtunnelMark); }

// In the calling thread's network namespace, with the mark that tells the rules whose traffic this is.
UniqueFd ConnectMarked(const sockaddr_in& to) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  MarkSocket(fd.get());
  SetTimeout(fd.get(), 5);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return UniqueFd();
  return fd;
}

// From the application to the other side's ztunnel: the port that was meant goes ahead as two bytes.
void OutboundOfPod(UniqueFd client) {
  sockaddr_in target{};
  socklen_t len = sizeof target;
  if (::getsockopt(client.get(), SOL_IP, SO_ORIGINAL_DST, &target, &len) != 0) return;
  uint16_t port = target.sin_port;
  target.sin_port = htons(kTunnel);
  UniqueFd server = ConnectMarked(target);
  if (!server.valid() || !SendAll(server.get(), {reinterpret_cast<const char*>(&port), sizeof port})) return;
  Forward(client, server, "x-mesh-outbound: yes");
}

void InboundOfPod(UniqueFd client) {
  SetTimeout(client.get(), 5);
  sockaddr_in local{};
  socklen_t len = sizeof local;
  uint16_t port = 0;
  if (::getsockname(client.get(), reinterpret_cast<sockaddr*>(&local), &len) != 0 ||
      ::recv(client.get(), &port, sizeof port, MSG_WAITALL) != sizeof port)
    return;
  local.sin_port = port;
  UniqueFd server = ConnectMarked(local);
  if (server.valid()) Forward(client, server, "x-mesh-inbound: yes");
}

UniqueFd ListenMarked(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);  // the next ztunnel listens beside this one
  MarkSocket(fd.get());
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 || ::listen(fd.get(), 512) != 0)
    return UniqueFd();
  return fd;
}

// The part of ztunnel that lives in one pod's network namespace: one thread that accepts, one for each connection.
class PodProxy {
 public:
  explicit PodProxy(UniqueFd netns) : netns_(std::move(netns)) {
    struct stat st {};
    ::fstat(netns_.get(), &st);
    inode_ = st.st_ino;
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }
  ino_t inode() const { return inode_; }

 private:
  void Run(const std::stop_token& stop) {
    if (::setns(netns_.get(), CLONE_NEWNET) != 0) return;
    UniqueFd outbound = ListenMarked(kOutbound), plaintext = ListenMarked(kInbound), tunnel = ListenMarked(kTunnel);
    WakeFd wake(stop);
    while (!stop.stop_requested()) {
      pollfd fds[4] = {
          {outbound.get(), POLLIN, 0}, {plaintext.get(), POLLIN, 0}, {tunnel.get(), POLLIN, 0}, {wake.fd(), POLLIN, 0}};
      if (::poll(fds, 4, -1) < 0) continue;
      if (fds[0].revents) Start(outbound, OutboundOfPod);
      if (fds[2].revents) Start(tunnel, InboundOfPod);
      if (fds[1].revents) UniqueFd refused(::accept4(plaintext.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }
  // The new thread is in the same network namespace as this one.
  static void Start(const UniqueFd& listener, void (*serve)(UniqueFd)) {
    UniqueFd c(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (c.valid()) std::thread(serve, std::move(c)).detach();
  }
  UniqueFd netns_;
  ino_t inode_ = 0;
  std::jthread thread_;
};

// Answers readiness probes: 200 once the snapshot is there and the agent connected.
void ServeReadiness(const std::atomic<bool>& ready, const std::stop_token& stop) {
  UniqueFd listener = ListenMarked(kReady);
  WakeFd wake(stop);
  while (WaitFd(listener.get(), POLLIN, std::chrono::hours(24), wake.fd()).ok()) {
    UniqueFd c(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char request[2048];
    SetTimeout(c.get(), 1);
    (void)!::recv(c.get(), request, sizeof request, 0);
    SendAll(c.get(), ready ? "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                           : "HTTP/1.1 500 not ready\r\ncontent-length: 0\r\n\r\n");
  }
}

}  // namespace

// Takes pods from the agent as istio's ztunnel does: keeps what it has when the connection breaks, comes again after 20
// ms doubling to 15 s, and ends what a new snapshot does not name.
int RunZtunnel(const std::string& socket, const std::stop_token& stop) {
  std::map<std::string, std::unique_ptr<PodProxy>> pods;
  std::atomic<bool> ready{false};
  std::jthread readiness([&](std::stop_token s) { ServeReadiness(ready, s); });
  WakeFd wake(stop);
  Millis pause{20};
  while (!stop.stop_requested()) {
    auto fd = ConnectUnix(socket, SocketKind::kSeqPacket);
    if (!fd.ok() || !SendWithFds(fd->get(), zds::HelloMessage(), {}).ok()) {
      if (fd.ok() || SleepFor(pause, stop)) pause = std::min(pause * 2, Millis(15000));
      continue;
    }
    std::set<std::string> named;
    bool snapshot = true;
    while (WaitFd(fd->get(), POLLIN, std::chrono::hours(24), wake.fd()).ok()) {
      auto got = ReceiveWithFds(fd->get(), zds::kMaxMessage);
      if (!got.ok() || got->bytes.empty()) break;
      auto r = zds::ReadRequest(got->bytes);
      std::string error = r.ok() ? "" : r.error().message;
      if (r.ok() && r->kind == zds::Request::kAdd) {
        if (got->fds.size() != 1)
          error = "an added workload needs one descriptor";
        else {
          struct stat st {};
          ::fstat(got->fds[0].get(), &st);
          auto& pod = pods[r->uid];
          if (!pod || pod->inode() != st.st_ino) pod = std::make_unique<PodProxy>(std::move(got->fds[0]));
          named.insert(r->uid);
        }
      } else if (r.ok() && r->kind == zds::Request::kKeep) {
        named.insert(r->uid);
      } else if (r.ok() && r->kind == zds::Request::kDelete) {
        pods.erase(r->uid);
      } else if (r.ok() && snapshot) {
        std::erase_if(pods, [&](const auto& p) { return !named.contains(p.first); });
        snapshot = false;
        ready = true;
        pause = Millis(20);
      }
      if (!SendWithFds(fd->get(), zds::AckMessage(error), {}).ok()) break;
    }
    ready = false;
    printf("{\"disconnected\": true, \"pods\": %zu}\n", pods.size());
    fflush(stdout);
  }
  return 0;
}

}  // namespace fairlead::sample
