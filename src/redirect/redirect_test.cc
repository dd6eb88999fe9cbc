#include "redirect/testing.h"

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

}  // namespace
}  // namespace fairlead::redirect
