// The smallest mesh that shows whether redirection works: a transparent proxy, a server and a client.
//
//   mesh-sample proxy            accepts on 15001 (outbound) and 15006 (inbound), asks the kernel where the connection
//                                was going, marks each request that passes, and forwards it
//   mesh-sample ztunnel          the same for the ambient pods of a node: takes them from the node agent, listens in
//                                each one's network namespace, and speaks with its like on 15008; plain text that
//                                comes from outside the mesh it refuses
//   mesh-sample discovery ...    istiod's stand-in: is ready on :8080, and does nothing else
//   mesh-sample proxy ztunnel    the same as ztunnel: how istio's charts start it
//   mesh-sample validate         ends with 0 as soon as traffic is redirected, with 126 when it is not within five
//                                seconds: what istio-validation does before a pod's containers start
//   mesh-sample server           answers GET /ping on :8080 with the marks that the request carries
//   mesh-sample client A:P,...   keeps one connection to each target and opens new ones; prints a JSON line a second:
//                                counts since it began, and the slowest request of that second as [when it began,
//                                how long it took], in milliseconds since the epoch and milliseconds
//
// Server and client print first whether their traffic was redirected from the start.
#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/sample_relay.h"
#include "cmd/sample_ztunnel.h"
#include "cmd/signals.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/strings.h"

namespace {

using namespace fairlead;
using namespace fairlead::sample;

constexpr uint16_t kServer = 8080;

UniqueFd Connect(const sockaddr_in& to, const char* from) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SetTimeout(fd.get(), 15);  // a machine that is very busy is slow; the slowest request is counted, too
  if (from) {
    sockaddr_in source{};
    source.sin_family = AF_INET;
    inet_pton(AF_INET, from, &source.sin_addr);
    ::bind(fd.get(), reinterpret_cast<sockaddr*>(&source), sizeof source);
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return UniqueFd();
  return fd;
}

void Relay(UniqueFd client, bool inbound) {
  sockaddr_in target{};
  socklen_t len = sizeof target;
  if (::getsockopt(client.get(), SOL_IP, SO_ORIGINAL_DST, &target, &len) != 0) return;
  uint16_t port = ntohs(target.sin_port);
  if (port == kOutbound || port == kInbound) return;  // nobody was redirected: it came here by itself
  // 127.0.0.6 tells the rules that this is the proxy speaking to its application.
  UniqueFd server = Connect(target, inbound ? "127.0.0.6" : nullptr);
  if (!server.valid()) return;
  Forward(client, server, inbound ? "x-mesh-inbound: yes" : "x-mesh-outbound: yes");
}

// A thread for each connection, until `stop`.
int AcceptOn(std::initializer_list<uint16_t> ports, void (*serve)(UniqueFd, uint16_t), const std::stop_token& stop) {
  WakeFd wake(stop);
  std::vector<std::jthread> acceptors;
  for (uint16_t port : ports) {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int one = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
        ::listen(listener.get(), 512) != 0) {
      fprintf(stderr, "port %d: %s\n", port, strerror(errno));
      return 1;
    }
    acceptors.emplace_back([fd = std::move(listener), port, serve, &wake] {
      while (true) {
        auto ready = WaitFd(fd.get(), POLLIN, std::chrono::hours(1), wake.fd());
        if (!ready.ok() && ready.error().code == Code::kUnavailable) return;
        UniqueFd c(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (c.valid()) std::thread(serve, std::move(c), port).detach();
      }
    });
  }
  acceptors.clear();
  return 0;
}

int Proxy(const std::stop_token& stop) {
  return AcceptOn(
      {kOutbound, kInbound}, [](UniqueFd fd, uint16_t port) { Relay(std::move(fd), port == kInbound); }, stop);
}

// A connection to an address of RFC 5737 that no network has. Where traffic is redirected, the proxy or its closed port
// answers; where it is not, there is no way to that address.
bool IsRedirected() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval limit{2, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in nowhere{};
  nowhere.sin_family = AF_INET;
  nowhere.sin_port = htons(80);
  inet_pton(AF_INET, "192.0.2.1", &nowhere.sin_addr);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&nowhere), sizeof nowhere) == 0 || errno == ECONNREFUSED;
}

// The application's first act.
void SayWhetherRedirected() {
  printf("{\"redirectedAtStart\": %s}\n", IsRedirected() ? "true" : "false");
  fflush(stdout);
}

int Validate(const std::stop_token& stop) {
  for (auto end = SteadyNow() + std::chrono::seconds(5); SteadyNow() < end; SleepFor(Millis(200), stop))
    if (IsRedirected()) return 0;
  fprintf(stderr, "traffic is not redirected\n");
  return 126;
}

// Requests have no bodies here; each answer names the marks that its request carries.
void Answer(UniqueFd fd) {
  SetTimeout(fd.get(), 600);
  std::string in;
  char buf[4096];
  while (true) {
    size_t end = in.find("\r\n\r\n");
    if (end == in.npos) {
      ssize_t n = in.size() > sizeof buf ? 0 : ::recv(fd.get(), buf, sizeof buf, 0);
      if (n <= 0) return;
      in.append(buf, static_cast<size_t>(n));
      continue;
    }
    std::string head = in.substr(0, end);
    in.erase(0, end + 4);
    auto marked = [&](const char* mark) { return head.find(mark) != head.npos; };
    std::string body = head.starts_with("GET /healthz ") ? "ok\n"
                                                         : std::string(marked("x-mesh-outbound") ? "outbound" : "-") +
                                                               "," + (marked("x-mesh-inbound") ? "inbound" : "-");
    if (!SendAll(fd.get(), "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: " +
                               std::to_string(body.size()) + "\r\n\r\n" + body))
      return;
  }
}

int StandInForIstiod(const std::stop_token& stop) {
  return AcceptOn(
      {kServer}, [](UniqueFd fd, uint16_t) { Answer(std::move(fd)); }, stop);
}

int Serve(const std::stop_token& stop) {
  SayWhetherRedirected();
  return AcceptOn(
      {kServer}, [](UniqueFd fd, uint16_t) { Answer(std::move(fd)); }, stop);
}

struct Stats {
  std::atomic<int64_t> requests{0}, failed{0}, unmarked{0}, broken{0}, connections{0};

  // The slowest answered request since it was last taken, and when it began.
  struct Slowest {
    int64_t at_ms = 0, took_ms = 0;
  };
  void Took(int64_t ms) {
    std::lock_guard lock(mu_);
    if (ms >= slowest_.took_ms)
      slowest_ = {std::chrono::duration_cast<Millis>(WallNow().time_since_epoch()).count() - ms, ms};
  }
  Slowest TakeSlowest() {
    std::lock_guard lock(mu_);
    return std::exchange(slowest_, {});
  }

 private:
  std::mutex mu_;
  Slowest slowest_;
};

// One request on an open connection. false: the connection is of no use any more.
bool Ping(int fd, Stats& s) {
  auto started = SteadyNow();
  ++s.requests;
  std::string answer;
  if (SendAll(fd, "GET /ping HTTP/1.1\r\nHost: mesh\r\n\r\n")) {
    char buf[4096];
    while (true) {
      size_t head = answer.find("\r\n\r\n"), length = answer.find("content-length: ");
      if (head != answer.npos && length < head &&
          answer.size() >= head + 4 + static_cast<size_t>(atoi(answer.c_str() + length + 16))) {
        if (answer.substr(head + 4) != "outbound,inbound") ++s.unmarked;
        s.Took(std::chrono::duration_cast<Millis>(SteadyNow() - started).count());
        return true;
      }
      ssize_t n = ::recv(fd, buf, sizeof buf, 0);
      if (n <= 0) break;
      answer.append(buf, static_cast<size_t>(n));
    }
  }
  ++s.failed;
  return false;
}

int RunClient(const std::string& list, const std::stop_token& stop) {
  SayWhetherRedirected();
  Stats s;
  std::vector<std::jthread> threads;
  for (const std::string& target : SplitNonEmpty(list, ',')) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(ParseInt(target.substr(target.find(':') + 1)).value_or(0)));
    inet_pton(AF_INET, target.substr(0, target.find(':')).c_str(), &to.sin_addr);
    // The application may start before its proxy listens; counting begins with the first answer.
    for (Stats warm_up; SleepFor(Millis(20), stop);)
      if (UniqueFd fd = Connect(to, nullptr); fd.valid() && Ping(fd.get(), warm_up)) break;
    threads.emplace_back([&s, to, stop] {  // the long connection
      UniqueFd fd = Connect(to, nullptr);
      while (SleepFor(Millis(100), stop)) {
        if (fd.valid() && Ping(fd.get(), s)) continue;
        ++s.broken;
        fd = Connect(to, nullptr);
      }
    });
    threads.emplace_back([&s, to, stop] {  // new connections, with three targets twenty a second
      while (SleepFor(Millis(150), stop)) {
        ++s.connections;
        UniqueFd fd = Connect(to, nullptr);
        if (fd.valid())
          Ping(fd.get(), s);
        else
          ++s.requests, ++s.failed;
      }
    });
  }
  do {
    auto [at, took] = s.TakeSlowest();
    printf(
        "{\"requests\": %ld, \"failed\": %ld, \"unmarked\": %ld, \"broken\": %ld, \"connections\": %ld, "
        "\"slowest\": [%ld, %ld]}\n",
        s.requests.load(), s.failed.load(), s.unmarked.load(), s.broken.load(), s.connections.load(), at, took);
    fflush(stdout);
  } while (SleepFor(Millis(1000), stop));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string what = argc > 1 ? argv[1] : "";
  cmd::StopOnSignals signals;
  if (what == "discovery") return StandInForIstiod(signals.token());
  if (what == "proxy" && argc > 2 && argv[2] == std::string_view("ztunnel"))
    return RunZtunnel("/var/run/ztunnel/ztunnel.sock", signals.token());
  if (what == "proxy") return Proxy(signals.token());
  if (what == "ztunnel") return RunZtunnel(argc > 2 ? argv[2] : "/var/run/ztunnel/ztunnel.sock", signals.token());
  if (what == "validate") return Validate(signals.token());
  if (what == "server") return Serve(signals.token());
  if (what == "client" && argc == 3) return RunClient(argv[2], signals.token());
  fprintf(stderr,
          "usage: mesh-sample proxy | ztunnel [SOCKET] | discovery | validate | server | client ADDRESS:PORT,...\n");
  return 2;
}
