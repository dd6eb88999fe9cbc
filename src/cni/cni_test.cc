#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "cni/plugin.h"
#include "util/fd.h"
#include "util/mutate.h"
#include "util/strings.h"
#include "util/unix_socket.h"

namespace fairlead::cni {
namespace {

using nlohmann::json;

class Plugin : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir); }
  void TearDown() override { std::filesystem::remove_all(dir); }

  json Config() {
    return {{"cniVersion", "1.0.0"},
            {"name", "net"},
            {"type", "istio-cni"},
            {"cni_agent_run_dir", dir},
            {"pod_namespace", "istio-cni"},
            {"exclude_namespaces", {"kube-system"}},
            {"agent_wait_ms", 300},
            {"prevResult", {{"cniVersion", "1.0.0"}, {"ips", {{{"address", "10.0.0.2/24"}}}}}}};
  }
  std::map<std::string, std::string> Env(const std::string& command, const std::string& ns = "default",
                                         const std::string& pod = "p") {
    return {{"CNI_COMMAND", command},
            {"CNI_CONTAINERID", "abc"},
            {"CNI_NETNS", "/proc/self/ns/net"},
            {"CNI_IFNAME", "eth0"},
            {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=" + ns + ";K8S_POD_NAME=" + pod + ";K8S_POD_UID=u"}};
  }
  PluginOutput Run(const std::map<std::string, std::string>& env, const std::string& config) {
    return RunPlugin({env, config}, [](const std::string&) {});
  }
  int CodeOf(const PluginOutput& out) { return json::parse(out.text)["code"].get<int>(); }

  // An agent that answers `answers` in turn; "" closes the connection without an answer.
  void ServeAgent(std::vector<std::string> answers, Millis after = Millis(0)) {
    agent = std::jthread([this, answers, after] {
      std::this_thread::sleep_for(after);
      auto listener = ListenUnix(dir + "/" + kAgentSocket, SocketKind::kStream, 0600);
      for (const std::string& answer : answers) {
        if (!WaitFd(listener->get(), POLLIN, Millis(3000)).ok()) return;
        UniqueFd c(::accept(listener->get(), nullptr, nullptr));
        auto got = ReceiveWithFds(c.get(), 65536);
        fds_received = got->fds.size();
        request = got->bytes;
        if (!answer.empty()) (void)SendWithFds(c.get(), answer, {}).ok();
      }
    });
  }
  static std::string Http(int status, const json& body) {
    std::string text = body.dump();
    return "HTTP/1.1 " + std::to_string(status) + " X\r\ncontent-length: " + std::to_string(text.size()) + "\r\n\r\n" +
           text;
  }

  std::string dir = "/tmp/fairlead-cni-" + RandomHex(8);
  std::jthread agent;
  size_t fds_received = 0;
  std::string request;
};

TEST_F(Plugin, AnswersVersionEvenWithoutInput) {
  for (std::string in : {std::string(), std::string("{}"), std::string("{\"cniVersion\":\"1.0.0\"}")}) {
    auto out = Run({{"CNI_COMMAND", "VERSION"}}, in);
    EXPECT_EQ(out.exit_status, 0);
    EXPECT_EQ(json::parse(out.text)["supportedVersions"].size(), 7u);
  }
}

TEST_F(Plugin, AnswersBadInputInTheErrorFormat) {
  json no_name = Config(), future = Config();
  no_name.erase("name");
  future["cniVersion"] = "9.9.9";
  struct Case {
    const char* name;
    std::string config;
    std::map<std::string, std::string> env;
    int code;
  };
  auto without = [&](const char* key) {
    auto e = Env("ADD");
    e.erase(key);
    return e;
  };
  auto with = [&](const char* key, const std::string& v) {
    auto e = Env("ADD");
    e[key] = v;
    return e;
  };
  std::string good = Config().dump();
  const Case cases[] = {{"empty", "", Env("ADD"), 6},
                        {"truncated", good.substr(0, good.size() / 2), Env("ADD"), 6},
                        {"not json", "hello", Env("ADD"), 6},
                        {"a list", "[]", Env("ADD"), 6},
                        {"deep", std::string(100000, '['), Env("ADD"), 6},
                        {"no name", no_name.dump(), Env("ADD"), 7},
                        {"future version", future.dump(), Env("ADD"), 1},
                        {"no container id", good, without("CNI_CONTAINERID"), 4},
                        {"no netns", good, without("CNI_NETNS"), 4},
                        {"no ifname", good, without("CNI_IFNAME"), 4},
                        {"bad container id", good, with("CNI_CONTAINERID", "../x"), 4},
                        {"bad ifname", good, with("CNI_IFNAME", "a/b"), 4},
                        {"no command", good, without("CNI_COMMAND"), 4},
                        {"unknown command", good, with("CNI_COMMAND", "DANCE"), 4},
                        {"netns gone", good, with("CNI_NETNS", "/no/such/netns"), 3}};
  for (const Case& c : cases) {
    auto out = Run(c.env, c.config);
    EXPECT_EQ(out.exit_status, 1) << c.name;
    json j = json::parse(out.text, nullptr, false);
    ASSERT_FALSE(j.is_discarded()) << c.name;
    EXPECT_EQ(j["code"], c.code) << c.name << ": " << out.text;
    EXPECT_FALSE(j["msg"].get<std::string>().empty()) << c.name;
  }
}

TEST_F(Plugin, LimitsWhatItReads) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  UniqueFd in(fds[0]), out(fds[1]);
  CniError error;
  EXPECT_FALSE(ReadConfig(in.get(), 1000, Millis(50), error)) << "standard input that is never closed";
  EXPECT_EQ(error.code, kIoFailure);
  std::jthread writer([&] {
    ::signal(SIGPIPE, SIG_IGN);
    std::string big(65536, 'x');
    for (int i = 0; i < 1600 && ::write(out.get(), big.data(), big.size()) > 0; ++i) {
    }
  });
  EXPECT_FALSE(ReadConfig(in.get(), 1 << 20, Millis(5000), error)) << "100 MB";
  EXPECT_EQ(error.code, kDecodeFailure);
  in.reset();
}

TEST_F(Plugin, PassesPodsThatNeedNoAgent) {
  for (auto env : {Env("ADD", "kube-system"), Env("ADD", "istio-cni", "istio-cni-node-x1y2z"), Env("DEL")}) {
    auto out = Run(env, Config().dump());
    EXPECT_EQ(out.exit_status, 0) << out.text;
    if (env["CNI_COMMAND"] == "ADD") {
      EXPECT_EQ(json::parse(out.text), Config()["prevResult"]);
    }
  }
  auto no_pod = Env("ADD");
  no_pod["CNI_ARGS"] = "";
  EXPECT_EQ(Run(no_pod, Config().dump()).exit_status, 0);
}

TEST_F(Plugin, WaitsForAnAgentAndThenSaysTryAgainLater) {
  auto started = SteadyNow();
  auto out = Run(Env("ADD"), Config().dump());
  EXPECT_EQ(CodeOf(out), kTryAgainLater);
  EXPECT_GE(SteadyNow() - started, Millis(80));
  EXPECT_LT(SteadyNow() - started, Millis(2000));
}

TEST_F(Plugin, HandsTheNamespaceToAnAgentThatComesLate) {
  json config = Config();
  config["agent_wait_ms"] = 5000;
  ServeAgent({"", Http(503, {{"code", 11}, {"msg", "later"}}), Http(200, {{"code", 0}})}, Millis(150));
  auto out = Run(Env("ADD"), config.dump());
  EXPECT_EQ(out.exit_status, 0) << out.text;
  agent.join();
  EXPECT_EQ(fds_received, 1u);
  EXPECT_NE(request.find("\"podName\":\"p\""), std::string::npos);
}

TEST_F(Plugin, ReportsTheAgentsRefusal) {
  ServeAgent({Http(500, {{"code", 101}, {"msg", "annotation x is wrong"}, {"details", "fix it"}})});
  std::this_thread::sleep_for(Millis(30));
  auto out = Run(Env("ADD"), Config().dump());
  EXPECT_EQ(CodeOf(out), 101);
  EXPECT_NE(out.text.find("annotation x is wrong"), std::string::npos);
}

TEST_F(Plugin, KnowsWhichVersionOfTheSpecificationHasWhichCommand) {
  for (const char* version : {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    json config = Config();
    config["cniVersion"] = config["prevResult"]["cniVersion"] = version;
    auto added = Run(Env("ADD", "kube-system"), config.dump());
    EXPECT_EQ(json::parse(added.text), config["prevResult"]) << "the result of the plugin before, in its own version";
    auto check = Run(Env("CHECK", "kube-system"), config.dump());
    EXPECT_EQ(check.exit_status == 0, std::string(version) != "0.3.1") << version;
    for (const char* command : {"STATUS", "GC"}) {
      auto out = Run(Env(command), config.dump());
      EXPECT_EQ(out.exit_status == 0, std::string(version) == "1.1.0") << version << " " << command << out.text;
      if (out.exit_status != 0) {
        EXPECT_EQ(CodeOf(out), kIncompatibleVersion);
      } else {
        EXPECT_EQ(out.text, "") << "no output on success";
      }
    }
  }
}

TEST_F(Plugin, PassesTheValidAttachmentsToTheAgent) {
  json config = Config();
  config["cniVersion"] = "1.1.0";
  config["cni.dev/valid-attachments"] = {
      {{"containerID", "c1"}, {"ifname", "eth0"}}, {{"containerID", "c2"}, {"ifname", "eth0"}}, 7};
  ServeAgent({Http(200, {{"code", 0}})});
  std::this_thread::sleep_for(Millis(30));
  std::map<std::string, std::string> env{{"CNI_COMMAND", "GC"}, {"CNI_PATH", "/opt/cni/bin"}};
  EXPECT_EQ(Run(env, config.dump()).exit_status, 0);
  agent.join();
  auto sent = AgentRequestFromJson(json::parse(request.substr(request.find("\r\n\r\n") + 4)));
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->command, "GC");
  EXPECT_EQ(sent->network, "net");
  EXPECT_EQ(sent->attachments, (std::vector<std::string>{"c1", "c2"}));
}

TEST_F(Plugin, SpeaksToIstiosAgentAsItsOwnPluginDoes) {
  const std::string not_found = "HTTP/1.1 404 Not Found\r\ncontent-length: 19\r\n\r\n404 page not found\n";
  ServeAgent({not_found, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"});
  std::this_thread::sleep_for(Millis(30));
  EXPECT_EQ(Run(Env("ADD"), Config().dump()).exit_status, 0);
  agent.join();
  EXPECT_TRUE(request.starts_with("POST /cmdadd ")) << request;
  EXPECT_EQ(json::parse(request.substr(request.find("\r\n\r\n") + 4)),
            json::parse(R"({"Netns":"/proc/self/ns/net","PodName":"p","PodNamespace":"default",
                            "IPs":[{"Interface":null,"Address":{"IP":"10.0.0.2","Mask":"////AA=="},"Gateway":""}]})"));
  ServeAgent({not_found, "HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\nno"});
  std::this_thread::sleep_for(Millis(30));
  auto out = Run(Env("ADD"), Config().dump());
  EXPECT_EQ(CodeOf(out), kTryAgainLater) << "by then that agent has put its own plugin here";
}

TEST_F(Plugin, SurvivesDamagedInput) {
  json config = Config();
  config["cniVersion"] = "1.1.0";
  ForEachMutation({config.dump()}, 3000, [&](const std::string& text) {
    auto out = Run(Env("STATUS"), text);  // reads the configuration as ADD does, and does not wait for an agent
    if (out.exit_status != 0) {
      EXPECT_FALSE(json::parse(out.text, nullptr, false).is_discarded()) << out.text;
    }
  });
}

}  // namespace
}  // namespace fairlead::cni
