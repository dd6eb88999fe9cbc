#include <gtest/gtest.h>
#include <unistd.h>

#include "kernel/netns.h"
#include "kernel/nft.h"
#include "redirect/program.h"
#include "util/strings.h"

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

TEST(SidecarNftScript, HasTheRulesOfIstioInTheirOrder) {
  std::string script = *SidecarNftScript({}, false);
  const char* in_order[] = {"add table inet istio-proxy-nat",
                            "add chain inet istio-proxy-nat prerouting { type nat hook prerouting priority -100 ; }",
                            "add chain inet istio-proxy-nat output { type nat hook output priority -100 ; }",
                            "istio-inbound meta l4proto tcp tcp dport 15008 counter return",
                            "istio-redirect meta l4proto tcp counter redirect to :15001",
                            "istio-in-redirect meta l4proto tcp counter redirect to :15006",
                            "prerouting meta l4proto tcp counter jump istio-inbound",
                            "tcp dport 15020 counter return",
                            "tcp dport 15021 counter return",
                            "tcp dport 15090 counter return",
                            "istio-inbound meta l4proto tcp counter jump istio-in-redirect",
                            "output counter jump istio-output",
                            "istio-output oifname lo ip saddr 127.0.0.6/32 counter return",
                            "istio-output oifname lo meta l4proto tcp ip daddr != 127.0.0.1/32 tcp dport != 15008 "
                            "skuid 1337 counter jump istio-in-redirect",
                            "istio-output oifname lo skuid != 1337 counter return",
                            "istio-output skuid 1337 counter return",
                            "tcp dport != 15008 skgid 1337 counter jump istio-in-redirect",
                            "istio-output oifname lo skgid != 1337 counter return",
                            "istio-output skgid 1337 counter return",
                            "istio-output ip daddr 127.0.0.1/32 counter return",
                            "istio-output counter jump istio-redirect"};
  size_t at = 0;
  for (const char* rule : in_order) {
    size_t found = script.find(rule, at);
    ASSERT_NE(found, std::string::npos) << rule << " is missing or out of order in\n" << script;
    at = found;
  }
  EXPECT_EQ(script.find("ip6"), std::string::npos);
  EXPECT_NE(SidecarNftScript({}, true)->find("ip6 daddr ::1/128 counter return"), std::string::npos);
  EXPECT_EQ(SidecarNftScript({.interception_mode = "TPROXY"}, false).error().code, Code::kUnsupported);
}

// From here on with a kernel.
class Namespace : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to make network namespaces";
    auto made = kernel::CreateNetns();
    ASSERT_TRUE(made.ok()) << made.error().message;
    netns = std::move(*made);
  }
  Status In(const std::string& script) {
    return kernel::RunInNetns(netns.get(), [&] { return kernel::NftRun(script); });
  }
  UniqueFd netns;
  Programmer programmer;
};

TEST_F(Namespace, GetsEveryVariantOfTheRules) {
  std::vector<SidecarConfig> variants(8);
  variants[1].dns_capture = true;
  variants[2].include_ip_ranges = {"10.0.0.0/8", "fd00::/8"};
  variants[2].exclude_ip_ranges = {"10.1.0.0/16"};
  variants[3].include_inbound_ports = "80,443";
  variants[4].include_inbound_ports = "";
  variants[5].exclude_interfaces = {"eth1"};
  variants[5].reroute_interfaces = {"vmtap0"};
  variants[6].drop_invalid = true;
  variants[7].proxy_uid = 2000;
  for (const SidecarConfig& config : variants) {
    auto first = programmer.Apply(netns.get(), config);
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_EQ(*first, Programmed::kWritten);
    EXPECT_TRUE(programmer.Verify(netns.get(), config).ok());
    EXPECT_EQ(*programmer.Apply(netns.get(), config), Programmed::kUnchanged)
        << "an update that changes nothing writes nothing";
  }
}

TEST_F(Namespace, NoticesDriftAndPutsItRight) {
  EXPECT_EQ(programmer.Verify(netns.get(), {}).error().code, Code::kNotFound);
  ASSERT_TRUE(programmer.Apply(netns.get(), {}).ok());
  ASSERT_TRUE(In("add table inet foreign").ok());
  for (const char* damage :
       {"flush chain inet istio-proxy-nat istio-output", "delete table inet istio-proxy-nat",
        "insert rule inet istio-proxy-nat output counter return", "add table inet istio-proxy-raw"}) {
    ASSERT_TRUE(In(damage).ok()) << damage;
    EXPECT_FALSE(programmer.Verify(netns.get(), {}).ok()) << damage;
    EXPECT_EQ(*programmer.Apply(netns.get(), {}), Programmed::kWritten) << damage;
    EXPECT_TRUE(programmer.Verify(netns.get(), {}).ok()) << damage;
  }
  EXPECT_TRUE(In("list table inet foreign").ok()) << "tables of others stay";
}

TEST_F(Namespace, RefusesWhatIsNoNetworkNamespace) {
  UniqueFd file(::dup(0));
  EXPECT_FALSE(kernel::IdentifyNetns(file.get()).ok());
  EXPECT_EQ(kernel::OpenNetns("/proc/self/ns/mnt").error().code, Code::kInvalid);
  EXPECT_EQ(kernel::OpenNetns("/no/such").error().code, Code::kNotFound);
  EXPECT_FALSE(In("add rule inet nosuch x counter").ok()) << "the kernel's refusal is an error";
}

}  // namespace
}  // namespace fairlead::redirect
