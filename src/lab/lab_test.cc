#include <gtest/gtest.h>

#include "embedded/lab_types.h"
#include "lab/auth.h"
#include "lab/cel.h"
#include "lab/controllers.h"
#include "lab/fields.h"
#include "lab/local_api.h"
#include "lab/table.h"
#include "util/mutate.h"

namespace fairlead::lab {
namespace {

using value::At;
using value::Int;
using value::Str;

TEST(Cel, EvaluatesTheRulesOfOurCrds) {
  Json self = {{"metadata", {{"name", "default"}}},
               {"namespace", "a"},
               {"values", {{"global", {{"istioNamespace", "b"}}}}},
               {"l", {1, 2}}};
  const std::pair<const char*, bool> cases[] = {
      {"self.metadata.name == 'default'", true},
      {"self.metadata.name != \"default\"", false},
      {"!has(self.none) || self.none.x == 1", true},
      {"has(self.values.global.istioNamespace)", true},
      {"!has(self.values) || !has(self.values.global) || self.values.global.istioNamespace == self.__namespace__",
       false},
      {"size(self.l) == 2 && self.l[0] < 2", true},
      {"self.metadata.name in ['a', 'default']", true},
      {"self.namespace.startsWith('a') ? true : false", true},
      {"self.metadata.name.matches('^d.*t$')", true},
      {"false && self.none.x == 1", false}};
  for (auto [rule, want] : cases) {
    auto got = EvaluateRule(rule, self, nullptr);
    ASSERT_TRUE(got.ok()) << rule << ": " << got.error().message;
    EXPECT_EQ(*got, want) << rule;
  }
  for (const char* bad : {"self.none.x == 1", "self ==", "frobnicate(self)", "self.metadata.name", "(((("})
    EXPECT_FALSE(EvaluateRule(bad, self, nullptr).ok()) << bad;
}

class ApiTest : public ::testing::Test {
 protected:
  ApiTest()
      : registry(std::move(*Registry::Create(embedded::lab_types().at("types.yaml")))),
        rest(*registry, store),
        api(rest, "test") {
    (void)api.Create(kube::kNamespaces, {{"metadata", {{"name", "n"}}}}).ok();
  }
  ApiResult Apply(const std::string& manager, const Json& o, bool force = false) {
    WriteOptions w{.manager = manager, .force = force};
    return rest.Patch(*registry->FindKind("v1", "ConfigMap"), "n", "c", kube::PatchType::kApply, o, w);
  }
  static Json Cm(const Json& data) {
    return {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "c"}}}, {"data", data}};
  }
  static Json Pod(const std::string& name, const std::string& image = "i:1") {
    return {{"metadata", {{"name", name}, {"namespace", "n"}}},
            {"spec", {{"nodeName", "node-1"}, {"containers", {{{"name", "c"}, {"image", image}}}}}}};
  }
  std::unique_ptr<Registry> registry;
  Store store;
  Rest rest;
  LocalApi api;
};

TEST_F(ApiTest, DefaultsValidatesAndCountsGenerations) {
  Json ds = {
      {"metadata", {{"name", "d"}, {"namespace", "n"}}},
      {"spec",
       {{"selector", {{"matchLabels", {{"a", "b"}}}}},
        {"template",
         {{"metadata", {{"labels", {{"a", "b"}}}}}, {"spec", {{"containers", {{{"name", "c"}, {"image", "i"}}}}}}}}}}};
  auto made = api.Create(kube::kDaemonSets, ds);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(At(*made, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), 1);
  EXPECT_EQ(Str(*made, "spec", "template", "spec", "containers", 0, "imagePullPolicy"), "IfNotPresent");
  EXPECT_EQ(kube::Generation(*made), 1);
  EXPECT_EQ(api.Create(kube::kDaemonSets, ds).error().code, Code::kAlreadyExists);
  Json same = *made;
  EXPECT_EQ(kube::ResourceVersion(*api.Update(kube::kDaemonSets, same, "")), kube::ResourceVersion(*made))
      << "nothing changed, nothing written";
  same["metadata"]["labels"]["x"] = "y";
  auto labelled = api.Update(kube::kDaemonSets, same, "");
  EXPECT_EQ(kube::Generation(*labelled), 1) << "labels are no spec";
  same = *labelled;
  same["spec"]["minReadySeconds"] = 3;
  EXPECT_EQ(kube::Generation(*api.Update(kube::kDaemonSets, same, "")), 2);
  EXPECT_EQ(api.Update(kube::kDaemonSets, same, "").error().code, Code::kConflict) << "an old resource version";
  ds["metadata"]["name"] = "e";
  ds["spec"]["template"]["metadata"]["labels"]["a"] = "other";
  EXPECT_NE(api.Create(kube::kDaemonSets, ds).error().message.find("`selector` does not match template `labels`"),
            std::string::npos);
  ds["spec"]["selector"] = 5;
  EXPECT_NE(api.Create(kube::kDaemonSets, ds).error().message.find("spec.selector"), std::string::npos);
  EXPECT_EQ(api.Create(kube::kConfigMaps, {{"metadata", {{"name", "Bad_Name"}, {"namespace", "n"}}}}).error().code,
            Code::kInvalid);
  EXPECT_EQ(api.Create(kube::kConfigMaps, {{"metadata", {{"name", "x"}, {"namespace", "none"}}}}).error().code,
            Code::kNotFound);
}

TEST_F(ApiTest, AppliesWithOwnersConflictsAndRemoval) {
  ASSERT_TRUE(Apply("a", Cm({{"x", "1"}, {"y", "1"}})).has_value());
  ASSERT_TRUE(Apply("b", Cm({{"z", "1"}})).has_value());
  auto conflict = Apply("b", Cm({{"z", "1"}, {"x", "2"}}));
  ASSERT_FALSE(conflict.has_value());
  EXPECT_EQ(conflict.error()["message"], "Apply failed with 1 conflict: conflict with \"a\": .data.x");
  ASSERT_TRUE(Apply("b", Cm({{"z", "1"}, {"x", "2"}}), true).has_value());
  auto now = Apply("a", Cm({{"y", "2"}}));
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ((*now)["data"], (Json{{"x", "2"}, {"y", "2"}, {"z", "1"}})) << "x went to b and stays";
  now = Apply("b", Cm(Json::object()));
  EXPECT_EQ((*now)["data"], (Json{{"y", "2"}})) << "what b set and does not set any more goes";
  std::string version = kube::ResourceVersion(*now);
  EXPECT_EQ(kube::ResourceVersion(*Apply("b", Cm(Json::object()))), version);
}

TEST_F(ApiTest, MergesStrategicallyByKey) {
  Json schema = registry->FindKind("v1", "Pod")->schema;
  Json pod = Json::parse(
      R"({"spec":{"containers":[{"name":"a","image":"1","env":[{"name":"E","value":"1"}]},{"name":"b","image":"1"}]}})");
  ASSERT_TRUE(
      StrategicMerge(
          pod,
          Json::parse(
              R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","image":"2","env":[{"name":"F","value":"2"}]},{"name":"b","$patch":"delete"}]}})"),
          schema)
          .ok());
  EXPECT_EQ(pod["spec"]["containers"].size(), 1u);
  EXPECT_EQ(pod["spec"]["containers"][0]["image"], "2");
  EXPECT_EQ(pod["spec"]["containers"][0]["env"].size(), 2u);
}

TEST_F(ApiTest, DeletesByGraceFinalizersAndPreconditions) {
  auto pod = api.Create(kube::kPods, Pod("p"));
  ASSERT_TRUE(pod.ok()) << pod.error().message;
  EXPECT_EQ(api.Delete(kube::kPods, "n", "p", {.uid = "other"}).error().code, Code::kConflict);
  ASSERT_TRUE(api.Delete(kube::kPods, "n", "p", {}).ok());
  EXPECT_EQ(Int(*api.Get(kube::kPods, "n", "p"), "metadata", "deletionGracePeriodSeconds"), 30);
  ASSERT_TRUE(
      api.Delete(kube::kPods, "n", "p", {.uid = "", .resource_version = "", .propagation = "", .grace_seconds = 0})
          .ok());
  EXPECT_EQ(api.Get(kube::kPods, "n", "p").error().code, Code::kNotFound);
  Json held = Cm({});
  held["metadata"]["namespace"] = "n";
  held["metadata"]["finalizers"] = {"x/y"};
  ASSERT_TRUE(api.Create(kube::kConfigMaps, held).ok());
  ASSERT_TRUE(api.Delete(kube::kConfigMaps, "n", "c", {}).ok());
  Json going = *api.Get(kube::kConfigMaps, "n", "c");
  going["metadata"]["finalizers"] = Json::array();
  ASSERT_TRUE(api.Update(kube::kConfigMaps, going, "").ok());
  EXPECT_EQ(api.Get(kube::kConfigMaps, "n", "c").error().code, Code::kNotFound);
}

TEST_F(ApiTest, TellsAWatchFromTooFarBackThatItIsGone) {
  uint64_t start = store.version();
  (void)api.Create(kube::kConfigMaps, {{"metadata", {{"name", "a"}, {"namespace", "n"}}}}).ok();
  auto changes = store.ChangesAfter("/configmaps", start, Millis(0));
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(changes->size(), 1u);
  store.Compact();
  EXPECT_EQ(store.ChangesAfter("/configmaps", start, Millis(0)).error().code, Code::kGone);
  EXPECT_TRUE(store.ChangesAfter("/configmaps", store.version(), Millis(0)).ok());
}

TEST_F(ApiTest, NamespacesGoWithTheirContentAndOwnedObjectsWithTheirOwner) {
  (void)api.Create(kube::kConfigMaps, {{"metadata", {{"name", "a"}, {"namespace", "n"}}}}).ok();
  ASSERT_TRUE(api.Delete(kube::kNamespaces, "", "n", {}).ok());
  EXPECT_NE(api.Create(kube::kConfigMaps, {{"metadata", {{"name", "b"}, {"namespace", "n"}}}})
                .error()
                .message.find("being terminated"),
            std::string::npos);
  for (int i = 0; i < 3; ++i) SyncNamespaces(api, *registry);
  EXPECT_EQ(api.Get(kube::kNamespaces, "", "n").error().code, Code::kNotFound);
  (void)api.Create(kube::kNamespaces, {{"metadata", {{"name", "m"}}}}).ok();
  auto owner = api.Create(kube::kConfigMaps, {{"metadata", {{"name", "owner"}, {"namespace", "m"}}}});
  (void)api
      .Create(
          kube::kConfigMaps,
          {{"metadata", {{"name", "owned"}, {"namespace", "m"}, {"ownerReferences", {kube::OwnerReference(*owner)}}}}})
      .ok();
  SyncGarbage(api, *registry);
  EXPECT_TRUE(api.Get(kube::kConfigMaps, "m", "owned").ok());
  (void)api.Delete(kube::kConfigMaps, "m", "owner", {}).ok();
  SyncGarbage(api, *registry);
  EXPECT_EQ(api.Get(kube::kConfigMaps, "m", "owned").error().code, Code::kNotFound);
}

// A kubelet that obeys at once: what is bound is ready unless its image is "bad"; what is to go, goes.
class DaemonSetTest : public ApiTest {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 3; ++i)
      (void)api.Create(kube::kNodes, {{"metadata", {{"name", "node-" + std::to_string(i)}}}}).ok();
  }
  void Create(const Json& rolling, const std::string& image = "i:1") {
    Json ds = {{"metadata", {{"name", "d"}, {"namespace", "n"}}},
               {"spec",
                {{"updateStrategy", {{"type", "RollingUpdate"}, {"rollingUpdate", rolling}}},
                 {"selector", {{"matchLabels", {{"a", "b"}}}}},
                 {"template",
                  {{"metadata", {{"labels", {{"a", "b"}}}}},
                   {"spec", {{"containers", {{{"name", "c"}, {"image", image}}}}}}}}}}};
    auto made = api.Create(kube::kDaemonSets, ds);
    ASSERT_TRUE(made.ok()) << made.error().message;
    for (int i = 0; i < 4; ++i) Round();
  }
  void SetImage(const std::string& image) {
    Json ds = *api.Get(kube::kDaemonSets, "n", "d");
    ds["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    ASSERT_TRUE(api.Update(kube::kDaemonSets, ds, "").ok());
  }
  void Round() {
    SyncDaemonSets(api);
    lowest_ready = std::min(lowest_ready, Ready());
    most_pods = std::max(most_pods, store.List("/pods").size());
    for (const auto& pod : store.List("/pods")) {
      std::string name = kube::Name(*pod);
      if (kube::IsDeleting(*pod))
        (void)api
            .Delete(kube::kPods, "n", name, {.uid = "", .resource_version = "", .propagation = "", .grace_seconds = 0})
            .ok();
      else if (Str(*pod, "spec", "containers", 0, "image") != "bad")
        (void)api
            .UpdateStatus(kube::kPods, "n", name,
                          [](Json& s) {
                            s["phase"] = "Running", s["conditions"] = {{{"type", "Ready"}, {"status", "True"}}};
                          })
            .ok();
    }
    SyncDaemonSets(api);
  }
  size_t Ready() {
    std::set<std::string> nodes;
    for (const auto& pod : store.List("/pods"))
      if (kube::IsPodReady(*pod) && !kube::IsDeleting(*pod)) nodes.insert(Str(*pod, "spec", "nodeName"));
    return nodes.size();
  }
  int64_t Field(const char* f) { return Int(*api.Get(kube::kDaemonSets, "n", "d"), "status", f); }
  size_t lowest_ready = 3, most_pods = 0;
};

TEST_F(DaemonSetTest, SurgesWithoutEverLosingANode) {
  Create({{"maxSurge", 1}, {"maxUnavailable", 0}});
  EXPECT_EQ(Field("numberAvailable"), 3);
  lowest_ready = 3;
  SetImage("i:2");
  for (int i = 0; i < 20; ++i) Round();
  EXPECT_EQ(Field("updatedNumberScheduled"), 3);
  EXPECT_EQ(Field("observedGeneration"), 2);
  EXPECT_EQ(lowest_ready, 3u);
  EXPECT_LE(most_pods, 5u) << "one more at a time, while another may still be ending";
  EXPECT_EQ(store.List("apps/controllerrevisions").size(), 2u);
}

TEST_F(DaemonSetTest, ReplacesOneAtATimeWithoutSurge) {
  Create({{"maxSurge", 0}, {"maxUnavailable", 1}});
  lowest_ready = 3;
  SetImage("i:2");
  for (int i = 0; i < 20; ++i) Round();
  EXPECT_EQ(Field("updatedNumberScheduled"), 3);
  EXPECT_EQ(lowest_ready, 2u);
  EXPECT_EQ(most_pods, 3u);
}

TEST_F(DaemonSetTest, StopsAtTheFirstBadPodAndGoesBack) {
  Create({{"maxSurge", 1}, {"maxUnavailable", 0}});
  lowest_ready = 3;
  SetImage("bad");
  for (int i = 0; i < 10; ++i) Round();
  EXPECT_EQ(Ready(), 3u);
  EXPECT_EQ(store.List("/pods").size(), 4u);
  SetImage("i:1");
  for (int i = 0; i < 10; ++i) Round();
  EXPECT_EQ(store.List("/pods").size(), 3u);
  EXPECT_EQ(Field("updatedNumberScheduled"), 3);
  EXPECT_EQ(lowest_ready, 3u);
}

TEST_F(ApiTest, LetsAccountsDoWhatTheirRolesSay) {
  Json role = {
      {"metadata", {{"name", "r"}, {"namespace", "n"}}},
      {"rules",
       {{{"apiGroups", {""}}, {"resources", {"pods"}}, {"verbs", {"get"}}},
        {{"apiGroups", {"apps"}}, {"resources", {"daemonsets"}}, {"resourceNames", {"d"}}, {"verbs", {"*"}}}}}};
  kube::Resource roles{"rbac.authorization.k8s.io", "v1", "roles", true, "Role"},
      bindings{"rbac.authorization.k8s.io", "v1", "rolebindings", true, "RoleBinding"};
  ASSERT_TRUE(api.Create(roles, role).ok());
  ASSERT_TRUE(
      api.Create(bindings, {{"metadata", {{"name", "b"}, {"namespace", "n"}}},
                            {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Role"}, {"name", "r"}}},
                            {"subjects", {{{"kind", "ServiceAccount"}, {"name", "sa"}, {"namespace", "n"}}}}})
          .ok());
  User sa{"system:serviceaccount:n:sa", {}}, root{"x", {"system:masters"}};
  auto may = [&](const User& u, const char* verb, const char* group, const char* resource, const char* ns,
                 const char* name, const char* sub = "") {
    return !Authorize(store, u, {verb, group, resource, sub, ns, name, ""});
  };
  EXPECT_TRUE(may(sa, "get", "", "pods", "n", "p"));
  EXPECT_FALSE(may(sa, "list", "", "pods", "n", ""));
  EXPECT_FALSE(may(sa, "get", "", "pods", "m", "p"));
  EXPECT_FALSE(may(sa, "get", "", "pods", "n", "p", "log")) << "a subresource is something else";
  EXPECT_TRUE(may(sa, "delete", "apps", "daemonsets", "n", "d"));
  EXPECT_FALSE(may(sa, "delete", "apps", "daemonsets", "n", "e"));
  EXPECT_TRUE(may(root, "delete", "", "nodes", "", "x"));
  EXPECT_NE(Authorize(store, sa, {"list", "", "nodes", "", "", "", ""})
                ->find("cannot list resource \"nodes\" in API group \"\" at the cluster scope"),
            std::string::npos);
}

TEST_F(ApiTest, RefusesTokensThatAreForgedExpiredOrOfADeadPod) {
  TokenAuthority tokens, others;
  ASSERT_TRUE(api.Create(kube::kServiceAccounts, {{"metadata", {{"name", "sa"}, {"namespace", "n"}}}}).ok());
  auto pod = api.Create(kube::kPods, Pod("p"));
  EXPECT_EQ(tokens.Verify(tokens.Issue("n", "sa", "", "", std::chrono::seconds(60)), store)->name,
            "system:serviceaccount:n:sa");
  std::string bound = tokens.Issue("n", "sa", "p", kube::Uid(*pod), std::chrono::seconds(60));
  EXPECT_TRUE(tokens.Verify(bound, store).ok());
  (void)api.Delete(kube::kPods, "n", "p", {.uid = "", .resource_version = "", .propagation = "", .grace_seconds = 0})
      .ok();
  EXPECT_FALSE(tokens.Verify(bound, store).ok());
  EXPECT_FALSE(tokens.Verify(others.Issue("n", "sa", "", "", std::chrono::seconds(60)), store).ok());
  EXPECT_FALSE(tokens.Verify(tokens.Issue("n", "sa", "", "", std::chrono::seconds(-1)), store).ok());
  EXPECT_FALSE(tokens.Verify(tokens.Issue("n", "gone", "", "", std::chrono::seconds(60)), store).ok());
  for (const char* bad : {"", "a.b", "a.b.c", "..."}) EXPECT_FALSE(tokens.Verify(bad, store).ok()) << bad;
}

TEST(Parsers, SurviveDamagedInput) {
  for (const char* nest : {"(", "!", "[", "1?", "1?1:", "self.l["}) {
    std::string deep;
    for (int k = 0; k < 100000; ++k) deep += nest;
    EXPECT_FALSE(EvaluateRule(deep + "1", Json::object(), Json::object()).ok()) << nest;
  }
  ForEachMutation({"!has(self.a) || self.a.b == 'x' && size(self.l) > 1 ? true : self.n in ['a', \"b\"]",
                   "self.s.matches('^a.*$')"},
                  3000, [](const std::string& rule) {
                    (void)EvaluateRule(rule, {{"a", {{"b", "x"}}}, {"l", {1}}, {"n", "a"}, {"s", "aa"}}, nullptr).ok();
                  });
  ForEachMutation({"app in (web, api),tier!=back,!zone,x=1"}, 3000, [](const std::string& text) {
    if (auto s = kube::Selector::Parse(text); s.ok()) (void)s->Matches({{"app", "web"}});
  });
  TokenAuthority tokens;
  Store store;
  ForEachMutation({tokens.Issue("n", "sa", "p", "u", std::chrono::seconds(60))}, 2000,
                  [&](const std::string& t) { EXPECT_FALSE(tokens.Verify(t, store).ok()); });
}

}  // namespace
}  // namespace fairlead::lab
