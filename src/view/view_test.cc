// The live view: what is drawn, how changes reach viewers, and who may look.
#include <gtest/gtest.h>

#include <thread>

#include "http/client.h"
#include "util/strings.h"
#include "view/service.h"

namespace fairlead::view {
namespace {

using value::At;
using value::Str;

Json Cni(const std::string& version, const std::string& ready, const std::string& reason) {
  return {{"metadata", {{"name", "default"}, {"generation", 3}}},
          {"spec", {{"version", version}, {"namespace", "istio-cni"}}},
          {"status",
           {{"runningVersion", "v1.28.5"},
            {"state", reason},
            {"history", {{{"version", "v1.28.5"}, {"completedAt", "2026-01-02T03:04:05Z"}}}},
            {"rollout", {{"desired", 3}, {"updated", 1}, {"ready", 3}}},
            {"conditions",
             {{{"type", "Ready"},
               {"status", ready},
               {"reason", reason},
               {"message", "1 of 3"},
               {"observedGeneration", 3}}}}}}};
}

Agent On(const std::string& node, bool current, bool ready, const std::string& version) {
  Agent a;
  a.pod.node = node;
  a.pod.version = version;
  a.pod.current = current;
  a.pod.ready = a.pod.serves = ready;
  a.name = "istio-cni-node-" + node + version;
  return a;
}

struct World {
  Seen seen;
  World() {
    seen.cni = Cni("v1.28.6", "False", "Updating");
    for (const char* n : {"a", "b", "c"}) seen.nodes.emplace_back(n, true);
  }
  Agent& Add(Agent a) {
    seen.agents.push_back(std::move(a));
    return seen.agents.back();
  }
  Board Draw() { return view::Draw(seen); }
};

TEST(Board, ATileForEveryNodeSaysWhatServesIt) {
  World w;
  w.Add(On("a", true, true, "1.28.6"));
  w.Add(On("b", false, true, "1.28.5"));
  w.Add(On("b", true, false, "1.28.6"));
  Board board = w.Draw();
  EXPECT_EQ(board.nodes["a"].state, "serving");
  EXPECT_EQ(board.nodes["b"].state, "starting");
  EXPECT_TRUE(board.nodes["b"].covered) << "by the old agent";
  EXPECT_EQ(board.nodes["b"].version, "1.28.5") << "the one that serves";
  EXPECT_EQ(board.nodes["c"].state, "none");

  w.seen.agents.back().pod.failing =
      std::make_shared<mesh::FailingNode>(mesh::FailingNode{"b", "istio-cni-node-x", "ErrImagePull", "no such image"});
  w.Add(On("c", false, false, "1.28.5"));
  w.seen.nodes[0].second = false;
  board = w.Draw();
  EXPECT_EQ(board.nodes["a"].state, "down");
  EXPECT_EQ(board.nodes["b"].state, "failing");
  EXPECT_NE(board.nodes["b"].detail.find("no such image"), std::string::npos);
  EXPECT_EQ(board.nodes["c"].state, "uncovered");
  EXPECT_FALSE(board.nodes["c"].covered);
}

TEST(Board, TheNextActionIsTheSafeOne) {
  World w;
  auto next = [&] {
    w.Draw();
    return NextSafeAction(w.seen);
  };
  EXPECT_NE(next().command.find("kubectl wait"), std::string::npos) << "it goes on by itself";
  Agent& bad = w.Add(On("b", true, false, "1.28.6"));
  bad.pod.failing =
      std::make_shared<mesh::FailingNode>(mesh::FailingNode{"b", bad.name, "CrashLoopBackOff", "ended with status 1"});
  EXPECT_NE(next().command.find("kubectl logs -n istio-cni " + bad.name), std::string::npos);
  EXPECT_NE(next().text.find("\"version\":\"v1.28.5\""), std::string::npos) << "the way back";
  w.seen.agents.clear();
  w.seen.cni = Cni("v1.28.6", "True", "Healthy");
  EXPECT_EQ(next().command, "") << next().text;
  w.seen.newest = "v1.29.3";
  EXPECT_NE(next().command.find("v1.29.3"), std::string::npos);
  w.seen.planes = {
      {.kind = "IstioRevision", .name = "old", .version = "v1.26.0", .allowed = false, .message = "too old"}};
  EXPECT_NE(next().text.find("too old"), std::string::npos) << "first what is wrong";
  w.seen.pods.without = {"shop/cart-1"};
  EXPECT_EQ(next().command, "kubectl fairlead pods --at-risk") << "before anything else";
  w.seen = {};
  EXPECT_NE(next().text.find("no IstioCNI"), std::string::npos);
}

TEST(Board, WhatTheOperatorHasNotLookedAtIsNotShownAsReady) {
  World w;
  w.seen.cni = Cni("v1.28.6", "True", "Healthy");
  w.seen.cni["metadata"]["generation"] = 4;
  Json cni = Json::parse(w.Draw().sections["cni"]);
  EXPECT_FALSE(value::Bool(cni, "ready"));
  EXPECT_EQ(Str(cni, "reason"), "NotLookedAt");
}

// A hub over a board that the test changes.
struct Drawn {
  std::mutex mutex;
  Board board;
  std::atomic<int> times{0}, watched{0};
  Hub hub{[this] {
            ++times;
            std::lock_guard lock(mutex);
            return board;
          },
          [this](bool yes) { watched += yes ? 1 : -1; }};
  void Set(const std::string& node, const std::string& state) {
    {
      std::lock_guard lock(mutex);
      board.sections["cni"] = "{}";
      board.nodes[node].state = state;
    }
    hub.Changed();
  }
};

std::string Text(const Hub::Messages& messages) { return Join(*messages, ""); }

TEST(Hub, TellsAllOnceAndThenWhatChanged) {
  Drawn d;
  d.Set("a", "old");
  d.Set("b", "old");
  EXPECT_EQ(d.times, 0) << "nobody looks";
  Hub::Viewer viewer(d.hub);
  std::string all = Text(viewer.Wait(Millis(5000)));
  EXPECT_NE(all.find("\"a\":[\"old\""), std::string::npos) << all;
  EXPECT_NE(all.find("\"b\":"), std::string::npos);
  EXPECT_EQ(d.watched, 1);
  d.Set("b", "serving");
  std::string more = Text(viewer.Wait(Millis(5000)));
  EXPECT_NE(more.find("\"b\":[\"serving\""), std::string::npos) << more;
  EXPECT_EQ(more.find("\"a\":"), std::string::npos);
  {
    std::lock_guard lock(d.mutex);
    d.board.nodes.erase("a");
  }
  d.hub.Changed();
  EXPECT_NE(Text(viewer.Wait(Millis(5000))).find("\"a\":null"), std::string::npos);
  d.hub.Changed();
  EXPECT_TRUE(viewer.Wait(Millis(700))->empty()) << "nothing else";
  Hub::Viewer late(d.hub);
  EXPECT_EQ(Text(late.Wait(Millis(5000))).find("\"a\":"), std::string::npos)
      << "what is gone is not told to who never saw it";
}

struct Page {
  Drawn drawn;
  OneTimeSecret secret;
  Service service{drawn.hub, secret, {}};
  Page() {
    drawn.Set("node-1", "serving");
    EXPECT_TRUE(service.Start().ok());
  }
  http::Response Get(const std::string& target, http::Headers headers = {}, const std::string& method = "GET") {
    http::Client client({.base_url = "http://127.0.0.1:" + std::to_string(service.port())});
    auto answer = client.Do({.method = method, .target = target, .headers = std::move(headers)});
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? *answer : http::Response{};
  }
};

TEST(Service, TheAddressWorksOnceAndForOneBrowser) {
  Page page;
  EXPECT_EQ(page.Get("/").status, 401);
  EXPECT_EQ(page.Get("/stream").status, 401);
  EXPECT_EQ(page.Get("/?token=" + std::string(48, '0')).status, 401);
  auto entered = page.Get("/?token=" + page.secret.secret());
  EXPECT_EQ(entered.status, 303);
  EXPECT_EQ(entered.headers["location"], "/") << "the secret does not stay in the address";
  std::string cookie = entered.headers["set-cookie"];
  EXPECT_NE(cookie.find("HttpOnly"), std::string::npos);
  EXPECT_NE(cookie.find("SameSite=Strict"), std::string::npos);
  EXPECT_EQ(page.Get("/?token=" + page.secret.secret()).status, 401) << "once";
  cookie = cookie.substr(0, cookie.find(';'));
  auto shown = page.Get("/", {{"cookie", cookie}});
  EXPECT_EQ(shown.status, 200);
  EXPECT_NE(shown.headers["content-security-policy"].find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.Get("/", {{"cookie", cookie}, {"host", "evil.example"}}).status, 421) << "a name that points here";
  EXPECT_EQ(page.Get("/", {{"cookie", cookie}}, "DELETE").status, 405);
  EXPECT_EQ(page.Get("/elsewhere", {{"cookie", cookie}}).status, 404);
  EXPECT_EQ(page.Get("/login", {}, "POST").status, 405);

  http::Client client({.base_url = "http://127.0.0.1:" + std::to_string(page.service.port())});
  std::string stream;
  auto answer = client.Stream({.target = "/stream", .headers = {{"cookie", cookie}}, .timeout = Millis(5000)},
                              [&](std::string_view bytes) {
                                stream += bytes;
                                return stream.find("event: drawn") == stream.npos;
                              },
                              {});
  EXPECT_NE(stream.find("\"node-1\":[\"serving\""), std::string::npos) << stream;
}

TEST(Service, ServesLoopbackOnly) {
  Drawn drawn;
  OneTimeSecret secret;
  Service service(drawn.hub, secret, {.host = "0.0.0.0"});
  Status started = service.Start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("0.0.0.0"), std::string::npos);
}

// An access that the test takes away again.
struct Fickle : Access {
  std::atomic<int> asked{0};
  std::atomic<bool> allowed{true}, away{false};
  Status Admit(const std::string&) override {
    ++asked;
    if (away) return MakeError(Code::kUnavailable, "away");
    if (allowed) return {};
    return MakeError(Code::kForbidden, "no longer");
  }
  bool Lapses() const override { return true; }
};

struct TestClock : Clock {
  SteadyTime now = SteadyNow();
  SteadyTime Now() const override { return now; }
  WallTime Wall() const override { return WallNow(); }
};

TEST(Sessions, EndWhenTheUserMayNotLookAnyMore) {
  Fickle access;
  TestClock clock;
  Sessions sessions(access, clock);
  auto opened = sessions.Open("token");
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(sessions.Valid(*opened));
  EXPECT_EQ(access.asked, 1) << "not for every request";
  EXPECT_FALSE(sessions.Valid("another"));
  auto other = sessions.Open("token");
  ASSERT_TRUE(other.ok());
  sessions.Close(*other);
  EXPECT_FALSE(sessions.Valid(*other));
  clock.now += std::chrono::seconds(61);
  access.away = true;
  EXPECT_TRUE(sessions.Valid(*opened)) << "an API server that is away says nothing";
  clock.now += std::chrono::seconds(61);
  access.away = false;
  access.allowed = false;
  EXPECT_FALSE(sessions.Valid(*opened));
  access.allowed = true;
  EXPECT_FALSE(sessions.Valid(*opened)) << "it stays ended";
}

}  // namespace
}  // namespace fairlead::view
