#include "agent/handover.h"

#include <poll.h>
#include <sys/socket.h>

#include "util/clock.h"
#include "util/log.h"

namespace fairlead::agent {
namespace {

using value::At;
using value::Str;

constexpr size_t kMaxMessage = 256u << 10;
constexpr Millis kStepTimeout{5000};
// An acknowledgement of ztunnel that is on its way is waited for.
constexpr Millis kReleaseTimeout{12000};
constexpr size_t kMaxFds = 250;

struct Message {
  Json body;
  std::vector<UniqueFd> fds;
};

Status Send(int fd, const Json& body, const std::vector<int>& fds = {}) {
  return SendWithFds(fd, value::Dump(body), fds);
}

Result<Message> Receive(int fd, Millis timeout, int wake = -1) {
  FL_TRY(WaitFd(fd, POLLIN, timeout, wake));
  FL_ASSIGN(Received got, ReceiveWithFds(fd, kMaxMessage));
  if (got.bytes.empty()) return MakeError(Code::kUnavailable, "the other agent closed the connection");
  FL_ASSIGN(Json j, value::ParseJson(got.bytes, "handover message"));
  return Message{std::move(j), std::move(got.fds)};
}

Status CheckProtocol(const Json& j) {
  int64_t theirs = value::Int(j, "protocol");
  if (std::abs(theirs - kHandoverProtocol) <= 1) return {};
  return MakeError(Code::kUnsupported, "the other agent (" + Str(j, "version") + ") speaks handover protocol " +
                                           std::to_string(theirs) + ", this one " + std::to_string(kHandoverProtocol));
}

}  // namespace

Result<std::unique_ptr<HandoverClient>> HandoverClient::Begin(const std::string& run_dir, const std::string& version,
                                                              Journal& journal) {
  auto client = std::make_unique<HandoverClient>();
  FL_ASSIGN(client->fd_, ConnectUnix(run_dir + "/" + kHandoverSocket, SocketKind::kSeqPacket));
  FL_ASSIGN(PeerCredentials peer, GetPeerCredentials(client->fd_.get()));
  if (peer.uid != 0)
    return MakeError(Code::kForbidden,
                     "handover socket: the other side runs as uid " + std::to_string(peer.uid) + ", not root");
  FL_TRY(Send(client->fd_.get(), {{"hello", {{"protocol", kHandoverProtocol}, {"version", version}}}}));
  while (true) {
    FL_ASSIGN(Message m, Receive(client->fd_.get(), kStepTimeout));
    if (m.body.contains("pod")) {
      auto entry = JournalEntryFromJson(m.body["pod"]);
      if (entry.ok()) journal.Adopt(std::move(*entry), m.fds.empty() ? UniqueFd() : std::move(m.fds[0]));
      continue;
    }
    const Json& offer = At(m.body, "offer");
    if (!offer.is_object() || m.fds.empty())
      return MakeError(Code::kInvalid, "handover: unexpected message " + value::Dump(m.body).substr(0, 100));
    FL_TRY(CheckProtocol(offer));
    client->old_version_ = Str(offer, "version");
    client->listener_ = std::move(m.fds[0]);
    if (m.fds.size() > 1) client->ztunnel_listener_ = std::move(m.fds[1]);
    return client;
  }
}

Result<std::vector<UniqueFd>> HandoverClient::Take() {
  FL_TRY(Send(fd_.get(), {{"take", Json::object()}}));
  FL_ASSIGN(Message m, Receive(fd_.get(), kReleaseTimeout));
  if (!m.body.contains("released"))
    return MakeError(Code::kInvalid,
                     "handover: the other agent did not say \"released\", but " + value::Dump(m.body).substr(0, 200));
  return std::move(m.fds);
}

Status HandoverServer::Start() {
  FL_ASSIGN(socket_, ListenUnix(run_dir_ + "/" + kHandoverSocket, SocketKind::kSeqPacket, 0600));
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  return {};
}

void HandoverServer::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void HandoverServer::Run(std::stop_token stop) {
  WakeFd wake(stop);
  while (!stop.stop_requested()) {
    if (!WaitFd(socket_.get(), POLLIN, std::chrono::hours(1), wake.fd()).ok()) continue;
    UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    if (auto peer = GetPeerCredentials(fd.get()); !peer.ok() || peer->uid != 0) {
      Log(Level::kWarn, "handover refused: the peer is not root, as an agent is");
      continue;
    }
    Status s = Offer(fd.get(), wake.fd());
    if (stop.stop_requested()) return;
    Log(Level::kInfo, "handover ended", {{"reason", s.ok() ? "the other agent ended" : s.error().message}});
    if (handed_over_.exchange(false)) {
      // The one that took over is gone while this agent still runs: this one serves again.
      serving_.resume();
      auto again = ListenUnix(run_dir_ + "/" + kHandoverSocket, SocketKind::kSeqPacket, 0600);
      if (again.ok()) socket_ = std::move(*again);
      Log(Level::kWarn, "the agent that had taken over is gone; serving again");
    }
  }
}

Status HandoverServer::Offer(int fd, int wake) {
  FL_ASSIGN(Message hello, Receive(fd, kStepTimeout, wake));
  FL_TRY(CheckProtocol(At(hello.body, "hello")));
  bool knows_ztunnel = value::Int(hello.body, "hello", "protocol") >= 2;
  for (const Enrolled& e : journal_.List())
    FL_TRY(Send(fd, {{"pod", ToJson(e.entry)}}, e.netns ? std::vector<int>{e.netns->get()} : std::vector<int>{}));
  std::vector<int> listeners{serving_.plugin_listener};
  if (knows_ztunnel && serving_.ztunnel_listener >= 0) listeners.push_back(serving_.ztunnel_listener);
  FL_TRY(Send(fd, {{"offer", {{"protocol", kHandoverProtocol}, {"version", version_}}}}, listeners));
  Log(Level::kInfo, "handover offered", {{"to", Str(hello.body, "hello", "version")}});
  // The other one takes over when it is ready, however long that takes; until then this one serves.
  FL_ASSIGN(Message take, Receive(fd, std::chrono::hours(24), wake));
  if (!take.body.contains("take"))
    return MakeError(Code::kInvalid,
                     "handover: the other agent did not say \"take\", but " + value::Dump(take.body).substr(0, 200));
  handed_over_ = true;
  std::vector<UniqueFd> ztunnels = serving_.release();
  std::vector<int> fds;
  for (const UniqueFd& z : ztunnels)
    if (knows_ztunnel && fds.size() < kMaxFds) fds.push_back(z.get());
  FL_TRY(Send(fd, {{"released", {{"ztunnels", fds.size()}}}}, fds));
  ztunnels.clear();
  Log(Level::kInfo, "handed over", {{"to", Str(hello.body, "hello", "version")}});
  while (true) {
    auto more = Receive(fd, std::chrono::hours(24), wake);
    if (!more.ok() && more.error().code != Code::kDeadlineExceeded) return more.error();
  }
}

}  // namespace fairlead::agent
