#include "redirect/testing.h"
#include "util/mutate.h"

namespace fairlead::redirect {
namespace {

Json MeshPod(const Json& annotations = Json::object(), const Json& proxy = Json::object()) {
  Json a = annotations, p = proxy;
  a["sidecar.istio.io/status"] = "{}";
  p["name"] = "istio-proxy";
  return {{"metadata", {{"name", "p"}, {"namespace", "n"}, {"annotations", a}}},
          {"spec", {{"containers", {{{"name", "app"}}, p}}}}};
}

TEST(DecideSidecar, LeavesAloneWhatIsNotOfTheMesh) {
  EXPECT_EQ(DecideSidecar(MeshPod())->skip_reason, "");
  auto skipped = [](Json pod) { return !DecideSidecar(pod)->skip_reason.empty(); };
  Json no_status = MeshPod();
  no_status["metadata"]["annotations"].erase("sidecar.istio.io/status");
  EXPECT_TRUE(skipped(no_status));
  Json host = MeshPod();
  host["spec"]["hostNetwork"] = true;
  EXPECT_TRUE(skipped(host));
  Json init = MeshPod();
  init["spec"]["initContainers"] = {{{"name", "istio-init"}}};
  EXPECT_TRUE(skipped(init));
  EXPECT_TRUE(skipped(MeshPod({}, {{"env", {{{"name", "DISABLE_ENVOY"}, {"value", "true"}}}}})));
  EXPECT_TRUE(skipped(MeshPod({}, {{"args", {"proxy", "router"}}})));
  EXPECT_FALSE(skipped(MeshPod({}, {{"args", {"proxy", "sidecar"}}})));
  EXPECT_TRUE(skipped(MeshPod({{"sidecar.istio.io/inject", "false"}})));
  Json native = MeshPod();
  native["spec"]["initContainers"] = {native["spec"]["containers"][1]};
  native["spec"]["containers"].erase(1);
  EXPECT_FALSE(skipped(native)) << "a native sidecar is an init container";
}

TEST(DecideSidecar, NamesAnAnnotationThatIsWrong) {
  const std::pair<const char*, const char*> bad[] = {
      {"sidecar.istio.io/interceptionMode", "MAGIC"},
      {"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/99"},
      {"traffic.sidecar.istio.io/excludeInboundPorts", "80,http"},
      {"traffic.sidecar.istio.io/excludeOutboundPorts", "70000"},
      {"traffic.sidecar.istio.io/excludeInterfaces", "eth0\"; flush ruleset"},
      {"traffic.sidecar.istio.io/excludeOutboundIPRanges", "example.org"}};
  for (auto [key, text] : bad) {
    auto d = DecideSidecar(MeshPod({{key, text}}));
    ASSERT_FALSE(d.ok()) << key;
    EXPECT_NE(d.error().message.find("pod n/p: annotation " + std::string(key)), std::string::npos)
        << d.error().message;
  }
}

TEST_F(NamespaceTest, RefusesWhatIsNoNetworkNamespace) {
  UniqueFd file(::dup(0));
  EXPECT_FALSE(kernel::IdentifyNetns(file.get()).ok());
  EXPECT_EQ(kernel::OpenNetns("/proc/self/ns/mnt").error().code, Code::kInvalid);
  EXPECT_EQ(kernel::OpenNetns("/no/such").error().code, Code::kNotFound);
  EXPECT_FALSE(Nft(netns, "add rule inet nosuch x counter").ok()) << "the kernel's refusal is an error";
}

TEST_F(NamespaceTest, BringsUpTheLoopbackThatTheRuntimeHasNotComeToYet) {
  Ip(netns, "link set lo down\n");
  auto done = programmer.Apply(netns.get(), AmbientConfig{}, BackendKind::kNft);
  ASSERT_TRUE(done.ok()) << done.error().message;
  Status whole = programmer.Verify(netns.get(), AmbientConfig{}, BackendKind::kNft);
  EXPECT_TRUE(whole.ok()) << whole.error().message;
}

// Whatever stands in an annotation: it is refused by name, or the kernel takes the rules that it leads to.
TEST_F(NamespaceTest, DamagedAnnotationsNeverReachTheKernelAsSomethingElse) {
  const std::pair<const char*, std::string> good[] = {
      {"sidecar.istio.io/interceptionMode", "TPROXY"},
      {"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8,fd00::/8"},
      {"traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.1.0.0/16"},
      {"traffic.sidecar.istio.io/includeInboundPorts", "80,443"},
      {"traffic.sidecar.istio.io/excludeInboundPorts", "9090"},
      {"traffic.sidecar.istio.io/includeOutboundPorts", "5432"},
      {"traffic.sidecar.istio.io/excludeOutboundPorts", "3306"},
      {"traffic.sidecar.istio.io/excludeInterfaces", "eth1,net.2"},
      {"istio.io/reroute-virtual-interfaces", "tap0"}};
  auto backend = NewBackend(BackendKind::kNft);
  for (const auto& [key, value] : good) {
    ForEachMutation({value}, 300, [&, key = key](const std::string& text) {
      auto d = DecideSidecar(MeshPod({{key, text}}));
      if (!d.ok()) return;
      RuleSet rules = SidecarRules(d->config, true);
      auto listing = backend->Expect(rules);  // written into an empty namespace, and listed
      EXPECT_TRUE(listing.ok()) << key << ": \"" << text << "\": " << listing.error().message;
      if (listing.ok()) {
        for (const auto& [table, rest] : *listing) EXPECT_TRUE(table.starts_with("istio-proxy-"));
      }
    });
  }
}

}  // namespace
}  // namespace fairlead::redirect
