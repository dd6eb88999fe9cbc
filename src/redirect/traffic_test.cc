// Traffic through every kind of rule, in real namespaces: who connects where ends up at which listener.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "redirect/host_probes.h"
#include "redirect/testing.h"

namespace fairlead::redirect {
namespace {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
  Endpoint(const std::string& ip, uint16_t port) {
    if (ip.find(':') == ip.npos) {
      auto& in = reinterpret_cast<sockaddr_in&>(address);
      in.sin_family = AF_INET;
      in.sin_port = htons(port);
      inet_pton(AF_INET, ip.c_str(), &in.sin_addr);
      size = sizeof in;
    } else {
      auto& in6 = reinterpret_cast<sockaddr_in6&>(address);
      in6.sin6_family = AF_INET6;
      in6.sin6_port = htons(port);
      inet_pton(AF_INET6, ip.c_str(), &in6.sin6_addr);
      size = sizeof in6;
    }
  }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&address); }
};

struct Who {
  unsigned uid = 1000;
  uint32_t mark = 0;
  std::string from;
};

// A socket that belongs to `who`, made by this thread alone: the raw calls, not the library's, which change the whole
// process.
UniqueFd SocketOf(const Who& who, int family, int type) {
  ::syscall(SYS_setresgid, who.uid, who.uid, 0);
  ::syscall(SYS_setresuid, who.uid, who.uid, 0);
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  ::syscall(SYS_setresuid, 0, 0, 0);
  ::syscall(SYS_setresgid, 0, 0, 0);
  if (who.mark) ::setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &who.mark, sizeof who.mark);
  return fd;
}

// Listeners in one namespace, TCP and UDP, each of which answers with its port; the one of TPROXY with the address that
// was meant, too.
class Listeners {
 public:
  Listeners(const UniqueFd& netns, const std::string& name, const Who& who, const std::vector<uint16_t>& ports)
      : name_(name) {
    EXPECT_TRUE(kernel::RunInNetns(netns.get(), [&]() -> Status {
                  for (uint16_t port : ports)
                    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
                      UniqueFd fd = SocketOf(who, AF_INET6, type);
                      int one = 1, zero = 0;
                      ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
                      ::setsockopt(fd.get(), SOL_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
                      ::setsockopt(fd.get(), SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof one);
                      ::setsockopt(fd.get(), SOL_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
                      Endpoint any("::", port);
                      if (::bind(fd.get(), any.raw(), any.size) != 0) return ErrnoError("bind", errno);
                      if (type == SOCK_STREAM && ::listen(fd.get(), 64) != 0) return ErrnoError("listen", errno);
                      sockets_.push_back({std::move(fd), port, type});
                    }
                  return {};
                }).ok());
    thread_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
  }

 private:
  struct Socket {
    UniqueFd fd;
    uint16_t port;
    int type;
  };
  void Serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::vector<pollfd> fds;
      for (const Socket& s : sockets_) fds.push_back({s.fd.get(), POLLIN, 0});
      if (::poll(fds.data(), fds.size(), 20) <= 0) continue;
      for (size_t i = 0; i < fds.size(); ++i)
        if (fds[i].revents) Answer(sockets_[i]);
    }
  }
  void Answer(const Socket& s) {
    std::string text = name_ + ":" + std::to_string(s.port);
    if (s.type == SOCK_DGRAM) {
      // Answers from the address that was asked, as a DNS proxy does: otherwise the rules' way back does not fit.
      char buf[64], control[256];
      sockaddr_storage from{};
      iovec in{buf, sizeof buf}, out{text.data(), text.size()};
      msghdr message{&from, sizeof from, &in, 1, control, sizeof control, 0};
      if (::recvmsg(s.fd.get(), &message, 0) < 0) return;
      for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_type == IPV6_PKTINFO) reinterpret_cast<in6_pktinfo*>(CMSG_DATA(c))->ipi6_ifindex = 0;
      message.msg_iov = &out;
      (void)!::sendmsg(s.fd.get(), &message, 0);
      return;
    }
    UniqueFd c(::accept(s.fd.get(), nullptr, nullptr));
    sockaddr_in6 local{};
    socklen_t len = sizeof local;
    ::getsockname(c.get(), reinterpret_cast<sockaddr*>(&local), &len);
    if (ntohs(local.sin6_port) != s.port) text += " for port " + std::to_string(ntohs(local.sin6_port));
    (void)!::write(c.get(), text.data(), text.size());
  }
  std::string name_;
  std::vector<Socket> sockets_;
  std::jthread thread_;
};

class Traffic : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    if (!netns.valid()) return;
    pod = New();
    outside = New();
    // The pod's end of the link is made from outside, by the number of a descriptor that both can name.
    Status s = In(outside, [&]() -> Status {
      std::string peer = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(pod.get());
      FL_ASSIGN(RunResult r,
                RunProgram({"ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", peer}));
      return r.exit_status == 0 ? Status() : MakeError(Code::kInternal, r.err);
    });
    ASSERT_TRUE(s.ok()) << s.error().message;
    Ip(outside,
       "link set veth0 up\naddr add 10.9.0.1/24 dev veth0\naddr add fd09::1/64 dev veth0 nodad\naddr add "
       "169.254.7.127/32 dev veth0\n");
    Ip(pod,
       "link set eth0 up\naddr add 10.9.0.2/24 dev eth0\naddr add fd09::2/64 dev eth0 nodad\nroute add default via "
       "10.9.0.1\n");
    application.emplace(pod, "pod", Who{}, std::vector<uint16_t>{80});
    out_there.emplace(outside, "outside", Who{.uid = 0}, std::vector<uint16_t>{80, 53, 8443});
  }
  void ServeAs(const Who& who) {
    proxy.emplace(pod, "pod", who, std::vector<uint16_t>{15001, 15006, 15008, 15021, 15053});
  }
  void Apply(const PodConfig& config, BackendKind kind) {
    auto applied = programmer.Apply(pod.get(), config, kind);
    ASSERT_TRUE(applied.ok()) << applied.error().message;
  }
  void Clear() {
    Status s = Nft(pod, "flush ruleset");
    EXPECT_TRUE(s.ok()) << s.error().message;
    (void)In(pod, [] {
      for (bool v6 : {false, true})
        (void)kernel::IptablesRestore(kernel::Iptables::kLegacy, v6,
                                      "*nat\n-F\n-X\nCOMMIT\n*mangle\n-F\n-X\nCOMMIT\n*raw\n-F\n-X\nCOMMIT\n")
            .ok();
      return Status();
    }).ok();
  }
  // What a connection (or datagram) is answered with.
  std::string Reach(const UniqueFd& from, const std::string& ip, uint16_t port, Who who = {}, int type = SOCK_STREAM) {
    std::string answer;
    (void)kernel::RunInNetns(from.get(), [&]() -> Status {
      Endpoint to(ip, port);
      UniqueFd fd = SocketOf(who, to.raw()->sa_family, type);
      timeval limit{10, 0};  // a link that was just made may lose the first packet; the kernel sends it again after 1 s
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      if (!who.from.empty()) {
        Endpoint source(who.from, 0);
        ::bind(fd.get(), source.raw(), source.size);
      }
      if (::connect(fd.get(), to.raw(), to.size) != 0) {
        answer = errno == ECONNREFUSED ? "refused" : strerror(errno);
        return {};
      }
      if (type == SOCK_DGRAM) (void)!::write(fd.get(), "?", 1);
      char buf[128];
      ssize_t n = ::read(fd.get(), buf, sizeof buf);
      answer = n < 0 ? strerror(errno) : std::string(buf, static_cast<size_t>(n));
      return {};
    }).ok();
    return answer;
  }
  static std::vector<BackendKind> Backends() {
    std::vector<BackendKind> out{BackendKind::kNft};
    for (auto [which, kind] : {std::pair{kernel::Iptables::kNft, BackendKind::kIptablesNft},
                               {kernel::Iptables::kLegacy, BackendKind::kIptablesLegacy}})
      if (kernel::IptablesSave(which, false).ok()) out.push_back(kind);
    return out;
  }
  static constexpr Who kProxy{.uid = 1337};
  UniqueFd pod, outside;
  std::optional<Listeners> application, proxy, out_there;
};

TEST_F(Traffic, OfASidecarIsCapturedExcludedAndBypassed) {
  ServeAs(kProxy);
  SidecarConfig config;
  config.dual_stack = true;
  config.exclude_outbound_ports = {8443};
  config.dns_capture = true;
  for (BackendKind kind : Backends()) {
    SCOPED_TRACE(BackendName(kind));
    Apply(config, kind);
    for (auto [inside, out] : {std::pair{"10.9.0.2", "10.9.0.1"}, {"fd09::2", "fd09::1"}}) {
      SCOPED_TRACE(inside);
      EXPECT_EQ(Reach(outside, inside, 80), "pod:15006") << "inbound is captured";
      EXPECT_EQ(Reach(outside, inside, 15021), "pod:15021") << "the health port is not";
      EXPECT_EQ(Reach(outside, inside, 15008), "pod:15008") << "nor the tunnel's";
      EXPECT_EQ(Reach(pod, out, 80), "pod:15001") << "outbound is captured";
      EXPECT_EQ(Reach(pod, out, 8443), "outside:8443") << "an excluded port is not";
      EXPECT_EQ(Reach(pod, out, 80, kProxy), "outside:80") << "nor what the proxy sends";
      EXPECT_EQ(Reach(pod, inside, 80), "pod:80") << "an application reaches itself";
      EXPECT_EQ(Reach(pod, inside, 80, kProxy), "pod:15006") << "the proxy reaches the application as inbound";
      EXPECT_EQ(Reach(pod, out, 53, {}, SOCK_DGRAM), "pod:15053") << "DNS is captured";
      EXPECT_EQ(Reach(pod, out, 53), "pod:15053");
      EXPECT_EQ(Reach(pod, out, 53, kProxy, SOCK_DGRAM), "outside:53") << "the proxy's own is not";
    }
    EXPECT_EQ(Reach(pod, "127.0.0.1", 80), "pod:80");
    Clear();
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:80")
        << "without rules nothing is captured: the test sees the difference";
  }
}

TEST_F(Traffic, OfASidecarKeepsToItsRanges) {
  ServeAs(kProxy);
  SidecarConfig config;
  config.include_ip_ranges = {"10.0.0.0/8"};
  config.exclude_ip_ranges = {"10.9.0.1/32"};
  config.include_inbound_ports = "80";
  for (BackendKind kind : Backends()) {
    SCOPED_TRACE(BackendName(kind));
    Apply(config, kind);
    EXPECT_EQ(Reach(pod, "10.9.0.1", 80), "outside:80") << "excluded";
    EXPECT_EQ(Reach(pod, "10.9.0.77", 80), "pod:15001") << "included, though nobody is there";
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:15006");
    EXPECT_EQ(Reach(outside, "10.9.0.2", 15053), "pod:15053") << "not among the inbound ports";
    Clear();
  }
}

TEST_F(Traffic, WithTproxyArrivesWithItsOwnAddress) {
  ServeAs(kProxy);
  SidecarConfig config;
  config.interception_mode = "TPROXY";
  config.dual_stack = true;
  for (BackendKind kind : Backends()) {
    SCOPED_TRACE(BackendName(kind));
    Apply(config, kind);
    for (const char* inside : {"10.9.0.2", "fd09::2"}) {
      EXPECT_EQ(Reach(outside, inside, 80), "pod:15006 for port 80");
      EXPECT_EQ(Reach(outside, inside, 15021), "pod:15021");
    }
    EXPECT_EQ(Reach(pod, "10.9.0.1", 80), "pod:15001");
    EXPECT_EQ(Reach(pod, "10.9.0.1", 80, kProxy), "outside:80");
    Clear();
  }
}

TEST_F(Traffic, OfAnAmbientPodGoesToZtunnelExceptForProbes) {
  const Who ztunnel{.uid = 0, .mark = 0x539};
  ServeAs(ztunnel);
  HostProbes probes(std::move(*outside.Duplicate()), "169.254.7.127", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff");
  ASSERT_TRUE(*probes.Ensure());
  for (BackendKind kind : Backends()) {
    SCOPED_TRACE(BackendName(kind));
    Apply(AmbientConfig{}, kind);
    for (auto [inside, out] : {std::pair{"10.9.0.2", "10.9.0.1"}, {"fd09::2", "fd09::1"}}) {
      SCOPED_TRACE(inside);
      EXPECT_EQ(Reach(outside, inside, 80), "pod:15006") << "plain text from outside";
      EXPECT_EQ(Reach(outside, inside, 15008), "pod:15008") << "the tunnel";
      EXPECT_EQ(Reach(pod, out, 80), "pod:15001") << "what the application sends";
      EXPECT_EQ(Reach(pod, out, 80, ztunnel), "outside:80") << "what ztunnel sends";
      EXPECT_EQ(Reach(pod, inside, 80), "pod:80") << "an application reaches itself";
      EXPECT_EQ(Reach(pod, inside, 80, ztunnel), "pod:80") << "ztunnel reaches the application";
      EXPECT_EQ(Reach(pod, out, 53, {}, SOCK_DGRAM), "pod:15053");
      EXPECT_EQ(Reach(pod, out, 53), "pod:15053");
      EXPECT_EQ(Reach(pod, out, 53, ztunnel, SOCK_DGRAM), "outside:53");
    }
    // A probe is what the node sends itself; its source is changed to the one that the pod lets pass.
    ASSERT_TRUE(probes.Set("uid", {"10.9.0.2"}).ok());
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:80");
    EXPECT_FALSE(*probes.Ensure()) << "nothing changed, nothing written";
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:80");
    ASSERT_TRUE(probes.Remove("another").ok());
    EXPECT_EQ(*probes.KeepOnly([](const std::string& uid) { return uid == "uid"; }), 0);
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:80");
    ASSERT_TRUE(probes.Remove("uid").ok());
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:15006");

    AmbientConfig bypass;
    bypass.bypass_inbound = true;
    bypass.dns_capture = false;
    Apply(bypass, kind);
    EXPECT_EQ(Reach(outside, "10.9.0.2", 80), "pod:80") << "inbound is left alone";
    EXPECT_EQ(Reach(pod, "10.9.0.1", 80), "pod:15001");
    EXPECT_EQ(Reach(pod, "10.9.0.1", 53, {}, SOCK_DGRAM), "outside:53") << "and so is DNS, once that is turned off";
    ASSERT_TRUE(programmer.Remove(pod.get(), bypass).ok());
    EXPECT_EQ(Reach(pod, "10.9.0.1", 80), "outside:80") << "out of the mesh";
  }
}

}  // namespace
}  // namespace fairlead::redirect
