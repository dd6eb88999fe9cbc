#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "http/certificates.h"
#include "http/client.h"
#include "http/server.h"
#include "util/clock.h"

namespace fairlead::http {
namespace {

void Echo(Request& r, ResponseWriter& w) {
  if (r.path == "/stream") {
    w.BeginStream(200, "text/plain");
    for (int i = 0; i < 3; ++i) w.Write("part" + std::to_string(i) + "\n");
    return;
  }
  if (r.path == "/wait") {
    w.BeginStream(200, "text/plain");
    w.Write("first\n");
    while (!w.ClientGone() && !WaitFd(w.wake_fd(), POLLIN, Millis(20)).ok()) {
    }
    return;
  }
  w.Send(200, "text/plain",
         r.method + " " + r.path + " " + r.Query("q") + " " + r.body + " " + r.peer.cert_common_name + " " +
             std::to_string(r.fds.size()));
}

std::string Url(int fd, bool tls = false) {
  return std::string(tls ? "https" : "http") + "://127.0.0.1:" + std::to_string(LocalPort(fd));
}

TEST(Http, CarriesRequestsAndStreams) {
  Server server({}, Echo);
  auto l = ListenTcp("127.0.0.1", 0);
  std::string url = Url(l->get());
  ASSERT_TRUE(server.AddListener(std::move(*l)).ok());
  Client client({.base_url = url});
  for (int i = 0; i < 3; ++i) {
    auto r = client.Do({.method = "POST", .target = "/a%20b?q=x%2By", .body = "body"});
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_EQ(r->body, "POST /a b x+y body  0");
  }
  std::string got;
  ASSERT_TRUE(client.Stream({.target = "/stream"}, [&](std::string_view b) { return got.append(b), true; }, {}).ok());
  EXPECT_EQ(got, "part0\npart1\npart2\n");
}

// Answers each connection with the same bytes, and closes it unless `hang`.
class Scripted {
 public:
  explicit Scripted(std::string bytes, bool hang = false) : listener_(std::move(*ListenTcp("127.0.0.1", 0))) {
    thread_ = std::jthread([this, bytes = std::move(bytes), hang](std::stop_token stop) {
      WakeFd wake(stop);
      std::vector<UniqueFd> held;
      while (WaitFd(listener_.get(), POLLIN, std::chrono::hours(1), wake.fd()).ok()) {
        UniqueFd c(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        char request[4096];
        (void)!::recv(c.get(), request, sizeof request, 0);
        (void)!::send(c.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (hang) held.push_back(std::move(c));
      }
    });
  }
  std::string url() const { return Url(listener_.get()); }

 private:
  UniqueFd listener_;
  std::jthread thread_;
};

TEST(Http, ClientSurvivesServersThatMisbehave) {
  struct {
    const char* name;
    std::string bytes;
    bool hang;
    std::optional<Code> error;
    std::string body;
  } cases[] = {
      {"closes at once", "", false, Code::kUnavailable, ""},
      {"says nothing", "", true, Code::kDeadlineExceeded, ""},
      {"is no HTTP server", "SSH-2.0-x\r\n\r\n", false, Code::kUnavailable, ""},
      {"stops in its header", "HTTP/1.1 200 OK\r\ncontent-le", true, Code::kDeadlineExceeded, ""},
      {"ends before its length", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", false, Code::kUnavailable, ""},
      {"ends in a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", false, Code::kUnavailable,
       ""},
      {"has an endless header", "HTTP/1.1 200 OK\r\nx: " + std::string(1 << 20, 'a'), false, Code::kUnavailable, ""},
      {"ends its body by closing", "HTTP/1.1 200 OK\r\n\r\nall of it", false, std::nullopt, "all of it"},
      {"has no body", "HTTP/1.1 204 No Content\r\n\r\n", true, std::nullopt, ""},
      {"answers in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", true,
       std::nullopt, "abc"},
  };
  for (const auto& c : cases) {
    Scripted server(c.bytes, c.hang);
    auto r = Client({.base_url = server.url()}).Do({.target = "/", .timeout = Millis(300)});
    EXPECT_EQ(r.ok(), !c.error) << c.name << (r.ok() ? "" : ": " + r.error().message);
    if (!r.ok() && c.error) {
      EXPECT_EQ(r.error().code, *c.error) << c.name << ": " << r.error().message;
    }
    if (r.ok()) {
      EXPECT_EQ(r->body, c.body) << c.name;
    }
  }
  Scripted plain("HTTP/1.1 400 Bad Request\r\n\r\n");
  auto no_tls = Client({.base_url = "https" + plain.url().substr(4)}).Do({.target = "/"});
  EXPECT_NE(no_tls.error().message.find("TLS handshake failed: wrong version number"), std::string::npos)
      << no_tls.error().message;
  EXPECT_EQ(Client({.base_url = "http://127.0.0.1:1"}).Do({.target = "/"}).error().code, Code::kUnavailable);
  EXPECT_EQ(Client({.base_url = "nonsense"}).Do({.target = "/"}).error().code, Code::kInvalid);
  EXPECT_EQ(Client({.base_url = "https://127.0.0.1:1", .ca_pem = "no PEM"}).Do({.target = "/"}).ok(), false);
}

TEST(Http, StopsAStreamWhenAsked) {
  Server server({}, Echo);
  auto l = ListenTcp("127.0.0.1", 0);
  std::string url = Url(l->get());
  ASSERT_TRUE(server.AddListener(std::move(*l)).ok());
  Client client({.base_url = url});
  std::stop_source stop;
  auto r = client.Stream(
      {.target = "/wait"}, [&](std::string_view) { return stop.request_stop(), true; }, stop.get_token());
  EXPECT_FALSE(r.ok());
}

TEST(Http, SpeaksTlsAndKnowsItsClients) {
  auto ca = CreateAuthority("test-ca", 1), other = CreateAuthority("other-ca", 1);
  auto cert =
      IssueCertificate(*ca, {.common_name = "server", .organizations = {}, .days = 1, .alt_names = {"IP:127.0.0.1"}});
  auto user = IssueCertificate(*ca, {.common_name = "alice", .organizations = {"admins"}, .days = 1, .alt_names = {}});
  ASSERT_TRUE(user.ok());
  TlsIdentity identity{cert->certificate, cert->key, ca->certificate};
  Server server({}, Echo);
  auto l = ListenTcp("127.0.0.1", 0);
  std::string url = Url(l->get(), true);
  ASSERT_TRUE(server.AddListener(std::move(*l), &identity).ok());
  Client alice({.base_url = url, .ca_pem = ca->certificate, .cert_pem = user->certificate, .key_pem = user->key});
  for (int i = 0; i < 3; ++i) {
    auto r = alice.Do({.target = "/x"});
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_NE(r->body.find("alice"), std::string::npos);
  }
  EXPECT_EQ(Client({.base_url = url, .ca_pem = other->certificate}).Do({.target = "/x"}).error().code,
            Code::kUnauthorized)
      << "a server of another authority";
  std::string by_name = url;
  by_name.replace(by_name.find("127.0.0.1"), 9, "localhost");
  EXPECT_EQ(Client({.base_url = by_name, .ca_pem = ca->certificate}).Do({.target = "/x"}).error().code,
            Code::kUnauthorized)
      << "a certificate for another name";
  EXPECT_EQ(Client({.base_url = url, .ca_pem = "no PEM"}).Do({.target = "/x"}).error().code, Code::kInvalid);
  auto anonymous = Client({.base_url = url, .ca_pem = ca->certificate}).Do({.target = "/x"});
  ASSERT_TRUE(anonymous.ok());
}

TEST(Http, TakesDescriptorsOverUnixSockets) {
  std::string path = "/tmp/fairlead-http-" + std::to_string(::getpid()) + ".sock";
  Server server({.max_body_bytes = 1000, .request_timeout = Millis(300)}, Echo);
  auto l = ListenUnix(path, SocketKind::kStream, 0600);
  ASSERT_TRUE(l.ok());
  ASSERT_TRUE(server.AddListener(std::move(*l)).ok());
  auto read_all = [](int fd) {
    std::string out;
    while (WaitFd(fd, POLLIN, Millis(3000)).ok()) {
      auto got = ReceiveWithFds(fd, 4096);
      if (!got.ok() || got->bytes.empty()) break;
      out += got->bytes;
    }
    return out;
  };
  auto c = ConnectUnix(path, SocketKind::kStream);
  ASSERT_TRUE(SendWithFds(c->get(), "GET /fds HTTP/1.1\r\nConnection: close\r\n\r\n", {0}).ok());
  EXPECT_NE(read_all(c->get()).find("GET /fds    1"), std::string::npos);
  // What is no request gets an answer or an end, soon, and the server goes on.
  for (std::string bad :
       {std::string("rubbish\r\n\r\n"), std::string("POST / HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n"), std::string(200000, 'x')}) {
    auto b = ConnectUnix(path, SocketKind::kStream);
    (void)SendWithFds(b->get(), bad, {}).ok();
    auto started = SteadyNow();
    std::string answer = read_all(b->get());
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4")) << answer;
    EXPECT_LT(SteadyNow() - started, std::chrono::seconds(3));
  }
  Client client({.base_url = "http://localhost", .unix_path = path});
  EXPECT_TRUE(client.Do({.target = "/ok"}).ok());
  ::unlink(path.c_str());
}

TEST(Http, AfterAPauseWhatWasAcceptedIsAnsweredAndWaitedFor) {
  Server server({}, Echo);
  std::string path = testing::TempDir() + "pause-" + std::to_string(::getpid());
  ASSERT_TRUE(server.AddListener(std::move(*ListenUnix(path, SocketKind::kStream, 0600))).ok());
  auto early = ConnectUnix(path, SocketKind::kStream), idle = ConnectUnix(path, SocketKind::kStream);
  ASSERT_TRUE(early.ok() && idle.ok());
  const std::string request = "GET /asked HTTP/1.1\r\nhost: x\r\n\r\n";
  auto answer = [](int fd) {
    char buf[4096];
    ssize_t n = WaitFd(fd, POLLIN, Millis(3000)).ok() ? ::recv(fd, buf, sizeof buf, 0) : -1;
    return std::string(buf, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  };
  ASSERT_GT(::send(idle->get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  ASSERT_NE(answer(idle->get()).find("/asked"), std::string::npos);
  server.Pause();
  EXPECT_FALSE(server.WaitForAnswers(Millis(50))) << "it was accepted, and has not said what it wants";
  ASSERT_GT(::send(early->get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  EXPECT_TRUE(server.WaitForAnswers(Millis(3000)));
  EXPECT_NE(answer(early->get()).find("/asked"), std::string::npos);
  EXPECT_EQ(answer(early->get()), "") << "closed with its answer";
  (void)::send(idle->get(), request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_EQ(answer(idle->get()), "") << "a connection that waited between requests gets no more of them served";
  ::unlink(path.c_str());
}

TEST(Http, PausesAndResumesWithoutLosingConnections) {
  Server server({}, Echo);
  auto l = ListenTcp("127.0.0.1", 0);
  std::string url = Url(l->get());
  ASSERT_TRUE(server.AddListener(std::move(*l)).ok());
  server.Pause();
  std::jthread resumer([&] {
    std::this_thread::sleep_for(Millis(100));
    server.Resume();
  });
  EXPECT_TRUE(Client({.base_url = url}).Do({.target = "/queued"}).ok());
  server.DropListeners();
  EXPECT_EQ(Client({.base_url = url}).Do({.target = "/x"}).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace fairlead::http
