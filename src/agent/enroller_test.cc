// Enrolment with a real kernel: what a plugin's request, another plugin's request and an agent's own look at a pod do
// to namespaces, journal, ztunnel and host.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "agent/agent.h"
#include "agent/plugin_service.h"
#include "agent/pod_reconciler.h"
#include "http/client.h"
#include "kernel/nft.h"
#include "util/file.h"
#include "util/mutate.h"
#include "util/strings.h"
#include "util/subprocess.h"
#include "util/unix_socket.h"
#include "zds/messages.h"

namespace fairlead::agent {
namespace {

// An API of pods and namespaces that answers from memory and records patches and deletions.
class FakeApi : public kube::Api {
 public:
  Result<Json> Get(const kube::Resource& r, const std::string& ns, const std::string& name) override {
    if (away) return MakeError(Code::kUnavailable, "connection refused");
    std::lock_guard lock(mutex);
    auto it = objects.find(r.plural + "/" + ns + "/" + name);
    if (it == objects.end()) return MakeError(Code::kNotFound, name + " not found");
    return it->second;
  }
  Result<kube::ListResult> List(const kube::Resource& r, const std::string&, const kube::ListOptions&) override {
    if (away) return MakeError(Code::kUnavailable, "connection refused");
    std::lock_guard lock(mutex);
    kube::ListResult out;
    out.resource_version = "1";
    for (const auto& [key, o] : objects)
      if (key.starts_with(r.plural + "/")) out.items.push_back(o);
    return out;
  }
  Result<Json> Create(const kube::Resource&, const Json& o) override { return o; }
  Result<Json> Update(const kube::Resource&, const Json& o, const std::string&) override { return o; }
  Result<Json> Patch(const kube::Resource& r, const std::string& ns, const std::string& name, kube::PatchType,
                     const Json& patch, const kube::PatchOptions& options) override {
    std::lock_guard lock(mutex);
    Json& o = objects[r.plural + "/" + ns + "/" + name];
    o.merge_patch(patch);
    patches.push_back(name + "/" + options.subresource + " " + patch.dump());
    return o;
  }
  Status Delete(const kube::Resource&, const std::string&, const std::string& name,
                const kube::DeleteOptions& o) override {
    std::lock_guard lock(mutex);
    deleted.push_back(name + " " + o.uid);
    return {};
  }
  Status Watch(const kube::Resource& r, const std::string&, const kube::ListOptions&,
               std::function<bool(kube::WatchEvent)> on_event, std::stop_token stop) override {
    while (SleepFor(Millis(5), stop)) {
      std::vector<kube::WatchEvent> now;
      {
        std::lock_guard lock(mutex);
        now.swap(events[r.plural]);
      }
      for (auto& e : now)
        if (!on_event(std::move(e))) return {};
    }
    return {};
  }
  std::atomic<bool> away{false};
  std::mutex mutex;
  std::map<std::string, Json> objects;
  std::vector<std::string> patches, deleted;
  std::map<std::string, std::vector<kube::WatchEvent>> events;  // by plural, for whoever watches next
};

Json Pod(const std::string& name, const Json& annotations, const Json& labels = Json::object()) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", name},
            {"namespace", "ns"},
            {"uid", "uid-of-" + name},
            {"resourceVersion", "1"},
            {"annotations", annotations},
            {"labels", labels}}},
          {"spec", {{"serviceAccountName", "sa"}, {"containers", {{{"name", "istio-proxy"}}}}}}};
}
Json SidecarPod(const std::string& name) { return Pod(name, {{"sidecar.istio.io/status", "{}"}}); }
Json AmbientPod(const std::string& name) { return Pod(name, Json::object(), {{"istio.io/dataplane-mode", "ambient"}}); }

// A ztunnel that does what it is told and remembers it.
class Ztunnel {
 public:
  explicit Ztunnel(const std::string& socket, std::string refuse = "") : refuse_(std::move(refuse)) {
    thread_ = std::jthread([this, socket](std::stop_token stop) {
      WakeFd wake(stop);
      while (!stop.stop_requested()) {
        auto fd = ConnectUnix(socket, SocketKind::kSeqPacket);
        if (!fd.ok()) {
          SleepFor(Millis(10), stop);
          continue;
        }
        ++connections;
        (void)SendWithFds(fd->get(), zds::HelloMessage(), {}).ok();
        while (WaitFd(fd->get(), POLLIN, std::chrono::hours(1), wake.fd()).ok()) {
          auto got = ReceiveWithFds(fd->get(), zds::kMaxMessage);
          if (!got.ok() || got->bytes.empty()) break;
          std::string error = Take(*zds::ReadRequest(got->bytes), got->fds.size());
          (void)SendWithFds(fd->get(), zds::AckMessage(error), {}).ok();
        }
        std::lock_guard lock(mutex);
        log.push_back("disconnected");
      }
    });
  }
  std::string Take(const zds::Request& r, size_t fds) {
    std::lock_guard lock(mutex);
    if (r.kind == zds::Request::kAdd) {
      log.push_back("add " + r.ns + "/" + r.name + " " + r.service_account + " fds=" + std::to_string(fds));
      if (r.name == refuse_) return "no room";
      pods.insert(r.uid);
    }
    if (r.kind == zds::Request::kKeep) log.push_back("keep " + r.uid);
    if (r.kind == zds::Request::kDelete) {
      log.push_back("del " + r.uid);
      pods.erase(r.uid);
    }
    if (r.kind == zds::Request::kSnapshotSent) log.push_back("snapshot");
    return "";
  }
  std::string Log() {
    std::lock_guard lock(mutex);
    return Join(log, "; ");
  }
  bool Has(const std::string& pod) {
    std::lock_guard lock(mutex);
    return pods.contains("uid-of-" + pod);
  }
  std::mutex mutex;
  std::vector<std::string> log;
  std::set<std::string> pods;
  std::atomic<int> connections{0};

 private:
  std::string refuse_;
  std::jthread thread_;
};

class Enrolment : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make network namespaces";
    std::filesystem::create_directories(dir + "/netns");
    config.version = "1.28.6";
    config.node_name = "n";
    config.run_dir = dir;
    config.netns_dir = dir + "/netns";
    config.exclude_namespaces = {"kube-system"};
    config.ambient.settings.selectors = *redirect::ParseEnablementSelectors("");
    host = std::move(*kernel::CreateNetns());
    api.objects["namespaces//ns"] = {{"metadata", {{"name", "ns"}, {"labels", Json::object()}}}};
  }
  void TearDown() override {
    reconciler.reset();
    pods.informer().Stop();
    namespaces.Stop();
    for (const std::string& path : mounts) ::umount2(path.c_str(), MNT_DETACH);
    std::filesystem::remove_all(dir);
  }
  void Begin(bool ambient) {
    ASSERT_TRUE(journal.Load(config.netns_dir).ok());
    if (ambient) {
      probes.emplace(std::move(*host.Duplicate()), config.ambient.settings.probe_address,
                     config.ambient.settings.probe_address6);
      ASSERT_TRUE(*probes->Ensure());
      ztunnel.emplace([this] { return enroller->Workloads(); }, metrics);
      parts.emplace(Ambient{config.ambient.settings, namespaces, *ztunnel, *probes});
      ztunnel->Start(std::move(*ListenUnix(dir + "/ztunnel.sock", SocketKind::kSeqPacket, 0600)));
    }
    enroller.emplace(config, pods, journal, programmer, metrics, redirect::BackendKind::kNft,
                     parts ? &*parts : nullptr);
    reconciler.emplace(config, api, pods.informer(), &namespaces, *enroller, metrics);
    service.emplace(config, *enroller, metrics, [this](const std::string& key) { told.push_back(key); });
    reconciler->Watch();
    pods.informer().Start();
    namespaces.Start();
    ASSERT_TRUE(pods.informer().WaitForSync(Millis(5000)));
    ASSERT_TRUE(namespaces.WaitForSync(Millis(5000)));
  }
  // A namespace with an address, where the runtime would keep it.
  UniqueFd Netns(const std::string& name, const std::string& address) {
    auto fd = kernel::CreateNetns();
    EXPECT_TRUE(kernel::RunInNetns(fd->get(), [&]() -> Status {
                  FL_ASSIGN(auto r, RunProgram({"ip", "-batch", "-"},
                                               {.input = "link set lo up\nlink add eth0 type veth peer name p\nlink "
                                                         "set eth0 up\nlink set p up\naddr add " +
                                                         address + "/24 dev eth0\n"}));
                  std::string path = config.netns_dir + "/" + name;
                  FL_TRY(WriteFileAtomic(path, "", 0600));
                  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
                    return ErrnoError("mount", errno);
                  mounts.push_back(path);
                  return r.exit_status == 0 ? Status() : MakeError(Code::kInternal, r.err);
                }).ok());
    return std::move(*fd);
  }
  int Ask(const char* command, const std::string& pod, const UniqueFd& netns, Millis wait = Millis(500)) {
    cni::AgentRequest r{command, "c-" + pod, "eth0", "/var/run/netns/" + pod, pod, "ns", "", "net", {}};
    return service->Serve(r, std::move(*netns.Duplicate()), SteadyNow() + wait).code;
  }
  static std::string Tables(const UniqueFd& netns) {
    std::string out;
    (void)kernel::RunInNetns(netns.get(), [&]() -> Status {
      FL_ASSIGN(out, kernel::NftListJson("list tables"));
      return {};
    }).ok();
    return out;
  }
  static bool Within(const std::function<bool()>& check) {
    for (auto until = SteadyNow() + std::chrono::seconds(5); SteadyNow() < until;
         std::this_thread::sleep_for(Millis(5)))
      if (check()) return true;
    return false;
  }
  void Put(const Json& pod) { api.objects["pods/ns/" + kube::Name(pod)] = pod; }
  // As the pod is once it runs.
  void Running(const std::string& name, const std::string& address) {
    api.objects["pods/ns/" + name]["status"] = {
        {"phase", "Running"}, {"podIP", address}, {"podIPs", {{{"ip", address}}}}};
  }

  std::string dir = "/tmp/fairlead-enrol-" + RandomHex(8);
  std::vector<std::string> mounts, told;
  Config config;
  FakeApi api;
  controller::Metrics metrics;
  UniqueFd host;
  CachedPods pods{api, "n"};
  kube::Informer namespaces{api, kube::kNamespaces};
  Journal journal{dir + "/journal"};
  redirect::Programmer programmer;
  std::optional<redirect::HostProbes> probes;
  std::optional<ZtunnelServer> ztunnel;
  std::optional<Ambient> parts;
  std::optional<Enroller> enroller;
  std::optional<PodReconciler> reconciler;
  std::optional<PluginService> service;
};

TEST_F(Enrolment, SidecarPodsHaveRulesAndOthersAreToldWhy) {
  Put(SidecarPod("mesh"));
  Put(Pod("plain", Json::object()));
  Put(Pod("wrong", {{"sidecar.istio.io/status", "{}"}, {"sidecar.istio.io/interceptionMode", "x"}}));
  Begin(false);
  UniqueFd netns = Netns("mesh", "10.8.0.2");
  cni::AgentRequest bare{"ADD", "c-mesh", "eth0", "/var/run/netns/x", "mesh", "ns", "", "net", {}};
  EXPECT_EQ(service->Serve(bare, UniqueFd(), SteadyNow()).code, cni::kUnknownContainer) << "without a namespace";
  EXPECT_EQ(Ask("CHECK", "mesh", netns), cni::kRulesMissing);
  EXPECT_EQ(Ask("ADD", "mesh", netns), 0);
  EXPECT_EQ(Ask("ADD", "mesh", netns), 0) << "again";
  EXPECT_EQ(Ask("CHECK", "mesh", netns), 0);
  EXPECT_EQ(journal.List().size(), 1u);
  EXPECT_EQ(told.size(), 2u);
  UniqueFd other = Netns("other", "10.8.0.3");
  EXPECT_EQ(Ask("ADD", "plain", other), 0);
  EXPECT_EQ(Ask("ADD", "wrong", other), cni::kRefused);
  EXPECT_EQ(Ask("ADD", "unknown", other), cni::kUnknownContainer);
  EXPECT_EQ(Ask("DANCE", "mesh", other), cni::kBadEnvironment);
  EXPECT_EQ(Tables(other).find("istio"), std::string::npos);
  EXPECT_EQ(enroller->VerifyAll([](auto&&...) { return true; }), 0);
  ASSERT_TRUE(kernel::RunInNetns(netns.get(), [] { return kernel::NftRun("delete table inet istio-proxy-nat"); }).ok());
  EXPECT_EQ(enroller->VerifyAll([](auto&&...) { return true; }), 1);
  EXPECT_EQ(enroller->Describe()["driftRepaired"], 1);
  EXPECT_EQ(Ask("CHECK", "mesh", netns), 0);
  EXPECT_EQ(Ask("DEL", "mesh", netns), 0);
  EXPECT_TRUE(journal.List().empty());
}

TEST_F(Enrolment, AmbientPodsAreInTheKernelAtTheHostAndWithZtunnelBeforeAddReturns) {
  Put(AmbientPod("a"));
  Put(AmbientPod("b"));
  Begin(true);
  UniqueFd a = Netns("a", "10.8.0.2");
  EXPECT_EQ(Ask("ADD", "a", a, Millis(150)), cni::kTryAgainLater) << "no ztunnel yet";
  EXPECT_EQ(Ask("DEL", "a", a), 0) << "as the runtime does after a failed ADD";
  Ztunnel z(dir + "/ztunnel.sock", "b");
  EXPECT_EQ(Ask("ADD", "a", a, Millis(3000)), 0) << "waits for ztunnel";
  EXPECT_TRUE(z.Has("a"));
  EXPECT_NE(z.Log().find("add ns/a sa fds=1"), std::string::npos) << z.Log();
  EXPECT_NE(Tables(a).find("istio-ambient-nat"), std::string::npos);
  EXPECT_EQ(probes->List()->at("10.8.0.2"), "uid-of-a");
  EXPECT_EQ(Ask("CHECK", "a", a), 0);
  UniqueFd b = Netns("b", "10.8.0.3");
  EXPECT_EQ(Ask("ADD", "b", b), cni::kTryAgainLater) << "ztunnel refused it";
  // The annotation follows.
  reconciler->Start();
  reconciler->Pause(false);
  EXPECT_TRUE(Within([&] {
    std::lock_guard lock(api.mutex);
    return std::find(api.patches.begin(), api.patches.end(),
                     R"(a/status {"metadata":{"annotations":{"ambient.istio.io/redirection":"enabled"}}})") !=
           api.patches.end();
  }));
  EXPECT_EQ(Ask("DEL", "a", a), 0);
  EXPECT_TRUE(Within([&] { return !z.Has("a"); }));
  EXPECT_FALSE(probes->List()->contains("10.8.0.2"));
}

TEST_F(Enrolment, SeveralZtunnelsAllHaveEveryPodAndANewOneGetsAll) {
  Put(AmbientPod("a"));
  Put(AmbientPod("b"));
  Begin(true);
  auto old_one = std::make_unique<Ztunnel>(dir + "/ztunnel.sock");
  UniqueFd a = Netns("a", "10.8.0.2"), b = Netns("b", "10.8.0.3");
  ASSERT_EQ(Ask("ADD", "a", a, Millis(3000)), 0);
  Ztunnel new_one(dir + "/ztunnel.sock");
  ASSERT_TRUE(Within([&] { return ztunnel->connected() == 2; }));
  EXPECT_TRUE(new_one.Has("a")) << new_one.Log();
  ASSERT_EQ(Ask("ADD", "b", b), 0);
  EXPECT_TRUE(Within([&] { return old_one->Has("b") && new_one.Has("b"); }));
  old_one.reset();
  ASSERT_TRUE(Within([&] { return ztunnel->connected() == 1; }));
  EXPECT_EQ(Ask("DEL", "a", a), 0);
  EXPECT_TRUE(Within([&] { return !new_one.Has("a") && new_one.Has("b"); }));
  // Handed to another server, the connection goes on without a word.
  std::string before = new_one.Log();
  std::vector<UniqueFd> handed = ztunnel->Release();
  ASSERT_EQ(handed.size(), 1u);
  EXPECT_EQ(ztunnel->Add({"u", "late", "ns", "sa", nullptr}, SteadyNow() + Millis(50)).error().code,
            Code::kUnavailable);
  ZtunnelServer next([] { return std::vector<ZtunnelWorkload>(); }, metrics);
  next.Start(std::move(*ListenUnix(dir + "/ztunnel.sock", SocketKind::kSeqPacket, 0600)), std::move(handed));
  EXPECT_EQ(next.connected(), 1u);
  next.Delete("uid-of-b");
  EXPECT_TRUE(Within([&] { return !new_one.Has("b"); }));
  EXPECT_EQ(new_one.Log(), before + "; del uid-of-b");
  EXPECT_EQ(new_one.connections, 1);
}

TEST_F(Enrolment, ZtunnelsThatMisbehaveAreClosedAndHarmNobody) {
  Begin(true);
  for (const std::string& bad : {std::string("\x08\x02", 2), std::string("garbage"), std::string(2000, 'x')}) {
    auto c = ConnectUnix(dir + "/ztunnel.sock", SocketKind::kSeqPacket);
    ASSERT_TRUE(c.ok());
    (void)SendWithFds(c->get(), bad, {}).ok();
    ASSERT_TRUE(WaitFd(c->get(), POLLIN, Millis(3000)).ok()) << "closed";
    auto end = ReceiveWithFds(c->get(), 10);
    EXPECT_TRUE(!end.ok() || end->bytes.empty());
  }
  Ztunnel good(dir + "/ztunnel.sock");
  EXPECT_TRUE(Within([&] { return ztunnel->connected() == 1; }));
}

TEST_F(Enrolment, PodsThatRunAlreadyComeInAndLeaveWithTheirLabels) {
  Put(AmbientPod("a"));
  Running("a", "10.8.0.2");
  Put(Pod("b", Json::object()));
  Running("b", "10.8.0.3");
  UniqueFd a = Netns("one", "10.8.0.2"), b = Netns("two", "10.8.0.3");
  Begin(true);
  Ztunnel z(dir + "/ztunnel.sock");
  reconciler->AdoptAll();
  EXPECT_TRUE(Within([&] { return z.Has("a"); }));
  EXPECT_FALSE(z.Has("b"));
  EXPECT_NE(Tables(a).find("istio-ambient-nat"), std::string::npos);
  EXPECT_EQ(Tables(b).find("istio"), std::string::npos);
  reconciler->Start();
  reconciler->Pause(false);
  {
    std::lock_guard lock(api.mutex);
    Json& pod = api.objects["pods/ns/a"];
    pod["metadata"]["labels"] = {{"istio.io/dataplane-mode", "none"}};
    pod["metadata"]["annotations"]["ambient.istio.io/redirection"] = "enabled";
    api.events["pods"].push_back({"MODIFIED", pod});
  }
  EXPECT_TRUE(Within([&] { return !z.Has("a"); }));
  EXPECT_TRUE(Within([&] { return Tables(a).find("istio") == std::string::npos; }));
  EXPECT_TRUE(Within([&] {
    std::lock_guard lock(api.mutex);
    return api.objects["pods/ns/a"]["metadata"]["annotations"].empty();
  }));
  EXPECT_TRUE(probes->List()->empty());
}

TEST_F(Enrolment, RulesOfAnotherProgramStayAsTheyAre) {
  Put(SidecarPod("theirs"));
  Running("theirs", "10.8.0.2");
  Put(SidecarPod("bare"));
  Running("bare", "10.8.0.3");
  UniqueFd theirs = Netns("one", "10.8.0.2"), bare = Netns("two", "10.8.0.3");
  const char* script =
      "add table inet istio-proxy-nat\nadd chain inet istio-proxy-nat output { type nat hook output priority -100 ; "
      "}\nadd rule inet istio-proxy-nat output counter return\n";
  ASSERT_TRUE(kernel::RunInNetns(theirs.get(), [&] { return kernel::NftRun(script); }).ok());
  Begin(false);
  auto listing = [&] {
    std::string out;
    (void)kernel::RunInNetns(theirs.get(), [&]() -> Status {
      FL_ASSIGN(out, kernel::NftListJson("list ruleset"));
      return {};
    }).ok();
    return out;
  };
  std::string before = listing();
  reconciler->AdoptAll();
  EXPECT_EQ(listing(), before);
  EXPECT_TRUE(journal.FindPod("uid-of-theirs")->entry.found);
  EXPECT_NE(Tables(bare).find("istio-proxy-nat"), std::string::npos) << "one that has none is repaired in place";
  EXPECT_EQ(enroller->VerifyAll([](auto&&...) { return true; }), 0);
  EXPECT_EQ(listing(), before);
  ASSERT_TRUE(kernel::RunInNetns(theirs.get(), [] { return kernel::NftRun("flush ruleset"); }).ok());
  EXPECT_EQ(enroller->VerifyAll([](auto&&...) { return true; }), 1) << "gone, they are written anew";
  EXPECT_FALSE(journal.FindPod("uid-of-theirs")->entry.found);
}

TEST_F(Enrolment, BrokenPodsAreDeletedOrLabelledWhereThatIsAskedFor) {
  auto broken = [&](const std::string& name, int exit_code) {
    Json pod = SidecarPod(name);
    pod["status"] = {{"phase", "Pending"},
                     {"podIP", "10.8.0.9"},
                     {"podIPs", {{{"ip", "10.8.0.9"}}}},
                     {"initContainerStatuses",
                      {{{"name", "istio-validation"},
                        {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}},
                        {"lastState", {{"terminated", {{"exitCode", exit_code}}}}}}}}};
    Put(pod);
  };
  broken("broken", 126);
  broken("slow", 1);
  config.repair.repair_pods = false;
  config.repair.delete_pods = true;
  Begin(false);
  reconciler->AdoptAll();
  EXPECT_EQ(api.deleted, std::vector<std::string>{"broken uid-of-broken"});
  config.repair.delete_pods = false;
  config.repair.label_pods = true;
  reconciler->AdoptAll();
  EXPECT_EQ(api.patches,
            std::vector<std::string>{R"(broken/status {"metadata":{"labels":{"cni.istio.io/uninitialized":"true"}}})"});
  EXPECT_NE(metrics.Text().find("istio_cni_repair_pods_repaired_total{result=\"success\",type=\"delete\"} 1"),
            std::string::npos)
      << metrics.Text();
}

TEST_F(Enrolment, GarbageOfOurNetworkIsCollected) {
  for (const char* name : {"a", "b"}) Put(SidecarPod(name));
  Begin(false);
  UniqueFd a = Netns("a", "10.8.0.2"), b = Netns("b", "10.8.0.3");
  ASSERT_EQ(Ask("ADD", "a", a), 0);
  ASSERT_EQ(Ask("ADD", "b", b), 0);
  cni::AgentRequest gc{"GC", "", "", "", "", "", "", "another", {}};
  EXPECT_EQ(service->Serve(gc, UniqueFd(), SteadyNow()).code, 0);
  EXPECT_EQ(journal.List().size(), 2u) << "another network's list says nothing about ours";
  gc.network = "net";
  gc.attachments = {"c-b"};
  EXPECT_EQ(service->Serve(gc, UniqueFd(), SteadyNow()).code, 0);
  ASSERT_EQ(journal.List().size(), 1u);
  EXPECT_EQ(journal.List()[0].entry.pod_name, "b");
}

TEST_F(Enrolment, TheSocketServesIstiosPluginToo) {
  Put(AmbientPod("a"));
  Put(Pod("plain", Json::object()));
  Begin(true);
  Ztunnel z(dir + "/ztunnel.sock");
  UniqueFd a = Netns("cni-1", "10.8.0.2");
  http::Server server({}, [&](http::Request& r, http::ResponseWriter& w) { service->Handle(r, w); });
  ASSERT_TRUE(server.AddListener(std::move(*ListenUnix(dir + "/plugin.sock", SocketKind::kStream, 0600))).ok());
  http::Client client({.base_url = "http://agent", .unix_path = dir + "/plugin.sock"});
  auto post = [&](const std::string& body) {
    auto r = client.Do({.method = "POST", .target = "/cmdadd", .body = body, .timeout = Millis(8000)});
    return r.ok() ? r->status : -1;
  };
  EXPECT_EQ(
      post(
          R"({"Netns":"/var/run/netns/cni-1","PodName":"a","PodNamespace":"ns","IPs":[{"Interface":0,"Address":{"IP":"10.8.0.2","Mask":"////AA=="},"Gateway":"10.8.0.1"}]})"),
      200);
  EXPECT_TRUE(z.Has("a"));
  EXPECT_EQ(post(""), 400);
  EXPECT_EQ(post(R"({"Netns":"/var/run/netns/none","PodName":"a","PodNamespace":"ns"})"), 500);
  auto node = client.Do({.target = "/node"});
  ASSERT_TRUE(node.ok());
  Json j = Json::parse(node->body);
  EXPECT_EQ(j["pods"][0]["mode"], "ambient");
  EXPECT_EQ(j["ztunnels"], 1);
  ForEachMutation({R"({"Netns":"/var/run/netns/../x","PodName":"a","PodNamespace":"ns","IPs":[]})"}, 300,
                  [&](const std::string& body) { EXPECT_NE(post(body), -1) << body; });
}

// A whole agent, beside one that dies at each step of the handover.
class WholeAgent : public Enrolment {
 protected:
  void SetUp() override {
    Enrolment::SetUp();
    if (::geteuid() != 0) return;
    for (const char* d : {"/net.d", "/bin"}) std::filesystem::create_directories(dir + d);
    config.net_dir = dir + "/net.d";
    config.bin_dir = dir + "/bin";
    config.plugin_source = dir + "/source";
    config.monitoring_port = 0;
    config.health_port = 0;
    config.ambient.ztunnel_socket = dir + "/ztunnel.sock";
    (void)WriteFileAtomic(config.plugin_source, "plugin", 0755).ok();
    (void)WriteFileAtomic(dir + "/net.d/10-main.conflist",
                          R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]})", 0600)
        .ok();
  }
  std::jthread Start() {
    return std::jthread([this](std::stop_token stop) {
      controller::Metrics own_metrics;
      Status s = RunAgent(config, api, own_metrics, stop);
      EXPECT_TRUE(s.ok()) << s.error().message;
    });
  }
  std::string Version() {
    http::Client client({.base_url = "http://agent", .unix_path = dir + "/pluginevent.sock"});
    auto r = client.Do({.target = "/version", .timeout = Millis(1000)});
    return r.ok() ? value::Str(Json::parse(r->body), "version") : r.error().message;
  }
};

TEST_F(WholeAgent, ServesWhereverInTheHandoverTheOldOneDies) {
  const char* steps[] = {"at once",         "after hello", "after a pod",
                         "after the offer", "after take",  "after released, of the protocol before this one"};
  for (int step = 0; step < 6; ++step) {
    SCOPED_TRACE(steps[step]);
    UniqueFd plugin = std::move(*ListenUnix(dir + "/pluginevent.sock", SocketKind::kStream, 0600));
    UniqueFd handover = std::move(*ListenUnix(dir + "/handover.sock", SocketKind::kSeqPacket, 0600));
    std::jthread old_agent([&] {
      if (!WaitFd(handover.get(), POLLIN, Millis(5000)).ok()) return;
      UniqueFd c(::accept(handover.get(), nullptr, nullptr));
      auto receive = [&] { return WaitFd(c.get(), POLLIN, Millis(5000)).ok() && ReceiveWithFds(c.get(), 65536).ok(); };
      auto send = [&](const std::string& text, std::vector<int> fds = {}) {
        (void)SendWithFds(c.get(), text, fds).ok();
      };
      if (step >= 1) receive();
      if (step >= 2)
        send(R"({"pod":{"version":1,"containerID":"x","backend":"nft","sidecar":{"includeIPRanges":["*"]}}})");
      if (step >= 3)
        send(step == 5 ? R"({"offer":{"protocol":1,"version":"old"}})" : R"({"offer":{"protocol":2,"version":"old"}})",
             {plugin.get()});
      if (step >= 4) receive();
      if (step >= 5) send(R"({"released":{}})");
      c.reset();
      handover.reset();
      plugin.reset();
    });
    std::jthread agent = Start();
    old_agent.join();
    EXPECT_TRUE(Within([&] { return Version() == "1.28.6"; })) << Version();
    EXPECT_TRUE(Within([&] { return FileExists(dir + "/bin/istio-cni"); }));
  }
}

TEST_F(WholeAgent, HandsOverToANeighbouringVersionAndServesAgainWhenThatOneIsGone) {
  config.ambient.enabled = true;
  config.host_netns = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(host.get());
  std::jthread agent = Start();
  ASSERT_TRUE(Within([&] { return Version() == "1.28.6"; })) << Version();
  Ztunnel z(dir + "/ztunnel.sock");
  ASSERT_TRUE(Within([&] { return z.connections == 1; }));
  for (auto [protocol, listeners, ztunnels] : {std::tuple{1, 1u, 0u}, {2, 2u, 1u}, {3, 2u, 1u}, {4, 0u, 0u}}) {
    SCOPED_TRACE(protocol);
    int connections = z.connections;
    ASSERT_TRUE(Within([&] { return z.Log().ends_with("snapshot"); })) << z.Log();
    auto c = ConnectUnix(dir + "/handover.sock", SocketKind::kSeqPacket);
    ASSERT_TRUE(c.ok()) << c.error().message;
    auto receive = [&] {
      return WaitFd(c->get(), POLLIN, Millis(8000)).ok() ? ReceiveWithFds(c->get(), 65536).value() : Received();
    };
    ASSERT_TRUE(
        SendWithFds(c->get(), R"({"hello":{"version":"x","protocol":)" + std::to_string(protocol) + "}}", {}).ok());
    Received offer = receive();
    EXPECT_EQ(offer.fds.size(), listeners);
    if (listeners > 0) {
      ASSERT_TRUE(SendWithFds(c->get(), R"({"take":{}})", {}).ok());
      Received released = receive();
      EXPECT_EQ(released.fds.size(), ztunnels) << released.bytes;
    }
    c->reset();  // and dies
    EXPECT_TRUE(Within([&] { return Version() == "1.28.6"; })) << Version();
    if (listeners > 0) {
      EXPECT_TRUE(Within([&] { return z.connections > connections; })) << "ztunnel comes again";
    }
  }
}

TEST_F(WholeAgent, ComesAfterARebootWithNothingButTheNodesDisk) {
  // tmpfs is empty and no namespace is left; the configuration with the plugin in it is still there.
  (void)WriteFileAtomic(dir + "/net.d/10-main.conflist",
                        R"({"name":"m","cniVersion":"1.0.0","plugins":[{"type":"bridge"},{"type":"istio-cni"}]})", 0600)
      .ok();
  std::filesystem::create_directories(dir + "/journal");
  JournalEntry gone;
  gone.container_id = "before-the-reboot";
  gone.pod_uid = "uid-of-a";
  gone.netns_path = "/var/run/netns/gone";
  gone.config = redirect::AmbientConfig();
  (void)WriteFileAtomic(dir + "/journal/before-the-reboot.json", ToJson(gone).dump(), 0600).ok();
  (void)WriteFileAtomic(dir + "/journal/complete", "1\n", 0600).ok();
  Put(AmbientPod("a"));
  config.ambient.enabled = true;
  config.host_netns = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(host.get());
  std::jthread agent = Start();
  ASSERT_TRUE(Within([&] { return Version() == "1.28.6"; })) << Version();
  Ztunnel z(dir + "/ztunnel.sock");
  UniqueFd a = Netns("a", "10.8.0.2");
  cni::AgentRequest r{"ADD", "after-it", "eth0", "/var/run/netns/a", "a", "ns", "", "net", {}};
  auto c = ConnectUnix(dir + "/pluginevent.sock", SocketKind::kStream);
  std::string body = ToJson(r).dump();
  ASSERT_TRUE(SendWithFds(c->get(),
                          "POST " + std::string(cni::kAgentPath) +
                              " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Wait-Ms: 5000\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body,
                          {a.get()})
                  .ok());
  ASSERT_TRUE(WaitFd(c->get(), POLLIN, Millis(8000)).ok());
  EXPECT_TRUE(ReceiveWithFds(c->get(), 4096)->bytes.starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(z.Has("a"));
  EXPECT_FALSE(FileExists(dir + "/journal/before-the-reboot.json")) << "the pod has a new attachment";
}

TEST_F(WholeAgent, KnowsFiveHundredPodsAtOnceAfterARestart) {
  constexpr int kPods = 500;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 4096) GTEST_SKIP() << "may not have enough descriptors";
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  config.ambient.enabled = true;
  config.host_netns = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(host.get());
  std::filesystem::create_directories(dir + "/journal");
  (void)WriteFileAtomic(dir + "/journal/complete", "1\n", 0600).ok();
  std::vector<UniqueFd> namespaces_of_pods;
  std::string before;
  for (int i = 0; i < kPods; ++i) {
    std::string name = "p" + std::to_string(i), path = config.netns_dir + "/" + name;
    UniqueFd ns = std::move(*kernel::CreateNetns());
    ASSERT_TRUE(kernel::RunInNetns(ns.get(), [&]() -> Status {
                  FL_TRY(WriteFileAtomic(path, "", 0600));
                  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
                    return ErrnoError("mount", errno);
                  mounts.push_back(path);
                  return {};
                }).ok());
    Json pod = i % 2 ? AmbientPod(name) : SidecarPod(name);
    Put(pod);
    JournalEntry e;
    e.container_id = "c" + std::to_string(i);
    e.pod_uid = kube::Uid(pod);
    e.pod_namespace = "ns";
    e.pod_name = name;
    e.netns_path = "/var/run/netns/" + name;
    e.netns = *kernel::IdentifyNetns(ns.get());
    if (i % 2) e.config = redirect::AmbientConfig{.ipv6 = false};
    if (i < 50) {  // some have their rules, so that a needless write would be seen
      ASSERT_TRUE(kernel::RunInNetns(ns.get(), []() -> Status {
                    FL_ASSIGN(auto r, RunProgram({"ip", "link", "set", "lo", "up"}));
                    return r.exit_status == 0 ? Status() : MakeError(Code::kInternal, r.err);
                  }).ok());
      ASSERT_TRUE(programmer.Apply(ns.get(), e.config, redirect::BackendKind::kNft).ok());
    }
    (void)WriteFileAtomic(dir + "/journal/" + e.container_id + ".json", ToJson(e).dump(), 0600).ok();
    ns.MoveUp();
    namespaces_of_pods.push_back(std::move(ns));
  }
  auto handles = [&] {
    std::string all;
    for (int i = 0; i < 50; ++i)
      (void)kernel::RunInNetns(namespaces_of_pods[static_cast<size_t>(i)].get(), [&]() -> Status {
        FL_ASSIGN(std::string text, kernel::NftListJson("list ruleset"));
        all += text;  // with handles, which a write would change
        return {};
      }).ok();
    return all;
  };
  before = handles();
  std::jthread agent = Start();
  ASSERT_TRUE(Within([&] { return Version() == "1.28.6"; })) << Version();
  Ztunnel z(dir + "/ztunnel.sock");
  ASSERT_TRUE(Within([&] {
    std::lock_guard lock(z.mutex);
    return z.pods.size() == kPods / 2;
  })) << z.pods.size();
  std::this_thread::sleep_for(Millis(500));
  EXPECT_EQ(handles(), before);
}

TEST_F(WholeAgent, StartsWhileTheApiServerIsAway) {
  config.ambient.enabled = true;
  config.host_netns = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(host.get());
  std::filesystem::create_directories(dir + "/journal");
  (void)WriteFileAtomic(dir + "/journal/complete", "1\n", 0600).ok();
  Put(AmbientPod("a"));
  api.away = true;
  std::jthread agent = Start();
  EXPECT_TRUE(Within([&] { return Version() == "1.28.6"; })) << "the plugin can connect, and waits";
  Ztunnel z(dir + "/ztunnel.sock");
  EXPECT_TRUE(Within([&] { return z.Log() == "snapshot"; })) << "ztunnel is served from the journal: " << z.Log();
}

}  // namespace
}  // namespace fairlead::agent
