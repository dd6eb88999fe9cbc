#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "util/clock.h"
#include "util/file.h"
#include "util/line_diff.h"
#include "util/strings.h"
#include "util/subprocess.h"
#include "util/unix_socket.h"

namespace fairlead {
namespace {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/fairlead-test-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

TEST(HumanDuration, PrintsAgesAsKubectlDoes) {
  const std::pair<long, const char*> cases[] = {{-5, "<invalid>"}, {-1, "0s"},       {95, "95s"},       {119, "119s"},
                                                {330, "5m30s"},    {300, "5m"},      {10200, "170m"},   {25500, "7h5m"},
                                                {144000, "40h"},   {183600, "2d3h"}, {34560000, "400d"}};
  for (auto [seconds, want] : cases) EXPECT_EQ(HumanDuration(std::chrono::seconds(seconds)), want) << seconds;
}

TEST(Rfc3339, RoundTripsAndRefusesWhatIsNoTime) {
  auto t = ParseRfc3339("2026-01-02T03:04:05Z");
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(Rfc3339(*t), "2026-01-02T03:04:05Z");
  EXPECT_EQ(Rfc3339(*ParseRfc3339("2026-01-02T05:04:05+02:00")), "2026-01-02T03:04:05Z");
  for (const char* bad : {"", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05Q"})
    EXPECT_FALSE(ParseRfc3339(bad).ok()) << bad;
}

TEST(Shorten, LeavesOutTheMiddleAndNoHalfCharacter) {
  EXPECT_EQ(Shorten("short", 5), "short");
  EXPECT_EQ(Shorten("template t.yaml: calling a, calling b, calling c: nil", 27), "template t [...] ing c: nil");
  for (size_t n = 0; n < 30; ++n) {
    std::string s = Shorten("ääääääääääääääääääää", n);
    EXPECT_LE(s.size(), std::max<size_t>(n, 7)) << n;
    EXPECT_EQ(s.find(" [...] ") % 2, 0u) << s;
  }
}

TEST(DiffText, ShowsTheChangedLinesAndWhatIsAround) {
  std::string a = "a\nb\nc\nd\ne\nf\ng\n", b = "a\nb\nc\nD\ne\nf\ng\nh\n";
  EXPECT_EQ(DiffText(a, a, 3), "");
  EXPECT_EQ(DiffText(a, b, -1), "  a\n  b\n  c\n- d\n+ D\n  e\n  f\n  g\n+ h\n");
  EXPECT_EQ(DiffText(a, b, 1), "...\n  c\n- d\n+ D\n  e\n...\n  g\n+ h\n");
  EXPECT_EQ(DiffText("", "x\n", 3), "+ x\n");
  EXPECT_EQ(DiffText("x\n", "", 3), "- x\n");
}

// Whatever the texts are, what is marked leads from one to the other, and no fewer marks would.
TEST(DiffLines, LeadFromOneTextToTheOther) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> texts(2);
    for (std::string& t : texts)
      for (size_t n = random() % 12; n > 0; --n) t += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
    std::string before, after;
    size_t marked = 0;
    for (const DiffLine& l : DiffLines(texts[0], texts[1])) {
      marked += l.mark != ' ';
      if (l.mark != '+') before += std::string(l.text) + "\n";
      if (l.mark != '-') after += std::string(l.text) + "\n";
    }
    ASSERT_EQ(before, texts[0]);
    ASSERT_EQ(after, texts[1]);
    size_t n = texts[0].size() / 2, m = texts[1].size() / 2;
    std::vector<std::vector<size_t>> common(n + 1, std::vector<size_t>(m + 1));
    for (size_t i = 1; i <= n; ++i)
      for (size_t k = 1; k <= m; ++k)
        common[i][k] = texts[0][2 * i - 2] == texts[1][2 * k - 2] ? common[i - 1][k - 1] + 1
                                                                  : std::max(common[i - 1][k], common[i][k - 1]);
    ASSERT_EQ(marked, n + m - 2 * common[n][m]) << texts[0] << "--\n" << texts[1];
  }
}

TEST(Base64, RoundTripsAnyBytes) {
  for (size_t n = 0; n < 70; ++n) {
    std::string bytes;
    for (size_t i = 0; i < n; ++i) bytes += static_cast<char>(i * 37 + n);
    EXPECT_EQ(*Base64Decode(Base64Encode(bytes)), bytes);
  }
  EXPECT_FALSE(Base64Decode("a*b").ok());
}

TEST(WriteFileAtomic, ReplacesWithoutLeavingATemporaryFile) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir / "a", "one", 0600).ok());
  ASSERT_TRUE(WriteFileAtomic(dir / "a", "two", 0644).ok());
  EXPECT_EQ(*ReadFile(dir / "a"), "two");
  EXPECT_EQ(ListDirectory(dir / "")->size(), 1u);
  EXPECT_FALSE(WriteFileAtomic(dir / "missing/a", "x").ok());
  EXPECT_EQ(ReadFile(dir / "a", 2).error().code, Code::kInvalid);
  EXPECT_EQ(ReadFile(dir / "b").error().code, Code::kNotFound);
}

// A plugin is replaced while the agent starts iptables for a pod, and the runtime executes the plugin at once.
TEST(WriteFileAtomic, AnExecutableCanBeExecutedAtOnceWhateverElseIsStarted) {
  TempDir dir;
  auto program = ReadFile("/bin/true", 1 << 22);
  ASSERT_TRUE(program.ok());
  auto start_others = [](const std::stop_token& stop) {
    while (!stop.stop_requested()) EXPECT_TRUE(RunProgram({"/bin/true"}).ok());
  };
  std::jthread one(start_others), two(start_others);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(WriteFileAtomic(dir / "plugin", *program, 0755).ok());
    auto ran = RunProgram({dir / "plugin"});
    ASSERT_TRUE(ran.ok()) << "round " << i << ": " << ran.error().message;
  }
}

TEST(RunProgram, CollectsOutputAndEndsWhatTakesTooLong) {
  auto r = RunProgram({"sh", "-c", "cat; echo err >&2; exit 3"}, {.input = "hello"});
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->out, "hello");
  EXPECT_EQ(r->err, "err\n");
  EXPECT_EQ(r->exit_status, 3);
  auto slow = RunProgram({"sleep", "100"}, {.timeout = Millis(50)});
  ASSERT_FALSE(slow.ok());
  EXPECT_EQ(slow.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(RunProgram({"/no/such/program"}).error().code, Code::kNotFound);
  EXPECT_FALSE(RunProgram({"sh", "-c", "yes"}, {.output_limit = 1000}).ok());
}

TEST(UnixSocket, CarriesDescriptorsAndSaysWhoIsThere) {
  TempDir dir;
  auto listener = ListenUnix(dir / "s", SocketKind::kSeqPacket, 0600);
  ASSERT_TRUE(listener.ok()) << listener.error().message;
  auto client = ConnectUnix(dir / "s", SocketKind::kSeqPacket);
  ASSERT_TRUE(client.ok());
  UniqueFd server(::accept(listener->get(), nullptr, nullptr));
  EXPECT_EQ(GetPeerCredentials(server.get())->uid, ::geteuid());
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  UniqueFd in(pipe_fds[0]), out(pipe_fds[1]);
  ASSERT_TRUE(SendWithFds(client->get(), "take this", {out.get()}).ok());
  auto got = ReceiveWithFds(server.get(), 100);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->bytes, "take this");
  ASSERT_EQ(got->fds.size(), 1u);
  ASSERT_EQ(::write(got->fds[0].get(), "x", 1), 1);
  EXPECT_TRUE(WaitFd(in.get(), POLLIN, Millis(1000)).ok());
  ASSERT_TRUE(SendWithFds(client->get(), std::string(200, 'a'), {}).ok());
  EXPECT_EQ(ReceiveWithFds(server.get(), 100).error().code, Code::kInvalid) << "a truncated message is refused";
}

TEST(UnixSocket, TakesAPathOverWithoutItEverMissing) {
  TempDir dir;
  auto first = ListenUnix(dir / "s", SocketKind::kStream, 0600);
  auto second = ListenUnix(dir / "s", SocketKind::kStream, 0600);
  ASSERT_TRUE(second.ok());
  auto client = ConnectUnix(dir / "s", SocketKind::kStream);
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(WaitFd(second->get(), POLLIN, Millis(1000)).ok()) << "the new listener gets the connection";
  second->reset();
  EXPECT_EQ(ConnectUnix(dir / "s", SocketKind::kStream).error().code, Code::kUnavailable) << "nobody listens";
  EXPECT_EQ(ConnectUnix(dir / "t", SocketKind::kStream).error().code, Code::kNotFound);
}

TEST(WakeFd, EndsAWaitWhenStopIsRequested) {
  std::stop_source stop;
  WakeFd wake(stop.get_token());
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  UniqueFd in(fds[0]), out(fds[1]);
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(WaitFd(in.get(), POLLIN, std::chrono::seconds(20), wake.fd()).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace fairlead
