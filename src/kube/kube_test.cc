#include <gtest/gtest.h>

#include <filesystem>

#include "http/server.h"
#include "kube/client.h"
#include "kube/informer.h"
#include "kube/reflector.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/strings.h"

namespace fairlead::kube {
namespace {

TEST(Selector, UnderstandsKubectlsGrammar) {
  Json labels = {{"app", "web"}, {"tier", "front"}};
  const std::pair<const char*, bool> cases[] = {{"", true},
                                                {"app=web", true},
                                                {"app==web,tier!=back", true},
                                                {"app!=web", false},
                                                {"app in (web, api)", true},
                                                {"app notin (web)", false},
                                                {"tier", true},
                                                {"!tier", false},
                                                {"!zone", true},
                                                {"zone notin (a)", true}};
  for (auto [text, want] : cases) EXPECT_EQ(Selector::Parse(text)->Matches(labels), want) << text;
  EXPECT_FALSE(Selector::Parse("app in web").ok());
  EXPECT_TRUE(Selector::FromJson({{"matchExpressions", {{{"key", "app"}, {"operator", "In"}, {"values", {"web"}}}}}})
                  ->Matches(labels));
  EXPECT_FALSE(Selector::FromJson({{"matchExpressions", {{{"key", "app"}, {"operator", "Is"}}}}}).ok());
}

TEST(ReflectorFsm, ResumesRelistsAndBacksOff) {
  ReflectorFsm fsm;
  EXPECT_EQ(fsm.Next().action, ReflectorFsm::Action::kList);
  fsm.OnEnded(MakeError(Code::kUnavailable, "x"));
  EXPECT_EQ(fsm.Next().wait_first.count(), 800);
  fsm.OnEnded(MakeError(Code::kUnavailable, "x"));
  EXPECT_EQ(fsm.Next().wait_first.count(), 1600);
  fsm.OnListed("10");
  EXPECT_EQ(fsm.Next().resource_version, "10");
  EXPECT_EQ(fsm.Next().wait_first.count(), 0);
  fsm.OnEvent("12");
  fsm.OnEnded(Status());
  EXPECT_EQ(fsm.Next().resource_version, "12") << "the server's own timeout: on from the last version";
  fsm.OnEnded(MakeError(Code::kGone, "410"));
  EXPECT_EQ(fsm.Next().action, ReflectorFsm::Action::kList);
  for (int i = 0; i < 40; ++i) fsm.OnEnded(MakeError(Code::kUnavailable, "x"));
  EXPECT_EQ(fsm.Next().wait_first.count(), 30000);
}

// An API server that answers from a script.
class FakeServer {
 public:
  explicit FakeServer(http::Handler h) : server_({}, std::move(h)) {
    auto l = http::ListenTcp("127.0.0.1", 0);
    config.http.base_url = "http://127.0.0.1:" + std::to_string(http::LocalPort(l->get()));
    (void)server_.AddListener(std::move(*l)).ok();
  }
  Config config;

 private:
  http::Server server_;
};

void Reply(http::ResponseWriter& w, int code, const Json& j) { w.Send(code, "application/json", j.dump()); }
Json Pod(const std::string& name, const std::string& version) {
  return {{"metadata", {{"name", name}, {"namespace", "n"}, {"resourceVersion", version}}}};
}

TEST(Client, FollowsPagesAndTypesErrors) {
  FakeServer s([](http::Request& r, http::ResponseWriter& w) {
    if (r.path == "/api/v1/namespaces/n/pods" && r.Query("continue").empty())
      return Reply(w, 200, {{"metadata", {{"continue", "t"}, {"resourceVersion", "5"}}}, {"items", {Pod("a", "1")}}});
    if (r.path == "/api/v1/namespaces/n/pods")
      return Reply(w, 200, {{"metadata", {{"resourceVersion", "5"}}}, {"items", {Pod("b", "2")}}});
    const std::map<std::string, std::pair<int, const char*>> errors = {
        {"gone", {410, "Expired"}},        {"conflict", {409, "Conflict"}},    {"exists", {409, "AlreadyExists"}},
        {"forbidden", {403, "Forbidden"}}, {"busy", {429, "TooManyRequests"}}, {"down", {503, ""}},
        {"missing", {404, "NotFound"}},    {"bad", {422, "Invalid"}}};
    auto e = errors.at(r.path.substr(r.path.rfind('/') + 1));
    Reply(w, e.first, {{"kind", "Status"}, {"reason", e.second}, {"message", "because"}, {"code", e.first}});
  });
  Client client(s.config);
  auto list = client.List(kPods, "n", {});
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->items.size(), 2u);
  EXPECT_EQ(value::Str(list->items[1], "kind"), "Pod");
  const std::pair<const char*, Code> cases[] = {
      {"gone", Code::kGone},           {"conflict", Code::kConflict}, {"exists", Code::kAlreadyExists},
      {"forbidden", Code::kForbidden}, {"busy", Code::kUnavailable},  {"down", Code::kUnavailable},
      {"missing", Code::kNotFound},    {"bad", Code::kInvalid}};
  for (auto [name, code] : cases) EXPECT_EQ(client.Get(kPods, "n", name).error().code, code) << name;
  EXPECT_NE(client.Get(kPods, "n", "bad").error().message.find("because"), std::string::npos);
}

TEST(Informer, SurvivesAnExpiredWatchAndNoticesWhatVanished) {
  std::atomic<int> lists{0}, watches{0};
  FakeServer s([&](http::Request& r, http::ResponseWriter& w) {
    if (r.Query("watch") != "true") {
      Json items = lists++ == 0 ? Json::array({Pod("a", "1"), Pod("b", "2")}) : Json::array({Pod("b", "3")});
      return Reply(w, 200, {{"metadata", {{"resourceVersion", std::to_string(lists * 10)}}}, {"items", items}});
    }
    w.BeginStream(200, "application/json");
    if (watches++ == 0) {
      EXPECT_EQ(r.Query("resourceVersion"), "10");
      w.Write(Json({{"type", "ADDED"}, {"object", Pod("c", "11")}}).dump() + "\n" +
              Json({{"type", "BOOKMARK"}, {"object", Pod("", "15")}}).dump() + "\n");
      w.Write(Json({{"type", "ERROR"}, {"object", {{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}}}}).dump() +
              "\n");
      return;
    }
    while (!w.ClientGone() && !WaitFd(w.wake_fd(), 1, Millis(20)).ok()) {
    }
  });
  Client client(s.config);
  Informer informer(client, kPods, "n");
  std::mutex m;
  std::vector<std::string> seen;
  informer.AddHandler([&](const ObjectPtr& old, const ObjectPtr& now) {
    std::lock_guard lock(m);
    seen.push_back((now ? old ? "~" : "+" : "-") + Name(now ? *now : *old));
  });
  informer.Start();
  auto until = SteadyNow() + std::chrono::seconds(10);
  while (SteadyNow() < until && watches < 2) std::this_thread::sleep_for(Millis(5));
  EXPECT_FALSE(informer.Get("n/a"));
  EXPECT_TRUE(informer.Get("n/b"));
  informer.Stop();
  EXPECT_EQ(Join(seen, " "), "+a +b +c ~b -a -c");
}

TEST(Kubeconfig, NamesWhatIsMissing) {
  std::string path = "/tmp/fairlead-kubeconfig-" + RandomHex(8);
  auto with = [&](const std::string& text) {
    (void)WriteFileAtomic(path, text).ok();
    return LoadKubeconfig(path);
  };
  std::string good =
      "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: ns}}]\nclusters: [{name: k, "
      "cluster: {server: 'https://h:1/'}}]\nusers: [{name: u, user: {token: t}}]\n";
  auto ok = with(good);
  ASSERT_TRUE(ok.ok()) << ok.error().message;
  EXPECT_EQ(ok->http.base_url, "https://h:1");
  EXPECT_EQ(ok->ns, "ns");
  EXPECT_EQ(ok->http.token(), "t");
  EXPECT_NE(with(ReplaceAll(good, "name: k,", "name: q,")).error().message.find("no cluster named \"k\""),
            std::string::npos);
  EXPECT_FALSE(with("{").ok());
  std::filesystem::remove(path);
  EXPECT_EQ(LoadKubeconfig(path).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace fairlead::kube
