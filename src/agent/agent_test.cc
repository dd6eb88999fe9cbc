#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/conflist.h"
#include "agent/handover.h"
#include "agent/installer.h"
#include "http/client.h"
#include "http/server.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mutate.h"
#include "util/strings.h"

namespace fairlead::agent {
namespace {

class Dir {
 public:
  Dir() { std::filesystem::create_directories(path); }
  ~Dir() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& n) const { return path + "/" + n; }
  std::string path = "/tmp/fairlead-agent-" + RandomHex(8);
};

TEST(Conflist, InsertsReplacesAndRemovesOurPluginOnly) {
  std::string list =
      R"({"name":"k8s","cniVersion":"1.0.0","x-own":1,"plugins":[{"type":"bridge"},{"type":"istio-cni","old":1},{"type":"portmap"}]})";
  Json j = Json::parse(*InsertPlugin(
      list,
      {.log_level = "info", .run_dir = "/r", .pod_namespace = "istio-cni", .exclude_namespaces = {"kube-system"}}));
  ASSERT_EQ(j["plugins"].size(), 3u);
  EXPECT_EQ(j["plugins"][2]["type"], "istio-cni");
  EXPECT_FALSE(j["plugins"][2].contains("old"));
  EXPECT_EQ(j["x-own"], 1) << "what others wrote stays";
  Json without = Json::parse(**RemovePlugin(j.dump()));
  EXPECT_EQ(without["plugins"].size(), 2u);
  EXPECT_FALSE(RemovePlugin(without.dump())->has_value());
  Json from_conf = Json::parse(*InsertPlugin(R"({"name":"a","type":"bridge","cniVersion":"0.4.0"})", {}));
  EXPECT_EQ(from_conf["plugins"][0]["type"], "bridge");
  EXPECT_EQ(from_conf["cniVersion"], "0.4.0");
  for (const char* bad : {"", "[]", "{}", "{\"plugins\":{}}", "{\"plugins\":[1]}", "{\"plugins\":["})
    EXPECT_FALSE(InsertPlugin(bad, {}).ok()) << bad;
}

JournalEntry Entry(const std::string& container, redirect::PodConfig config = redirect::SidecarConfig()) {
  JournalEntry e;
  e.container_id = container;
  e.pod_uid = "u1";
  e.pod_namespace = "ns";
  e.pod_name = "pod";
  e.netns_path = "/var/run/netns/x";
  e.netns = {1, 2};
  e.config = std::move(config);
  return e;
}

class Node : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* d : {"net.d", "bin", "run", "netns"}) std::filesystem::create_directories(dir / d);
    config.version = "1.28.6";
    config.net_dir = dir / "net.d";
    config.bin_dir = dir / "bin";
    config.plugin_source = dir / "source";
    config.run_dir = dir / "run";
    config.node_name = "n";
    (void)WriteFileAtomic(config.plugin_source, "plugin-1", 0755).ok();
  }
  void Conflist(const std::string& name, const std::string& text) {
    (void)WriteFileAtomic(config.net_dir + "/" + name, text, 0600).ok();
  }
  Json Installed(const std::string& name) {
    return Json::parse(ReadFile(config.net_dir + "/" + name).value_or("null"));
  }
  Dir dir;
  Config config;
  controller::Metrics metrics;
};

TEST_F(Node, InstallsOnceRepairsAndUninstalls) {
  Installer installer(config, metrics);
  EXPECT_EQ(installer.Install().error().code, Code::kNotFound) << "no primary CNI yet";
  EXPECT_TRUE(FileExists(config.bin_dir + "/istio-cni")) << "the binary is there before anything names it";
  Conflist("05-broken.conflist", "{");
  Conflist("10-main.conflist", R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]})");
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(Installed("10-main.conflist")["plugins"][1]["type"], "istio-cni");
  EXPECT_EQ(*ReadFile(config.net_dir + "/05-broken.conflist"), "{");
  auto before = std::filesystem::last_write_time(config.net_dir + "/10-main.conflist");
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(std::filesystem::last_write_time(config.net_dir + "/10-main.conflist"), before)
      << "nothing changed, nothing written";
  // Another CNI rewrites its file, somebody removes the binary, a new version comes.
  Conflist("10-main.conflist", R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge","mtu":1400}]})");
  std::filesystem::remove(config.bin_dir + "/istio-cni");
  (void)WriteFileAtomic(config.plugin_source, "plugin-2", 0755).ok();
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(Installed("10-main.conflist")["plugins"].size(), 2u);
  EXPECT_EQ(Installed("10-main.conflist")["plugins"][0]["mtu"], 1400);
  EXPECT_EQ(*ReadFile(config.bin_dir + "/istio-cni"), "plugin-2");
  ASSERT_TRUE(installer.Uninstall().ok());
  EXPECT_EQ(Installed("10-main.conflist")["plugins"].size(), 1u);
  EXPECT_TRUE(FileExists(config.bin_dir + "/istio-cni")) << "pods that were started with it are deleted with it";
}

TEST_F(Node, KeepsWatchAndRepairsAtOnce) {
  Conflist("10-main.conflist", R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]})");
  Installer installer(config, metrics);
  std::atomic<bool> ready{false};
  std::jthread keeper([&](std::stop_token s) { installer.Keep([&](const std::string& p) { ready = p.empty(); }, s); });
  auto within = [&](auto check) {
    for (auto until = SteadyNow() + std::chrono::seconds(5); SteadyNow() < until;
         std::this_thread::sleep_for(Millis(5)))
      if (check()) return true;
    return false;
  };
  EXPECT_TRUE(within([&] { return ready.load(); }));
  std::this_thread::sleep_for(Millis(50));
  std::filesystem::remove(config.bin_dir + "/istio-cni");
  EXPECT_TRUE(within([&] { return FileExists(config.bin_dir + "/istio-cni"); }));
}

TEST_F(Node, KeepsAConfigurationOfItsOwnBesideThePrimarys) {
  config.owned_config = true;
  const std::string primary = R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]})";
  Conflist("10-main.conflist", primary);
  Installer installer(config, metrics);
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(*ReadFile(config.net_dir + "/10-main.conflist"), primary) << "the primary's file is left alone";
  EXPECT_EQ(Installed("02-istio-cni.conflist")["plugins"].size(), 2u);
  // A change within the primary's plugins comes along, not only another plugin.
  Conflist("10-main.conflist", R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge","mtu":1400}]})");
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(Installed("02-istio-cni.conflist")["plugins"][0]["mtu"], 1400);
  std::filesystem::remove(config.net_dir + "/02-istio-cni.conflist");
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_TRUE(FileExists(config.net_dir + "/02-istio-cni.conflist"));
  ASSERT_TRUE(installer.Uninstall().ok());
  EXPECT_FALSE(FileExists(config.net_dir + "/02-istio-cni.conflist"));
  EXPECT_TRUE(FileExists(config.net_dir + "/10-main.conflist"));
}

TEST_F(Node, WritesAPluginOfItsOwnForMultus) {
  config.chained = false;
  config.conf_name = "istio-cni.conf";
  Conflist("00-multus.conf", R"({"name":"multus","cniVersion":"0.4.0","type":"multus"})");
  Installer installer(config, metrics);
  ASSERT_TRUE(installer.Install().ok());
  EXPECT_EQ(Installed("istio-cni.conf")["type"], "istio-cni");
  EXPECT_EQ(Installed("00-multus.conf")["type"], "multus");
  ASSERT_TRUE(installer.Uninstall().ok());
  EXPECT_FALSE(FileExists(config.net_dir + "/istio-cni.conf"));
}

TEST_F(Node, RepairsModesAndSaysWhatADiskRefuses) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  Conflist("10-main.conflist", R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]})");
  Installer installer(config, metrics);
  ASSERT_TRUE(installer.Install().ok());
  std::filesystem::permissions(config.bin_dir + "/istio-cni", std::filesystem::perms::owner_read);
  ASSERT_TRUE(installer.Install().ok());
  struct stat st {};
  ASSERT_EQ(::stat((config.bin_dir + "/istio-cni").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0755u);

  // A full disk: what was there stays whole, nothing half is left, and the message names the file.
  ASSERT_EQ(::mount("small", config.bin_dir.c_str(), "tmpfs", 0, "size=64k"), 0);
  (void)WriteFileAtomic(config.bin_dir + "/istio-cni", "old", 0755).ok();
  (void)WriteFileAtomic(config.plugin_source, std::string(1 << 20, 'x'), 0755).ok();
  Status full = installer.Install();
  EXPECT_FALSE(full.ok());
  EXPECT_NE(full.error().message.find(config.bin_dir), std::string::npos) << full.error().message;
  EXPECT_EQ(*ReadFile(config.bin_dir + "/istio-cni"), "old");
  EXPECT_EQ(ListDirectory(config.bin_dir)->size(), 1u) << "no temporary file";
  // A disk that cannot be written to.
  ASSERT_EQ(::mount(nullptr, config.bin_dir.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  Status read_only = installer.Install();
  EXPECT_FALSE(read_only.ok());
  EXPECT_NE(read_only.error().message.find("Read-only"), std::string::npos) << read_only.error().message;
  ASSERT_EQ(::umount2(config.bin_dir.c_str(), MNT_DETACH), 0);
  ASSERT_TRUE(installer.Install().ok()) << "and goes on when it can";
  EXPECT_NE(metrics.Text().find("istio_cni_installs_total{result=\"COPY_BINARIES_FAILURE\"} 2"), std::string::npos);
}

TEST_F(Node, ReadsItsSettingsAsIstioCniDoes) {
  auto c = LoadConfig({"--log_output_level=default:debug", "--health-port=1"},
                      {{"NODE_NAME", "n1"}, {"EXCLUDE_NAMESPACES", "a, b"}, {"CHAINED_CNI_PLUGIN", "false"}});
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->exclude_namespaces.size(), 2u);
  EXPECT_FALSE(c->chained);
  EXPECT_EQ(c->log_level, Level::kDebug);
  EXPECT_FALSE(LoadConfig({}, {}).ok()) << "no node name";
  EXPECT_NE(LoadConfig({"--nonsense"}, {{"NODE_NAME", "n"}}).error().message.find("--nonsense"), std::string::npos);
  auto ambient = LoadConfig({}, {{"NODE_NAME", "n"}, {"AMBIENT_ENABLED", "true"}, {"AMBIENT_DNS_CAPTURE", "false"}});
  ASSERT_TRUE(ambient.ok()) << ambient.error().message;
  EXPECT_TRUE(ambient->ambient.enabled);
  EXPECT_FALSE(ambient->ambient.settings.dns_capture);
  for (auto [key, bad] :
       {std::pair{"AMBIENT_ENABLEMENT_SELECTOR", "{}"},
        {"AMBIENT_ENABLEMENT_SELECTOR", "[{podSelector: {matchExpressions: [{key: a, operator: Is}]}}]"},
        {"FORCE_IPTABLES_BINARY", "ebtables"},
        {"HOST_PROBE_SNAT_IP", "example.org"},
        {"REPAIR_ENABLED", "perhaps"},
        {"ISTIO_OUTBOUND_OWNER_GROUPS", "staff"},
        {"ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", "::1/128"},
        {"ISTIO_OWNED_CNI_CONFIG_FILENAME", "../x.conflist"}}) {
    auto refused = LoadConfig({}, {{"NODE_NAME", "n"}, {key, bad}});
    ASSERT_FALSE(refused.ok()) << key;
    EXPECT_NE(refused.error().message.find(key), std::string::npos) << refused.error().message;
  }
}

TEST_F(Node, JournalSurvivesARestartAndSetsAsideWhatItCannotRead) {
  std::string path = dir / "run/journal";
  JournalEntry e = Entry("c1");
  redirect::SidecarConfig config_of_pod;
  config_of_pod.exclude_inbound_ports = {80, 15020};
  e.config = config_of_pod;
  {
    Journal j(path);
    ASSERT_TRUE(j.Load(dir / "netns").ok());
    ASSERT_TRUE(j.Put(e, nullptr).ok());
    e.container_id = "c2";
    ASSERT_TRUE(j.Put(e, nullptr).ok());
    ASSERT_TRUE(j.Erase("c2").ok());
  }
  (void)WriteFileAtomic(path + "/torn.json", "{\"version\":1", 0600).ok();
  (void)WriteFileAtomic(path + "/future.json", "{\"version\":99}", 0600).ok();
  Journal again(path);
  ASSERT_TRUE(again.Load(dir / "netns").ok());
  ASSERT_EQ(again.List().size(), 1u);
  EXPECT_EQ(std::get<redirect::SidecarConfig>(again.Find("c1")->entry.config), config_of_pod);
  EXPECT_FALSE(again.Find("c1")->netns);
  EXPECT_TRUE(FileExists(path + "/torn.json.bad"));
}

// An agent's serving half: a socket, a server that answers with its name, and the handover.
struct Agent {
  Agent(const std::string& run, std::string n)
      : name(std::move(n)),
        journal(run + "/journal-" + name),
        server({}, [this](http::Request&, http::ResponseWriter& w) { w.Send(200, "text/plain", name); }),
        run_dir(run) {
    (void)journal.Load("/none").ok();
  }
  void Serve(UniqueFd listener) {
    copy = std::move(*listener.Duplicate());
    (void)server.AddListener(std::move(listener)).ok();
    Serving serving{copy.get(), -1,
                    [this] {
                      server.Pause();
                      return std::vector<UniqueFd>();
                    },
                    [this] { server.Resume(); }};
    handover = std::make_unique<HandoverServer>(run_dir, name, journal, std::move(serving));
    ASSERT_TRUE(handover->Start().ok());
  }
  std::string name;
  Journal journal;
  http::Server server;
  std::string run_dir;
  UniqueFd copy;
  std::unique_ptr<HandoverServer> handover;
};

class Handover : public Node {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "the handover is between processes of root";
    Node::SetUp();
  }
  // Who answers now; the socket must never be closed to anybody.
  std::string Ask() {
    http::Client client({.base_url = "http://agent", .unix_path = config.run_dir + "/pluginevent.sock"});
    auto r = client.Do({.target = "/", .timeout = Millis(5000)});
    return r.ok() ? r->body : "error: " + r.error().message;
  }
  bool Within(const std::function<bool()>& check) {
    for (auto until = SteadyNow() + std::chrono::seconds(5); SteadyNow() < until;
         std::this_thread::sleep_for(Millis(5)))
      if (check()) return true;
    return false;
  }
};

TEST_F(Handover, PassesSocketAndJournalWithoutARefusedConnection) {
  Agent old_agent(config.run_dir, "old"), new_agent(config.run_dir, "new");
  old_agent.Serve(std::move(*ListenUnix(config.run_dir + "/pluginevent.sock", SocketKind::kStream, 0600)));
  auto netns = kernel::CreateNetns();
  JournalEntry entry = Entry("c1");
  entry.netns = *kernel::IdentifyNetns(netns->get());
  ASSERT_TRUE(old_agent.journal.Put(entry, std::make_shared<UniqueFd>(std::move(*netns))).ok());
  std::atomic<bool> over{false};
  std::atomic<int> asked{0}, errors{0};
  std::jthread traffic([&] {
    while (!over) {
      ++asked;
      if (Ask().starts_with("error")) ++errors;
    }
  });
  EXPECT_EQ(Ask(), "old");
  auto client = HandoverClient::Begin(config.run_dir, "new", new_agent.journal);
  ASSERT_TRUE(client.ok()) << client.error().message;
  EXPECT_EQ((*client)->old_version(), "old");
  EXPECT_EQ(Ask(), "old") << "the old one serves until the new one takes";
  ASSERT_EQ(new_agent.journal.List().size(), 1u);
  EXPECT_EQ(*kernel::IdentifyNetns(new_agent.journal.Find("c1")->netns->get()), entry.netns) << "the namespace crossed";
  UniqueFd listener = (*client)->TakeListener();
  ASSERT_TRUE((*client)->Take().ok());
  std::this_thread::sleep_for(Millis(30));  // connections wait in the queue meanwhile
  new_agent.Serve(std::move(listener));
  EXPECT_EQ(Ask(), "new");
  old_agent.handover->Stop();
  old_agent.server.Stop();
  EXPECT_EQ(Ask(), "new");
  over = true;
  traffic.join();
  EXPECT_EQ(errors, 0) << "of " << asked;
}

TEST_F(Handover, TheOldAgentGoesOnWhenTheNewOneDies) {
  Agent old_agent(config.run_dir, "old"), new_agent(config.run_dir, "new");
  old_agent.Serve(std::move(*ListenUnix(config.run_dir + "/pluginevent.sock", SocketKind::kStream, 0600)));
  {
    auto client = HandoverClient::Begin(config.run_dir, "new", new_agent.journal);
    ASSERT_TRUE(client.ok());
  }  // dies before it takes
  EXPECT_EQ(Ask(), "old");
  {
    Result<std::unique_ptr<HandoverClient>> client = MakeError(Code::kUnavailable, "");
    ASSERT_TRUE(
        Within([&] { return (client = HandoverClient::Begin(config.run_dir, "new", new_agent.journal)).ok(); }));
    ASSERT_TRUE((*client)->Take().ok());
    EXPECT_TRUE(old_agent.handover->handed_over());
  }  // dies after it took
  EXPECT_EQ(Ask(), "old");
  EXPECT_TRUE(Within([&] { return HandoverClient::Begin(config.run_dir, "third", new_agent.journal).ok(); }))
      << "and hands over again";
}

TEST_F(Handover, RefusesAnotherProtocol) {
  Agent old_agent(config.run_dir, "old");
  old_agent.Serve(std::move(*ListenUnix(config.run_dir + "/pluginevent.sock", SocketKind::kStream, 0600)));
  for (std::string bad : {std::string("{\"hello\":{\"protocol\":7}}"), std::string("garbage"), std::string("{}"),
                          std::string(300000, 'x')}) {
    auto c = ConnectUnix(config.run_dir + "/handover.sock", SocketKind::kSeqPacket);
    ASSERT_TRUE(c.ok());
    (void)SendWithFds(c->get(), bad, {}).ok();
    c->reset();
  }
  EXPECT_EQ(Ask(), "old");
  Journal journal(dir / "run/j2");
  EXPECT_TRUE(Within([&] { return HandoverClient::Begin(config.run_dir, "new", journal).ok(); }));
}

TEST(Conflist, SurvivesDamagedInput) {
  std::string list =
      R"({"name":"k8s","cniVersion":"1.0.0","plugins":[{"type":"bridge"},{"type":"istio-cni","old":1}]})";
  ForEachMutation({list, R"({"name":"a","type":"bridge"})"}, 2000, [](const std::string& text) {
    auto inserted = InsertPlugin(text, {});
    if (inserted.ok()) {
      EXPECT_TRUE(RemovePlugin(*inserted).ok());
    }
  });
  std::string ambient = ToJson(Entry("c", redirect::AmbientConfig())).dump();
  EXPECT_EQ(ToJson(*JournalEntryFromJson(Json::parse(ambient))).dump(), ambient);
  ForEachMutation({ToJson(Entry("c")).dump(), ambient}, 2000, [](const std::string& text) {
    if (auto j = value::ParseJson(text, "t"); j.ok()) (void)JournalEntryFromJson(*j).ok();
  });
}

}  // namespace
}  // namespace fairlead::agent
