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
