#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "chart/render.h"
#include "embedded/catalog.h"
#include "embedded/charts.h"
#include "embedded/profiles.h"
#include "mesh/applier.h"
#include "mesh/helm_release.h"
#include "mesh/readiness.h"
#include "mesh/resources.h"
#include "mesh/rollout_plan.h"
#include "mesh/skew.h"
#include "mesh/status.h"
#include "mesh/values.h"
#include "util/strings.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Int;
using value::Str;

const Resources& Builtin() {
  static const Resources builtin = [] {
    Resources r;
    r.profiles = embedded::profiles();
    EXPECT_TRUE(LoadCharts(embedded::charts(), r).ok());
    return r;
  }();
  return builtin;
}

Catalog TheCatalog() { return *Catalog::Parse(embedded::catalog().at("versions.yaml"), "catalogue"); }

TEST(Catalog, ResolvesAliasesAndRefusesWhatCannotBeInstalled) {
  Catalog c = TheCatalog();
  EXPECT_EQ(c.Resolve("v1.28.6")->number, "1.28.6");
  EXPECT_EQ(c.Resolve("v1.28-latest")->name, "v1.28.10");
  EXPECT_EQ(c.Resolve("v1.26.3").error().code, Code::kUnsupported);
  EXPECT_NE(c.Resolve("v1.26.3").error().message.find("end-of-life"), std::string::npos);
  EXPECT_EQ(c.Resolve("v9.9.9").error().code, Code::kNotFound);
  for (const char* bad :
       {"", "hub: x", "hub: x\nlines: [{minor: '1.1'}]", "hub: x\nlines: [{minor: '1.1', versions: [1.1]}]"})
    EXPECT_FALSE(Catalog::Parse(bad, "f").ok()) << bad;
}

TEST(Catalog, ImagesOfSingleComponentsComeFromTheOperatorsAnnotations) {
  Catalog c = TheCatalog();
  auto unknown = c.SetImages(
      "images.v1_28_6.cni=\"r.example/cni@sha256:0\"\nimages.v1_28_6.istiod=\"r.example/pilot:x\"\n"
      "images.v1_28_6.proxy=\"r.example/proxy:x\"\nkubernetes.io/config.seen=\"2026\"\nimages.v9_9_9.cni=\"a\"\n"
      "images.v1_28_6.tea=\"a\"\nimages=\"a\"\n");
  EXPECT_EQ(unknown, (std::vector<std::string>{"images.v9_9_9.cni", "images.v1_28_6.tea"}));
  Version v = *c.Resolve("v1.28.6");
  auto image = [&](const Json& values) {
    return Str(*ComputeCniValues({{"values", values}}, v, Builtin()), "cni", "image");
  };
  EXPECT_EQ(image(Json::object()), "r.example/cni@sha256:0");
  EXPECT_EQ(image({{"global", {{"hub", "mine"}}}}), "") << "a user's hub goes before";
  EXPECT_EQ(image({{"cni", {{"image", "mine/x:y"}}}}), "mine/x:y");
  Json istiod = ComputeIstiodValues({{"values", Json::object()}}, v);
  EXPECT_EQ(Str(istiod, "pilot", "image"), "r.example/pilot:x");
  EXPECT_EQ(Str(istiod, "global", "proxy", "image"), "r.example/proxy:x");
  EXPECT_EQ(c.Resolve("v1.28.5")->Image("install-cni"), "localhost/fairlead/install-cni:1.28.5");
}

TEST(Skew, AllowsTheSameMinorAndOneAhead) {
  const std::pair<const char*, bool> cases[] = {{"v1.28.0", true},        {"v1.28.10", true}, {"v1.29.6", true},
                                                {"v1.27.9", false},       {"v1.30.0", false}, {"v2.28.0", false},
                                                {"v1.29.0-beta.1", true}, {"master", false},  {"", false}};
  for (auto [version, allowed] : cases) {
    std::vector<ControlPlane> planes = {{"IstioRevision", "r", version, true, "", "", false}};
    JudgeSkew(*TheCatalog().Resolve("v1.28.6"), planes);
    EXPECT_EQ(planes[0].allowed, allowed) << version;
    EXPECT_EQ(SkewMessage(planes).empty(), allowed);
    if (!allowed && version[0]) {
      EXPECT_NE(planes[0].message.find(version), std::string::npos);
    }
  }
}

// Every combination of a CNI with one or two control planes, and that each refusal names a way out that works.
TEST(Skew, EveryCombinationOfMinorVersionsAndTheWayOutOfEachRefusal) {
  auto version = [](int minor) { return "v1." + std::to_string(minor) + ".1"; };
  auto minor = [](int n) { return "1." + std::to_string(n); };
  auto fits = [](int cni, int plane) { return plane == cni || plane == cni + 1; };
  for (int cni = 26; cni <= 31; ++cni)
    for (int one = 26; one <= 31; ++one)
      for (int two = 25; two <= 31; ++two) {  // 25 stands for none
        std::vector<ControlPlane> planes = {{"IstioRevision", "one", version(one), true, "", "", false}};
        if (two > 25) planes.push_back({"IstioRevision", "two", version(two), true, "", "", false});
        JudgeSkew({version(cni), version(cni).substr(1), "h", "h"}, planes);
        bool all = true;
        for (const ControlPlane& p : planes) {
          int its = p.name == "one" ? one : two;
          all = all && fits(cni, its);
          ASSERT_EQ(p.allowed, fits(cni, its)) << version(cni) << " with " << p.version;
          if (p.allowed) continue;
          ASSERT_NE(p.message.find(version(cni)), std::string::npos);
          ASSERT_NE(p.message.find(version(its)), std::string::npos);
          if (its < cni) {
            ASSERT_NE(p.message.find("Update the control plane to " + minor(cni) + " first"), std::string::npos);
          } else {
            ASSERT_NE(p.message.find("Set the CNI to a version of " + minor(its - 1) + " or " + minor(its)),
                      std::string::npos);
            ASSERT_TRUE(fits(its - 1, its) && fits(its, its));
          }
        }
        ASSERT_EQ(SkewMessage(planes).empty(), all);
      }
  // Both at once: while a control plane is being updated, what it runs counts as well as what it will run.
  std::vector<ControlPlane> moving = {{"IstioRevision", "r", "v1.27.9", true, "", "v1.28.6", false}};
  JudgeSkew(*TheCatalog().Resolve("v1.28.6"), moving);
  EXPECT_FALSE(moving[0].allowed) << "it still runs 1.27";
  JudgeSkew(*TheCatalog().Resolve("v1.27.9"), moving);
  EXPECT_TRUE(moving[0].allowed);
  moving[0].next = "v1.29.6";
  JudgeSkew(*TheCatalog().Resolve("v1.27.9"), moving);
  EXPECT_NE(moving[0].message.find("is being updated to v1.29.6"), std::string::npos);
}

TEST(RolloutPlan, LimitsHowManyNodesChangeAtOnce) {
  struct Case {
    const char *values, *spec, *status;
    int64_t down;
    const char* want;  // rollingMaxSurge/rollingMaxUnavailable
  };
  const char* replacing = R"({"rollout": {"generation": 2, "updated": 1, "outdated": 2}})";
  const char* waiting = R"({"rollout": {"generation": 2, "updated": 0, "outdated": 3}})";
  const char* done = R"({"rollout": {"generation": 2, "updated": 3, "outdated": 0}})";
  const Case cases[] = {
      {"{}", "{}", replacing, 0, "null/null"},
      {"{}", R"({"rollout": {"maxSurge": 3}})", replacing, 0, "3/null"},
      {"{}", R"({"rollout": {"maxSurge": 3, "canary": true}})", waiting, 0, "1/null"},
      {"{}", R"({"rollout": {"maxSurge": "50%", "canary": true}})", "{}", 0, "1/null"},
      {"{}", R"({"rollout": {"maxSurge": "50%", "canary": true}})", replacing, 1, "\"50%\"/null"},
      {"{}", R"({"rollout": {"maxSurge": 3, "canary": true}})", done, 1, "3/null"},
      {"{}", "{}", replacing, 2, "3/null"},
      {"{}", "{}", done, 2, "null/null"},
      {R"({"cni": {"rollingMaxUnavailable": 2}})", "{}", replacing, 1, "null/3"},
      {R"({"cni": {"rollingMaxUnavailable": 2}})", R"({"rollout": {"canary": true}})", waiting, 1, "null/2"},
      {R"({"cni": {"rollingMaxUnavailable": 2}})", R"({"rollout": {"maxUnavailable": 0, "maxSurge": 4}})", done, 0,
       "4/0"},
      {R"({"cni": {"updateStrategy": {"type": "OnDelete"}}})", R"({"rollout": {"maxSurge": 4}})", waiting, 1,
       "null/null"},
  };
  for (const Case& c : cases) {
    Json values = Json::parse(c.values);
    SetLimits(values, Json::parse(c.spec), Json::parse(c.status), 2, c.down);
    EXPECT_EQ(At(values, "cni", "rollingMaxSurge").dump() + "/" + At(values, "cni", "rollingMaxUnavailable").dump(),
              c.want)
        << c.values << c.spec << c.status;
  }
}

TEST(RolloutPlan, AnUpdateWithoutProgressIsUndoneOnceAndOnlyWhenAsked) {
  WallTime start = *ParseRfc3339("2026-01-01T00:00:00Z");
  auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  Json spec = {{"version", "v1.28.7"}, {"rollout", {{"progressDeadlineSeconds", 60}, {"rollbackOnFailure", true}}}};
  Json status = {{"lastGood", {{"version", "v1.28.6"}}}};
  Rollout r;
  r.desired = 3;
  EXPECT_FALSE(TrackProgress(status, spec, r, 2, 0, at(0)).stalled);
  EXPECT_EQ(Str(status, "rollout", "progressedAt"), "2026-01-01T00:00:00Z");
  EXPECT_FALSE(TrackProgress(status, spec, r, 2, 0, at(59)).stalled);
  r.updated = 1;  // progress
  EXPECT_FALSE(TrackProgress(status, spec, r, 2, 0, at(59)).stalled);
  status["rollout"]["updated"] = 1;
  EXPECT_FALSE(TrackProgress(status, spec, r, 2, 0, at(110)).stalled);
  Progress late = TrackProgress(status, spec, r, 2, 0, at(120));
  EXPECT_TRUE(late.stalled && late.undo);
  EXPECT_FALSE(TrackProgress(status, spec, r, 2, 2, at(120)).undo) << "the nodes that lack it are down";
  Json unasked = spec;
  unasked["rollout"].erase("rollbackOnFailure");
  EXPECT_FALSE(TrackProgress(status, unasked, r, 2, 0, at(120)).undo);
  Json first = status;
  first.erase("lastGood");
  EXPECT_FALSE(TrackProgress(first, spec, r, 2, 0, at(120)).undo) << "there is nothing to go back to";

  status["rollout"]["undoneGeneration"] = 2;
  Json cni = {{"metadata", {{"generation", 2}}}, {"spec", spec}, {"status", status}};
  EXPECT_EQ(Str(SpecToInstall(cni), "version"), "v1.28.6");
  cni["metadata"]["generation"] = 3;
  EXPECT_EQ(Str(SpecToInstall(cni), "version"), "v1.28.7") << "a change of the resource tries again";

  r.ready = true;
  EXPECT_FALSE(TrackProgress(status, spec, r, 3, 0, at(500)).stalled);
  RecordComplete(status, spec, at(500));
  EXPECT_EQ(Str(status, "lastGood", "version"), "v1.28.7");
  EXPECT_EQ(Str(status, "history", 0, "version"), "v1.28.7");
  RecordComplete(status, spec, at(600));
  EXPECT_EQ(At(status, "history").size(), 1u);
}

// A cluster of three nodes as the operator sees it.
struct World {
  Json applied, live;
  std::vector<Json> pods;
  static Json Template(const std::string& version) {
    return {{"metadata",
             {{"labels", {{"app.kubernetes.io/version", version}}},
              {"annotations", {{"fairlead.io/config-checksum", "x"}}}}},
            {"spec", {{"containers", {{{"name", "install-cni"}, {"image", "i:" + version}}}}}}};
  }
  static World Running(const std::string& version) {
    World w;
    w.applied = {{"metadata", {{"generation", 2}}}, {"spec", {{"template", Template(version)}}}};
    w.live = w.applied;
    w.Status(3, 3, 3, 3, 2);
    for (int i = 1; i <= 3; ++i) w.AddPod(i, version, true);
    return w;
  }
  void Status(int desired, int updated, int available, int ready, int observed) {
    live["status"] = {{"desiredNumberScheduled", desired},
                      {"updatedNumberScheduled", updated},
                      {"numberAvailable", available},
                      {"numberReady", ready},
                      {"observedGeneration", observed}};
  }
  void AddPod(int node, const std::string& version, bool ready) {
    Json p = Template(version);
    p["metadata"]["name"] = "istio-cni-node-" + std::to_string(pods.size());
    p["spec"]["nodeName"] = "node-" + std::to_string(node);
    p["status"] = {{"conditions", {{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}};
    pods.push_back(p);
  }
  Rollout Look() const {
    std::vector<AgentPod> read;
    for (const Json& p : pods) read.push_back(ReadAgentPod(p, WantedTemplate(applied, live)));
    std::vector<const AgentPod*> all;
    for (const AgentPod& p : read) all.push_back(&p);
    return ComputeRollout(applied, live, all);
  }
};

TEST(Rollout, IsReadyOnlyWhenEveryNodeRunsWhatWasApplied) {
  EXPECT_TRUE(World::Running("1.28.6").Look().ready);
  EXPECT_EQ(World::Running("1.28.6").Look().running_version, "1.28.6");

  World stale_cache =
      World::Running("1.28.5");  // the new template is applied, the cache and the controller know nothing of it
  stale_cache.applied = {{"metadata", {{"generation", 3}}}, {"spec", {{"template", World::Template("1.28.6")}}}};
  EXPECT_FALSE(stale_cache.Look().ready);
  EXPECT_EQ(stale_cache.Look().reason, "Updating");

  World unobserved = World::Running("1.28.6");
  unobserved.live["metadata"]["generation"] = 3;
  EXPECT_FALSE(unobserved.Look().ready);

  World counters_lie = World::Running("1.28.6");  // counters say done, a pod is of the old version
  counters_lie.pods[2] = World::Running("1.28.5").pods[2];
  EXPECT_FALSE(counters_lie.Look().ready);
  EXPECT_EQ(counters_lie.Look().running_version, "1.28.5");

  World ending = World::Running("1.28.6");
  ending.AddPod(1, "1.28.5", true);
  EXPECT_FALSE(ending.Look().ready) << "the old agent still runs beside the new one";

  ending.pods.back()["status"]["phase"] = "Succeeded";
  EXPECT_TRUE(ending.Look().ready) << "the old agent's processes are gone, its object not yet";

  World hole = World::Running("1.28.6");  // a node without a pod
  hole.Status(4, 3, 3, 3, 2);
  EXPECT_FALSE(hole.Look().ready);

  World unavailable = World::Running("1.28.6");
  unavailable.Status(3, 3, 2, 2, 2);
  EXPECT_EQ(unavailable.Look().reason, "DaemonSetNotReady");

  World none = World::Running("1.28.6");
  none.Status(0, 0, 0, 0, 2);
  none.pods.clear();
  EXPECT_FALSE(none.Look().ready);
  EXPECT_FALSE(ComputeRollout(nullptr, nullptr, {}).ready);

  World config_only = World::Running("1.28.6");  // same image, another configuration
  config_only.applied["spec"]["template"]["metadata"]["annotations"]["fairlead.io/config-checksum"] = "y";
  config_only.live["spec"] = config_only.applied["spec"];
  EXPECT_FALSE(config_only.Look().ready);
}

TEST(Rollout, NamesTheNodeThatFailsAndWhy) {
  World w = World::Running("1.28.5");
  w.applied = {{"metadata", {{"generation", 2}}}, {"spec", {{"template", World::Template("1.28.7")}}}};
  w.live["spec"] = w.applied["spec"];
  w.Status(3, 0, 3, 3, 2);
  w.AddPod(2, "1.28.7", false);
  w.pods.back()["status"]["containerStatuses"] = {
      {{"name", "install-cni"},
       {"ready", false},
       {"restartCount", 0},
       {"state", {{"waiting", {{"reason", "ErrImagePull"}, {"message", "no such image"}}}}}}};
  Rollout r = w.Look();
  EXPECT_FALSE(r.ready);
  ASSERT_EQ(r.failing.size(), 1u);
  EXPECT_EQ(r.failing[0].node, "node-2");
  EXPECT_NE(r.message.find("node node-2"), std::string::npos) << r.message;
  EXPECT_NE(r.message.find("no such image"), std::string::npos);
  EXPECT_EQ(r.running_version, "1.28.5");
}

TEST(Conditions, KeepTheirTimeWhileTheStatusStays) {
  Json status;
  auto t = ParseRfc3339("2026-01-01T00:00:00Z");
  SetCondition(status, "Ready", "False", "Updating", "", 1, *t);
  SetCondition(status, "Reconciled", "True", "Reconciled", "", 1, *t);
  EXPECT_EQ(DeriveState(status, {"Reconciled", "Ready"}), "Updating");
  SetCondition(status, "Ready", "False", "DaemonSetNotReady", "", 1, *t + std::chrono::hours(1));
  EXPECT_EQ(Str(status, "conditions", 0, "lastTransitionTime"), "2026-01-01T00:00:00Z");
  SetCondition(status, "Ready", "True", "Ready", "", 2, *t + std::chrono::hours(2));
  EXPECT_EQ(Str(status, "conditions", 0, "lastTransitionTime"), "2026-01-01T02:00:00Z");
  EXPECT_EQ(DeriveState(status, {"Reconciled", "Ready"}), "Healthy");
}

TEST(Covers, SeesDriftButNotDefaults) {
  Json wanted = {{"a", {{"b", 1}}}, {"l", {{{"name", "x"}, {"v", 1}}}}, {"cpu", "1"}, {"empty", Json::object()}};
  Json live = {
      {"a", {{"b", 1}, {"defaulted", true}}}, {"l", {{{"name", "x"}, {"v", 1}, {"defaulted", 1}}}}, {"cpu", 1}};
  EXPECT_TRUE(Covers(live, wanted));
  live["a"]["b"] = 2;
  EXPECT_FALSE(Covers(live, wanted));
  live["a"]["b"] = 1;
  live["l"].push_back({{"name", "added"}});
  EXPECT_FALSE(Covers(live, wanted)) << "an item that somebody added to a list of ours";
}

TEST(HelmRelease, IsDecodedOrRefused) {
  std::string plain = Base64Encode(Base64Encode(R"({"name": "istio-cni", "manifest": ""})"));
  EXPECT_EQ(Str(*DecodeRelease(plain), "name"), "istio-cni");
  for (const std::string& bad : {std::string("?"), Base64Encode("?"), Base64Encode(Base64Encode("{")),
                                 Base64Encode(Base64Encode("\x1f\x8b\x08 damaged"))})
    EXPECT_FALSE(DecodeRelease(bad).ok()) << bad;
}

TEST(Applier, TakesOverWhatOthersSetButNotWhatIsTheirs) {
  Json fields = Json::parse(R"([
    {"manager": "fairlead-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}},
    {"manager": "helm", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:b": {"f:c": {}}, "f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}, "f:other": {}}}}}}},
    {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}])");
  Json taken = TakeOverFields(fields);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(Str(taken, 0, "manager"), "kube-controller-manager");
  EXPECT_EQ(
      taken[1]["fieldsV1"],
      Json::parse(
          R"({"f:spec": {"f:a": {}, "f:b": {"f:c": {}}, "f:template": {"f:metadata": {"f:annotations": {"f:other": {}}}}}})"));
  EXPECT_EQ(TakeOverFields(taken), taken) << "nothing is left to take";
}

TEST(Values, FollowThePlatform) {
  Resources openshift = Builtin();
  openshift.platform = "openshift";
  Version version = *TheCatalog().Resolve("v1.28.6");
  auto cni = [&](const Json& spec) { return *ComputeCniValues(spec, version, openshift); };
  EXPECT_EQ(Str(cni(Json::object()), "global", "platform"), "openshift");
  EXPECT_EQ(Str(cni({{"profile", "ambient"}}), "global", "platform"), "openshift") << "another profile keeps it";
  EXPECT_EQ(Str(cni({{"values", {{"global", {{"platform", "k3s"}}}}}}), "global", "platform"), "k3s");
  EXPECT_EQ(Str(*ComputeRevisionValues({{"namespace", "a"}}, "default", openshift), "global", "platform"), "openshift");
  EXPECT_EQ(Str(*ComputeZtunnelValues(Json::object(), Json(), version, openshift), "global", "platform"), "openshift");
  EXPECT_TRUE(At(*ComputeCniValues(Json::object(), version, Builtin()), "global", "platform").is_null());
}

TEST(Values, ThatNoChartReadsAreToldWithTheNearestName) {
  auto check = [](const Json& values, std::vector<std::string> charts) {
    std::vector<const KnownValues*> known;
    for (const std::string& c : charts) known.push_back(&Builtin().known.at(c));
    return CheckValues(values, known);
  };
  auto unknown = [&](const char* text, std::vector<std::string> charts = {"cni"}) {
    return Join(check(Json::parse(text), std::move(charts)).unknown, "\n");
  };
  auto wrong = [&](const char* text) { return Join(check(Json::parse(text), {"cni"}).wrong, "\n"); };
  EXPECT_EQ(unknown(R"({"cni": {"cniBindir": "/x"}})"),
            "spec.values.cni.cniBindir is not read by any chart; did you mean spec.values.cni.cniBinDir?");
  EXPECT_EQ(unknown(R"({"cni": {"resource_quotas": {"enabled": true}}})"),
            "spec.values.cni.resource_quotas is not read by any chart; did you mean spec.values.cni.resourceQuotas?");
  EXPECT_EQ(unknown(R"({"cni": {"ambient": {"enable": true}}})"),
            "spec.values.cni.ambient.enable is not read by any chart; did you mean spec.values.cni.ambient.enabled?");
  EXPECT_EQ(unknown(R"({"dnsCapture": true})"),
            "spec.values.dnsCapture is not read by any chart; did you mean spec.values.ambient.dnsCapture?");
  EXPECT_EQ(unknown(R"({"tea": 1})"), "spec.values.tea is not read by any chart");
  EXPECT_EQ(unknown(R"({"profile": "ambient", "cni": {"env": {"ANY": "1"}, "resources": {"limits": {"cpu": 1}},
    "rollingMaxUnavailable": "20%", "tag": 1.28, "podLabels": {"a": "b"}, "updateStrategy": {"type": "OnDelete"},
    "seccompProfile": {"type": "Localhost", "localhostProfile": "x"}, "affinity": {"nodeAffinity": {}},
    "repair": {"labelPods": null}}, "global": {"platform": "k3s", "defaultResources": {"limits": {}}}})"),
            "");
  EXPECT_EQ(unknown(R"({"meshConfig": {"accessLogFile": "/dev/stdout"}, "pilot": {"env": {"A": "b"}, "autoscaleMin": 2,
    "resources": {"limits": {}}, "cni": {"enabled": true}}, "global": {"proxy": {"resources": {"limits": {"cpu": "1"}}},
    "meshID": "m"}, "sidecarInjectorWebhook": {"templates": {"mine": "x"}}, "base": {"validationURL": ""},
    "revision": "a", "defaultRevision": "a"})",
                    {"istiod", "base", "revisiontags", "ztunnel"}),
            "");
  EXPECT_EQ(wrong(R"({"cni": {"ambient": {"enabled": "yes"}}})"),
            "spec.values.cni.ambient.enabled: \"yes\" must be true or false");
  EXPECT_EQ(wrong(R"({"cni": {"excludeNamespaces": "kube-system"}})"),
            "spec.values.cni.excludeNamespaces: \"kube-system\" must be a list");
  EXPECT_EQ(wrong(R"({"cni": {"logging": "debug"}})"), "spec.values.cni.logging: \"debug\" must be a map");
  EXPECT_EQ(wrong(R"({"cni": {"image": ["x"]}})"), "spec.values.cni.image: [\"x\"] must be text");
  EXPECT_EQ(wrong(R"({"cni": {"podLabels": 5}})"), "spec.values.cni.podLabels: 5 must be a map");
}

Result<std::vector<Json>> RenderCni(const Json& values) {
  FL_ASSIGN(Json all, ComputeCniValues({{"version", "v1.28.6"}, {"values", values}}, *TheCatalog().Resolve("v1.28.6"),
                                       Builtin()));
  return chart::Render(Builtin().charts.at("cni"), value::WithFloatNumbers(all),
                       {.name = "istio-cni", .ns = "istio-cni", .api_versions = {}});
}

TEST(Resources, OfADirectoryStandInForTheBuiltInOnes) {
  char name[] = "/tmp/fairlead-resources-XXXXXX";
  std::string root = mkdtemp(name);
  auto write = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + "/" + path).parent_path());
    std::ofstream(root + "/" + path) << text;
  };
  write("v1.28.6/charts/cni/Chart.yaml", "apiVersion: v2\nname: cni\nversion: 1.28.6\n");
  write("v1.28.6/charts/cni/values.yaml", "_internal_defaults_do_not_set:\n  cni: {x: 1}\n");
  write(
      "v1.28.6/charts/cni/templates/zzz_profile.yaml",
      "{{- $d := $.Values._internal_defaults_do_not_set }}{{- $_ := unset $.Values \"_internal_defaults_do_not_set\" }}"
      "{{- $_ := set $ \"Values\" (mustMergeOverwrite $d $.Values) }}");
  write(
      "v1.28.6/charts/cni/templates/a.yaml",
      "kind: ConfigMap\nmetadata: {name: c}\ndata: {x: {{ .Values.cni.x | quote }}, image: {{ .Values.cni.image }}}\n");
  write("v1.28.6/profiles/default.yaml", "kind: Istio\nspec: {values: {cni: {x: 2}}}\n");
  ResourceSet set(Builtin(), root);
  Catalog catalog = TheCatalog();
  Version version = *catalog.Resolve("v1.28.6");
  auto resources = set.For(version);
  ASSERT_TRUE(resources.ok()) << resources.error().message;
  EXPECT_EQ((*resources)->profiles.size(), 1u);
  auto values = ComputeCniValues({{"version", "v1.28.6"}}, version, **resources);
  auto objects =
      chart::Render((*resources)->charts.at("cni"), value::WithFloatNumbers(*values), {.name = "istio-cni", .ns = "n"});
  ASSERT_TRUE(objects.ok()) << objects.error().message;
  EXPECT_EQ(Str(objects->at(0), "data", "x"), "2");
  EXPECT_EQ(Str(objects->at(0), "data", "image"), version.Image("install-cni"));
  EXPECT_EQ((*set.For({.name = "v9.9.9"}))->profiles, embedded::profiles()) << "what is not there is built in";
  write("vendor_defaults.yaml", "v1.28.6: {istiocni: {cni: {x: 3, y: 1}}}\n");
  resources = set.For(version);
  ASSERT_TRUE(resources.ok()) << resources.error().message;
  values = ComputeCniValues({{"version", "v1.28.6"}, {"values", {{"cni", {{"y", 2}}}}}}, version, **resources);
  EXPECT_EQ(Int(*values, "cni", "x"), 3) << "a vendor's over a profile's";
  EXPECT_EQ(Int(*values, "cni", "y"), 2) << "a user's over a vendor's";
  EXPECT_TRUE((*set.For({.name = "v1.28.5"}))->vendor_defaults.is_null());
  write("vendor_defaults.yaml", "v1.28.6: [");
  EXPECT_NE(set.For(version).error().message.find("vendor_defaults.yaml"), std::string::npos);
  write("vendor_defaults.yaml", "");
  write("v1.28.6/charts/cni/Chart.yaml", "name: [");
  EXPECT_NE(set.For(version).error().message.find("Chart.yaml"), std::string::npos);
  std::filesystem::remove_all(root);
}

Json Find(const std::vector<Json>& objects, const std::string& kind) {
  for (const Json& o : objects)
    if (Str(o, "kind") == kind) return o;
  return nullptr;
}

TEST(Chart, RendersTheObjectsThatTheSailOperatorsUsersKnow) {
  auto objects = RenderCni(Json::object());
  ASSERT_TRUE(objects.ok()) << objects.error().message;
  Json ds = Find(*objects, "DaemonSet"), cm = Find(*objects, "ConfigMap");
  EXPECT_EQ(kube::Name(ds), "istio-cni-node");
  EXPECT_EQ(kube::Name(cm), "istio-cni-config");
  EXPECT_EQ(Str(ds, "spec", "template", "spec", "containers", 0, "image"), "localhost/fairlead/install-cni:1.28.6");
  EXPECT_EQ(At(ds, "spec", "updateStrategy", "rollingUpdate"), (Json{{"maxSurge", 1}, {"maxUnavailable", 0}}));
  EXPECT_EQ(Str(cm, "data", "EXCLUDE_NAMESPACES"), "kube-system");
  EXPECT_EQ(Str(Find(*objects, "ServiceAccount"), "metadata", "namespace"), "istio-cni");
  EXPECT_EQ((*objects)[0]["kind"], "ServiceAccount");
  EXPECT_EQ(objects->back()["kind"], "DaemonSet");
}

TEST(Chart, GivesEveryValueItsEffect) {
  auto ds_of = [](const Json& values) {
    auto objects = RenderCni(values);
    EXPECT_TRUE(objects.ok()) << (objects.ok() ? "" : objects.error().message);
    return objects.ok() ? Find(*objects, "DaemonSet") : Json();
  };
  const char* container = "containers";
  Json ds = ds_of({{"cni",
                    {{"rollingMaxUnavailable", "20%"},
                     {"cniBinDir", "/b"},
                     {"cniConfDir", "/c"},
                     {"podLabels", {{"l", "v"}}},
                     {"podAnnotations", {{"a", "v"}}},
                     {"terminationGracePeriodSeconds", 7},
                     {"pullPolicy", "Always"},
                     {"affinity", {{"nodeAffinity", {{"x", 1}}}}},
                     {"resources", {{"limits", {{"cpu", "1"}}}}},
                     {"logging", {{"level", "debug"}}},
                     {"tolerations", Json::array({{{"operator", "Exists"}}})},
                     {"seccompProfile", {{"type", "RuntimeDefault"}}},
                     {"seLinuxOptions", {{"level", "s0"}}}}},
                   {"global", {{"logAsJson", true}, {"imagePullSecrets", {"s"}}}}});
  const Json& spec = At(ds, "spec", "template", "spec");
  EXPECT_EQ(At(ds, "spec", "updateStrategy", "rollingUpdate"), (Json{{"maxSurge", 0}, {"maxUnavailable", "20%"}}));
  EXPECT_EQ(Str(spec, "volumes", 0, "hostPath", "path"), "/b");
  EXPECT_EQ(Str(spec, "volumes", 1, "hostPath", "path"), "/c");
  EXPECT_EQ(Str(ds, "spec", "template", "metadata", "labels", "l"), "v");
  EXPECT_EQ(Str(ds, "spec", "template", "metadata", "annotations", "a"), "v");
  EXPECT_EQ(value::Int(spec, "terminationGracePeriodSeconds"), 7);
  EXPECT_EQ(Str(spec, container, 0, "imagePullPolicy"), "Always");
  EXPECT_EQ(At(spec, container, 0, "args"), (Json{"--log_output_level=debug", "--log_as_json"}));
  EXPECT_EQ(At(spec, "tolerations").size(), 1u);
  EXPECT_EQ(Str(spec, container, 0, "securityContext", "seLinuxOptions", "type"), "spc_t");
  EXPECT_EQ(Str(ds_of({{"cni", {{"image", "my/own:1"}}}}), "spec", "template", "spec", container, 0, "image"),
            "my/own:1");
  EXPECT_EQ(Str(ds_of({{"global", {{"hub", "h"}}}}), "spec", "template", "spec", container, 0, "image"),
            "h/install-cni:1.28.6");
  EXPECT_EQ(Str(ds_of({{"cni", {{"updateStrategy", {{"type", "OnDelete"}}}}}}), "spec", "updateStrategy", "type"),
            "OnDelete");
  auto checksum = [&](const Json& v) {
    return Str(ds_of(v), "spec", "template", "metadata", "annotations", "fairlead.io/config-checksum");
  };
  EXPECT_NE(checksum(Json::object()), checksum({{"cni", {{"excludeNamespaces", {"x"}}}}}))
      << "what the agent reads rolls the pods";
  EXPECT_EQ(checksum(Json::object()), checksum({{"cni", {{"rollingMaxUnavailable", 1}}}}))
      << "what only the operator reads does not";
}

TEST(Chart, AsksForNoMoreThanEachModeNeeds) {
  auto capabilities = [](const Json& values) {
    const auto objects = RenderCni(values);
    for (const Json& o : *objects)
      if (Str(o, "kind") == "DaemonSet")
        return value::Dump(
            value::At(o, "spec", "template", "spec", "containers", 0, "securityContext", "capabilities", "add"));
    return std::string();
  };
  EXPECT_EQ(capabilities(Json::object()), R"(["NET_ADMIN","SYS_ADMIN","DAC_OVERRIDE"])");
  EXPECT_EQ(capabilities({{"cni", {{"ambient", {{"enabled", true}}}}}}),
            R"(["NET_ADMIN","SYS_ADMIN","DAC_OVERRIDE","SYS_PTRACE"])");
  EXPECT_EQ(capabilities({{"global", {{"nativeNftables", false}}}}),
            R"(["NET_ADMIN","SYS_ADMIN","DAC_OVERRIDE","NET_RAW","SYS_PTRACE"])");
  auto rules = [](const Json& values) {
    const auto objects = RenderCni(values);
    for (const Json& o : *objects)
      if (Str(o, "kind") == "ClusterRole") return value::Dump(o["rules"]);
    return std::string();
  };
  EXPECT_EQ(rules(Json::object()).find("patch"), std::string::npos) << "a sidecar agent writes nothing";
  EXPECT_NE(rules({{"cni", {{"ambient", {{"enabled", true}}}}}}).find("pods/status"), std::string::npos);
  EXPECT_EQ(rules({{"cni", {{"repair", {{"deletePods", true}}}}}}).find("delete"), std::string::npos)
      << "repairPods goes first";
  EXPECT_NE(rules({{"cni", {{"repair", {{"repairPods", false}, {"deletePods", true}}}}}}).find("delete"),
            std::string::npos);
}

TEST(Chart, RefusesValuesThatItCannotHonour) {
  EXPECT_NE(RenderCni({{"cni", {{"provider", "magic"}}}}).error().message.find("execution error at (cni/templates/"),
            std::string::npos);
  EXPECT_NE(RenderCni({{"cni", {{"provider", "magic"}}}}).error().message.find("\"magic\" is not known"),
            std::string::npos);
  Catalog c = TheCatalog();
  EXPECT_EQ(ComputeCniValues({{"profile", "external"}}, *c.Resolve("v1.28.6"), Builtin()).error().code,
            Code::kNotFound);
}

}  // namespace
}  // namespace fairlead::mesh
