// What users of the sail-operator know of each kind, one behaviour a test: what is refused and with which words,
// defaults, columns, condition reasons, states, usage and pruning. What differs on purpose is in docs/differences.md.
#include "http/certificates.h"
#include "http/server.h"
#include "lab/table.h"
#include "mesh/updates_test.h"

namespace fairlead::mesh {
namespace {

using value::At;
using value::Int;
using value::Str;

class Behaviour : public ::testing::Test {
 protected:
  void Run() {
    api.emplace(c.rest);
    op.emplace(*api, *c.registry);
  }
  // Why the API server does not take it; "" when it does.
  std::string Refused(const kube::Resource& r, const std::string& name, const Json& spec) {
    Json o = {{"apiVersion", r.ApiVersion()}, {"kind", r.kind}, {"metadata", {{"name", name}}}};
    if (!spec.is_null()) o["spec"] = spec;
    auto made = c.admin.Create(r, o);
    if (made.ok()) return "";
    return made.error().message;
  }
  // A later change to a resource that exists.
  std::string RefusedChange(const kube::Resource& r, const std::string& name, const Json& spec) {
    auto done = c.admin.Patch(r, "", name, kube::PatchType::kMerge, {{"spec", spec}}, {});
    return done.ok() ? "" : done.error().message;
  }
  void Change(const kube::Resource& r, const std::string& name, const Json& patch, const std::string& ns = "") {
    c.Must(c.admin.Patch(r, ns, name, kube::PatchType::kMerge, patch, {}));
  }
  // Waits until the condition has that status and reason, and returns its message.
  std::string Says(const kube::Resource& r, const std::string& name, const std::string& type, const std::string& status,
                   const std::string& reason) {
    Json condition;
    bool there = c.Within(kPatience, [&] {
      Json o = c.Get(r, name);
      condition = kube::Condition(o, type);
      return Str(condition, "status") == status && Str(condition, "reason") == reason &&
             Int(condition, "observedGeneration") == kube::Generation(o);
    });
    EXPECT_TRUE(there) << r.kind << "/" << name << " " << type << " is " << value::Dump(condition) << ", not " << status
                       << " " << reason << ": " << value::Dump(At(c.Get(r, name), "status"));
    return Str(condition, "message");
  }
  void HasState(const kube::Resource& r, const std::string& name, const std::string& state) {
    EXPECT_TRUE(c.Within(kPatience, [&] { return Str(c.Get(r, name), "status", "state") == state; }))
        << r.kind << "/" << name << " is " << Str(c.Get(r, name), "status", "state") << ", not " << state;
  }
  // "NAMESPACE=istio-cni PROFILE= ..." as kubectl get prints it.
  std::string Row(const kube::Resource& r, const std::string& name) {
    Json o = c.Get(r, name), table = lab::ToTable(*c.registry->FindKind(r.ApiVersion(), r.kind), {&o}, "None", true);
    std::string out;
    const Json &columns = At(table, "columnDefinitions"), &cells = At(table, "rows", 0, "cells");
    for (size_t i = 0; i < columns.size(); ++i) {
      std::string column = Str(columns[i], "name");
      const Json& cell = cells[i];
      if (column == "Age")
        out += "Age";
      else
        out += column + "=" + (cell.is_string() ? cell.get<std::string>() : cell.is_null() ? "" : cell.dump()) + " ";
    }
    return out;
  }
  Json Pod(const std::string& name, const Json& labels, const Json& annotations, const char* phase = "Running") {
    return {{"metadata", {{"name", name}, {"namespace", "mesh"}, {"labels", labels}, {"annotations", annotations}}},
            {"spec", {{"nodeName", "node-1"}, {"containers", {{{"name", "c"}, {"image", "i"}}}}}},
            {"status", {{"phase", phase}}}};
  }
  void InUse(const std::string& revision, bool used) {
    Says(kube::kIstioRevisions, revision, "InUse", used ? "True" : "False",
         used ? "ReferencedByWorkloads" : "NotReferencedByAnything");
  }
  void Label(const Json& labels) { Change(kube::kNamespaces, "mesh", {{"metadata", {{"labels", labels}}}}); }
  void UnreadyPods(const std::string& prefix) {
    c.pods_start = false;
    for (const auto& pod : c.store.List("/pods"))
      if (kube::Name(*pod).starts_with(prefix))
        (void)c.admin
            .UpdateStatus(kube::kPods, kube::Namespace(*pod), kube::Name(*pod),
                          [](Json& s) { s["conditions"][0]["status"] = "False"; })
            .ok();
  }

  SimulatedCluster c;
  std::optional<FaultyApi> api;
  std::optional<RunningOperator> op;
};

Json RevisionOf(const std::string& name, const std::string& version = "v1.28.6", const Json& more = Json::object()) {
  Json values = more;
  values["revision"] = name == "default" ? "" : name;
  values["global"]["istioNamespace"] = "istio-system";
  return {{"version", version}, {"namespace", "istio-system"}, {"values", values}};
}

#define EXPECT_HAS(text, part)                                                                \
  do {                                                                                        \
    std::string has_text = (text);                                                            \
    EXPECT_NE(has_text.find(part), std::string::npos) << has_text << "\nhas not: " << (part); \
  } while (false)

// --- IstioCNI

using IstioCni = Behaviour;

TEST_F(IstioCni, IsNamedDefault) {
  EXPECT_HAS(Refused(kube::kIstioCnis, "other", CniSpec("v1.28.6")), "metadata.name must be 'default'");
}

TEST_F(IstioCni, HasADefaultVersionAndNamespace) {
  ASSERT_EQ(Refused(kube::kIstioCnis, "default", Json()), "");
  EXPECT_EQ(Str(c.Get(kube::kIstioCnis, "default"), "spec", "namespace"), "istio-cni");
  EXPECT_NE(Str(c.Get(kube::kIstioCnis, "default"), "spec", "version"), "");
}

TEST_F(IstioCni, StaysInItsNamespace) {
  ASSERT_EQ(Refused(kube::kIstioCnis, "default", CniSpec("v1.28.6")), "");
  EXPECT_HAS(RefusedChange(kube::kIstioCnis, "default", {{"namespace", "mesh"}}), "Value is immutable");
}

TEST_F(IstioCni, TakesKnownVersionsAndProfilesOnly) {
  Json spec = CniSpec("v0.1.0");
  EXPECT_HAS(Refused(kube::kIstioCnis, "default", spec), "spec.version: Unsupported value: \"v0.1.0\"");
  spec = CniSpec("v1.28.6");
  spec["profile"] = "mine";
  EXPECT_HAS(Refused(kube::kIstioCnis, "default", spec), "spec.profile: Unsupported value: \"mine\"");
  for (const char* profile : {"ambient", "default", "demo", "empty", "external", "openshift", "openshift-ambient",
                              "preview", "remote", "stable"}) {
    spec["profile"] = profile;
    EXPECT_EQ(Refused(kube::kIstioCnis, "default", spec), "") << profile;
    (void)c.admin.Delete(kube::kIstioCnis, "", "default", {}).ok();
  }
}

TEST_F(IstioCni, IsHealthyOnceEveryNodeRunsIt) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  EXPECT_EQ(Says(kube::kIstioCnis, "default", "Ready", "True", "Ready"), "");
  EXPECT_EQ(Says(kube::kIstioCnis, "default", "Reconciled", "True", "Reconciled"), "");
  HasState(kube::kIstioCnis, "default", "Healthy");
  EXPECT_EQ(Row(kube::kIstioCnis, "default"),
            "Name=default Namespace=istio-cni Profile= Ready=True Status=Healthy Version=v1.28.6 Age");
}

TEST_F(IstioCni, WaitsForItsNamespace) {
  Run();
  Json spec = {{"version", "v1.28.6"}, {"namespace", "later"}};
  c.Apply(kube::kIstioCnis, "default", spec);
  EXPECT_HAS(Says(kube::kIstioCnis, "default", "Reconciled", "False", "ReconcileError"),
             "error reconciling resource: validation error: namespace \"later\" doesn't exist");
  HasState(kube::kIstioCnis, "default", "ReconcileError");
  c.Must(c.admin.Create(kube::kNamespaces, {{"metadata", {{"name", "later"}}}}));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
}

TEST_F(IstioCni, RefusesAVersionAtItsEndOfLife) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.26.3"));
  EXPECT_HAS(Says(kube::kIstioCnis, "default", "Reconciled", "False", "ReconcileError"),
             "version \"v1.26.3\" is end-of-life and cannot be installed; use a supported version");
}

TEST_F(IstioCni, NamesAProfileThatDoesNotExist) {
  Run();
  Json spec = CniSpec("v1.28.6");
  spec["profile"] = "external";
  c.Apply(kube::kIstioCnis, "default", spec);
  EXPECT_HAS(Says(kube::kIstioCnis, "default", "Reconciled", "False", "ReconcileError"), "external");
}

TEST_F(IstioCni, TellsOfValuesThatNothingReads) {
  Run();
  Json spec = CniSpec("v1.28.6");
  spec["values"]["cni"]["resource_quotas"]["enabled"] = true;  // the sail-operator's resource has it, no chart reads it
  c.Apply(kube::kIstioCnis, "default", spec);
  EXPECT_EQ(Says(kube::kIstioCnis, "default", "ValuesKnown", "False", "UnknownValues"),
            "spec.values.cni.resource_quotas is not read by any chart; did you mean spec.values.cni.resourceQuotas?");
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
}

TEST_F(IstioCni, TakesValuesOfTheRightTypeOnly) {
  Json spec = CniSpec("v1.28.6");
  spec["values"]["cni"]["ambient"]["enabled"] = "yes";
  EXPECT_HAS(Refused(kube::kIstioCnis, "default", spec),
             "spec.values.cni.ambient.enabled in body must be of type boolean");
}

TEST_F(IstioCni, IsNotReadyWhenAPodIsNot) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  UnreadyPods("istio-cni-node");
  EXPECT_HAS(Says(kube::kIstioCnis, "default", "Ready", "False", "DaemonSetNotReady"),
             "not all istio-cni-node pods are ready");
  HasState(kube::kIstioCnis, "default", "DaemonSetNotReady");
}

TEST_F(IstioCni, IsNotReadyWithoutNodes) {
  for (const char* node : {"node-1", "node-2", "node-3"}) ASSERT_TRUE(c.admin.Delete(kube::kNodes, "", node, {}).ok());
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  EXPECT_EQ(Says(kube::kIstioCnis, "default", "Ready", "False", "DaemonSetNotReady"),
            "no istio-cni-node pods are currently scheduled");
}

TEST_F(IstioCni, MakesAgainWhatIsDeletedAndUndoesWhatIsEdited) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  Json made = c.Get(kube::kDaemonSets, "istio-cni-node", "istio-cni");
  ASSERT_TRUE(c.admin.Delete(kube::kDaemonSets, "istio-cni", "istio-cni-node", {}).ok());
  EXPECT_TRUE(c.Within(kPatience, [&] {
    Json now = c.Get(kube::kDaemonSets, "istio-cni-node", "istio-cni");
    return !now.is_null() && kube::Uid(now) != kube::Uid(made);
  }));
  Change(kube::kDaemonSets, "istio-cni-node",
         {{"spec", {{"template", {{"spec", {{"terminationGracePeriodSeconds", 1}}}}}}}}, "istio-cni");
  EXPECT_TRUE(c.Within(kPatience, [&] {
    return Int(c.Get(kube::kDaemonSets, "istio-cni-node", "istio-cni"), "spec", "template", "spec",
               "terminationGracePeriodSeconds") == 30;
  }));
}

TEST_F(IstioCni, OwnsAndLabelsWhatItMakes) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  Json ds = c.Get(kube::kDaemonSets, "istio-cni-node", "istio-cni");
  EXPECT_EQ(Str(kube::ControllerOf(ds), "kind"), "IstioCNI");
  EXPECT_TRUE(value::Bool(kube::ControllerOf(ds), "blockOwnerDeletion"));
  EXPECT_EQ(kube::Label(ds, "managed-by"), "sail-operator");
  EXPECT_EQ(kube::Label(ds, "app.kubernetes.io/managed-by"), "Helm");
  EXPECT_EQ(kube::Annotation(ds, "meta.helm.sh/release-name"), "istio-cni");
}

TEST_F(IstioCni, LeavesPullSecretsThatOthersGaveItsAccount) {
  Run();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  Change(kube::kServiceAccounts, "istio-cni", {{"imagePullSecrets", {{{"name", "theirs"}}}}}, "istio-cni");
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.5"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  EXPECT_EQ(Str(c.Get(kube::kServiceAccounts, "istio-cni", "istio-cni"), "imagePullSecrets", 0, "name"), "theirs");
}

TEST_F(IstioCni, TakesEverythingWithItWhenDeleted) {
  Run();
  Json before = c.Snapshot();
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  EXPECT_TRUE(kube::HasFinalizer(c.Get(kube::kIstioCnis, "default"), "sailoperator.io/sail-operator"));
  ASSERT_TRUE(c.admin.Delete(kube::kIstioCnis, "", "default", {}).ok());
  EXPECT_TRUE(c.Within(kPatience, [&] { return c.Snapshot() == before; })) << Json::diff(before, c.Snapshot()).dump(1);
}

TEST_F(IstioCni, ListsControlPlanesAndRefusesWhatDoesNotFit) {
  Run();
  c.Apply(kube::kIstios, "default", IstioSpec("v1.27.9"));
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  EXPECT_HAS(Says(kube::kIstioCnis, "default", "Reconciled", "False", "VersionSkew"), "v1.27.9");
  Says(kube::kIstioCnis, "default", "SkewOK", "False", "VersionSkew");
  EXPECT_EQ(Str(c.Get(kube::kIstioCnis, "default"), "status", "controlPlanes", 0, "version"), "v1.27.9");
  Change(kube::kIstioCnis, "default", {{"metadata", {{"annotations", {{kSkewPolicyAnnotation, "Warn"}}}}}});
  Says(kube::kIstioCnis, "default", "Ready", "True", "Ready");
  Says(kube::kIstioCnis, "default", "SkewOK", "False", "VersionSkew");
}

// --- Istio

using IstioKind = Behaviour;

TEST_F(IstioKind, HasDefaults) {
  ASSERT_EQ(Refused(kube::kIstios, "any-name", {{"version", "v1.28.6"}}), "");
  Json o = c.Get(kube::kIstios, "any-name");
  EXPECT_EQ(Str(o, "spec", "namespace"), "istio-system");
  EXPECT_EQ(Str(o, "spec", "updateStrategy", "type"), "InPlace");
}

TEST_F(IstioKind, RefusesWhatCannotBe) {
  Json spec = IstioSpec("v1.28.6");
  spec["values"]["global"]["istioNamespace"] = "elsewhere";
  EXPECT_HAS(Refused(kube::kIstios, "a", spec), "spec.values.global.istioNamespace must match spec.namespace");
  spec = IstioSpec("v1.28.6", "Sometimes");
  EXPECT_HAS(Refused(kube::kIstios, "a", spec), "spec.updateStrategy.type: Unsupported value: \"Sometimes\"");
  spec = IstioSpec("v1.28.6");
  spec["updateStrategy"]["inactiveRevisionDeletionGracePeriodSeconds"] = -1;
  EXPECT_HAS(Refused(kube::kIstios, "a", spec), "should be greater than or equal to 0");
  ASSERT_EQ(Refused(kube::kIstios, "a", IstioSpec("v1.28.6")), "");
  EXPECT_HAS(RefusedChange(kube::kIstios, "a", {{"namespace", "mesh"}}), "Value is immutable");
}

TEST_F(IstioKind, InPlaceHasOneRevisionOfItsName) {
  Run();
  c.Apply(kube::kIstios, "default", IstioSpec("v1.27.9"));
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  HasState(kube::kIstios, "default", "Healthy");
  EXPECT_TRUE(c.Within(kPatience, [&] {
    return Row(kube::kIstios, "default") ==
           "Name=default Namespace=istio-system Profile= Revisions=1 Ready=1 In use=0 Active Revision=default "
           "Status=Healthy Version=v1.27.9 Age";
  })) << Row(kube::kIstios, "default");
  std::string uid = kube::Uid(c.Get(kube::kIstioRevisions, "default"));
  c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6"));
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  EXPECT_EQ(kube::Uid(c.Get(kube::kIstioRevisions, "default")), uid);
  EXPECT_EQ(Str(c.Get(kube::kIstioRevisions, "default"), "spec", "version"), "v1.28.6");
}

TEST_F(IstioKind, WithRevisionsNamesThemByVersion) {
  Run();
  Label({{"istio.io/rev", "prod-v1-27-9"}});
  c.Apply(kube::kIstios, "prod", IstioSpec("v1.27-latest", "RevisionBased"));
  Says(kube::kIstios, "prod", "Ready", "True", "Ready");
  EXPECT_EQ(Str(c.Get(kube::kIstios, "prod"), "status", "activeRevisionName"), "prod-v1-27-9");
  c.Apply(kube::kIstios, "prod", IstioSpec("v1.28.6", "RevisionBased"));
  Says(kube::kIstios, "prod", "Ready", "True", "Ready");
  EXPECT_TRUE(c.Within(kPatience, [&] {
    Json revisions = At(c.Get(kube::kIstios, "prod"), "status", "revisions");
    return revisions == Json{{"total", 2}, {"ready", 2}, {"inUse", 1}};
  })) << value::Dump(At(c.Get(kube::kIstios, "prod"), "status"));
  EXPECT_EQ(Str(c.Get(kube::kIstios, "prod"), "status", "activeRevisionName"), "prod-v1-28-6");
}

TEST_F(IstioKind, CannotTellReadinessWhenItCannotBeReconciled) {
  Run();
  c.Apply(kube::kIstios, "default", IstioSpec("v1.26.3"));
  EXPECT_HAS(Says(kube::kIstios, "default", "Reconciled", "False", "ReconcileError"), "end-of-life");
  EXPECT_EQ(Says(kube::kIstios, "default", "Ready", "Unknown", "ReconcileError"),
            "cannot determine readiness due to reconciliation error");
  HasState(kube::kIstios, "default", "ReconcileError");
}

TEST_F(IstioKind, TellsOfValuesThatNothingReadsAndRefusesWrongTypes) {
  Run();
  Json spec = IstioSpec("v1.28.6");
  spec["values"]["pilot"]["autoscaleenabled"] = false;
  c.Apply(kube::kIstios, "default", spec);
  EXPECT_EQ(Says(kube::kIstios, "default", "ValuesKnown", "False", "UnknownValues"),
            "spec.values.pilot.autoscaleenabled is not read by any chart; did you mean "
            "spec.values.pilot.autoscaleEnabled?");
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  spec["values"]["pilot"] = {{"autoscaleEnabled", "no"}};
  c.Apply(kube::kIstios, "default", spec);
  EXPECT_HAS(Says(kube::kIstios, "default", "Reconciled", "False", "ReconcileError"),
             "spec.values.pilot.autoscaleEnabled: \"no\" must be true or false");
  EXPECT_FALSE(c.Get(kube::kDeployments, "istiod", "istio-system").is_null()) << "what runs stays";
}

TEST_F(IstioKind, SaysOfItsRevisionWhatThatSaysOfItself) {
  Run();
  Json spec = IstioSpec("v1.28.6");
  spec["values"]["pilot"]["cni"]["enabled"] = true;
  c.Apply(kube::kIstios, "default", spec);
  EXPECT_EQ(Says(kube::kIstios, "default", "DependenciesHealthy", "False", "IstioCNINotFound"),
            "IstioCNI resource does not exist");
  HasState(kube::kIstios, "default", "IstioCNINotFound");
}

TEST_F(IstioKind, DoesNotTouchTheRevisionOfAnother) {
  Run();
  c.Apply(kube::kIstios, "a-b", IstioSpec("v1.28.6"));
  Says(kube::kIstios, "a-b", "Ready", "True", "Ready");
  c.Apply(kube::kIstioRevisions, "mine", RevisionOf("mine"));
  Says(kube::kIstioRevisions, "mine", "Ready", "True", "Ready");
  std::string uid = kube::Uid(c.Get(kube::kIstioRevisions, "mine"));
  ASSERT_TRUE(c.admin.Delete(kube::kIstios, "", "a-b", {}).ok());
  EXPECT_TRUE(c.Within(kPatience, [&] { return c.Get(kube::kIstioRevisions, "a-b").is_null(); }));
  EXPECT_EQ(kube::Uid(c.Get(kube::kIstioRevisions, "mine")), uid);
}

TEST_F(IstioKind, PrunesAnUnusedRevisionAfterTheGracePeriod) {
  Run();
  Json spec = IstioSpec("v1.27.9", "RevisionBased");
  spec["updateStrategy"]["inactiveRevisionDeletionGracePeriodSeconds"] = 2;
  Label({{"istio.io/rev", "default-v1-27-9"}});
  c.Apply(kube::kIstios, "default", spec);
  InUse("default-v1-27-9", true);
  spec["version"] = "v1.28.6";
  c.Apply(kube::kIstios, "default", spec);
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  SleepFor(Millis(2500), {});
  EXPECT_FALSE(c.Get(kube::kIstioRevisions, "default-v1-27-9").is_null()) << "what is used stays";
  Label({{"istio.io/rev", "default-v1-28-6"}});
  auto unused = SteadyNow();
  InUse("default-v1-27-9", false);
  EXPECT_TRUE(c.Within(kPatience, [&] { return c.Get(kube::kIstioRevisions, "default-v1-27-9").is_null(); }));
  EXPECT_GE(SteadyNow() - unused, Millis(900)) << "times in status are whole seconds";
  EXPECT_FALSE(c.Get(kube::kIstioRevisions, "default-v1-28-6").is_null()) << "the active one stays, used or not";
}

TEST_F(IstioKind, LeavesOlderRevisionsToAnExternalIstiod) {
  Run();
  Json spec = IstioSpec("v1.27.9", "RevisionBased");
  spec["values"]["pilot"]["env"]["EXTERNAL_ISTIOD"] = "true";
  c.Apply(kube::kIstios, "default", spec);
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  spec["version"] = "v1.28.6";
  c.Apply(kube::kIstios, "default", spec);
  Says(kube::kIstios, "default", "Ready", "True", "Ready");
  SleepFor(Millis(1500), {});
  EXPECT_FALSE(c.Get(kube::kIstioRevisions, "default-v1-27-9").is_null());
}

// --- IstioRevision

using IstioRevisionKind = Behaviour;

TEST_F(IstioRevisionKind, HasValuesThatFitItsName) {
  Json spec = RevisionOf("default");
  spec["values"]["revision"] = "other";
  EXPECT_NE(Refused(kube::kIstioRevisions, "default", spec), "");
  EXPECT_NE(Refused(kube::kIstioRevisions, "a", RevisionOf("b")), "");
  spec = RevisionOf("a");
  spec["values"]["global"]["istioNamespace"] = "elsewhere";
  EXPECT_HAS(Refused(kube::kIstioRevisions, "a", spec), "spec.values.global.istioNamespace must match spec.namespace");
  spec = RevisionOf("a", "v1.28-latest");
  EXPECT_HAS(Refused(kube::kIstioRevisions, "a", spec), "spec.version: Unsupported value: \"v1.28-latest\"");
  EXPECT_EQ(Refused(kube::kIstioRevisions, "a", RevisionOf("a")), "");
}

TEST_F(IstioRevisionKind, HasTheColumnsOfTheDocumentation) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  InUse("a", false);
  HasState(kube::kIstioRevisions, "a", "Healthy");
  EXPECT_EQ(Row(kube::kIstioRevisions, "a"),
            "Name=a Namespace=istio-system Profile= Ready=True Status=Healthy In use=False Version=v1.28.6 Age");
  auto type = c.registry->FindKind("sailoperator.io/v1", "IstioRevision");
  ASSERT_TRUE(type);
  EXPECT_EQ(type->short_names, (std::vector<std::string>{"istiorev"}));
}

TEST_F(IstioRevisionKind, GivesWayToAnOlderTagOfItsName) {
  Run();
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "IstioRevision"}, {"name", "nowhere"}}}});
  SleepFor(Millis(1100), {});
  c.Apply(kube::kIstioRevisions, "prod", RevisionOf("prod"));
  EXPECT_EQ(Says(kube::kIstioRevisions, "prod", "Reconciled", "False", "NameAlreadyExists"),
            "an IstioRevisionTag exists with this name");
}

TEST_F(IstioRevisionKind, IsNotReadyWhenIstiodIsNot) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a", "v1.28.6", {{"pilot", {{"autoscaleEnabled", false}}}}));
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  UnreadyPods("istiod-a");
  EXPECT_EQ(Says(kube::kIstioRevisions, "a", "Ready", "False", "IstiodNotReady"), "not all istiod pods are ready");
  HasState(kube::kIstioRevisions, "a", "IstiodNotReady");
  c.pods_start = true;
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  c.Apply(kube::kIstioRevisions, "a",
          RevisionOf("a", "v1.28.6", {{"pilot", {{"autoscaleEnabled", false}, {"replicaCount", 0}}}}));
  EXPECT_EQ(Says(kube::kIstioRevisions, "a", "Ready", "False", "IstiodNotReady"),
            "istiod Deployment is scaled to zero replicas");
}

TEST_F(IstioRevisionKind, DependsOnTheCniAndOnZtunnelWhereItUsesThem) {
  Run();
  c.Apply(kube::kIstioRevisions, "a",
          RevisionOf("a", "v1.28.6", {{"profile", "ambient"}, {"pilot", {{"cni", {{"enabled", true}}}}}}));
  EXPECT_EQ(Says(kube::kIstioRevisions, "a", "DependenciesHealthy", "False", "IstioCNINotFound"),
            "IstioCNI resource does not exist");
  c.pods_start = false;
  c.Apply(kube::kIstioCnis, "default", CniSpec("v1.28.6"));
  EXPECT_EQ(Says(kube::kIstioRevisions, "a", "DependenciesHealthy", "False", "IstioCNINotHealthy"),
            "IstioCNI resource status indicates that the component is not healthy");
  c.pods_start = true;
  Says(kube::kIstioRevisions, "a", "DependenciesHealthy", "False", "ZTunnelNotFound");
  c.pods_start = false;
  c.Apply(kube::kZtunnels, "default", ZtunnelSpec("v1.28.6"));
  Says(kube::kIstioRevisions, "a", "DependenciesHealthy", "False", "ZTunnelNotHealthy");
  c.pods_start = true;
  EXPECT_EQ(Says(kube::kIstioRevisions, "a", "DependenciesHealthy", "True", "DependenciesHealthy"), "");
  HasState(kube::kIstioRevisions, "a", "Healthy");
}

TEST_F(IstioRevisionKind, IsUsedByNamespacesThatAskForIt) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  c.Apply(kube::kIstioRevisions, "default", RevisionOf("default"));
  InUse("a", false);
  InUse("default", false);
  Label({{"istio-injection", "enabled"}});
  InUse("default", true);
  Label({{"istio-injection", "disabled"}, {"istio.io/rev", "a"}});
  InUse("default", false);
  InUse("a", false);
  Label({{"istio-injection", nullptr}});
  InUse("a", true);
}

TEST_F(IstioRevisionKind, IsUsedByPodsThatWereInjectedByIt) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  c.Apply(kube::kIstioRevisions, "default", RevisionOf("default"));
  auto use = [&](const std::string& name, const Json& labels, const Json& annotations, const char* revision) {
    c.Must(c.admin.Create(kube::kPods, Pod(name, labels, annotations)));
    InUse(revision, true);
    (void)c.admin.UpdateStatus(kube::kPods, "mesh", name, [](Json& s) { s["phase"] = "Succeeded"; }).ok();
    InUse(revision, false);
  };
  use("by-annotation", Json::object(), {{"istio.io/rev", "a"}}, "a");
  use("by-label", {{"istio.io/rev", "a"}}, Json::object(), "a");
  use("by-inject", {{"sidecar.istio.io/inject", "true"}}, Json::object(), "default");
  c.Must(c.admin.Create(kube::kPods,
                        Pod("not", {{"istio.io/rev", "a"}, {"sidecar.istio.io/inject", "false"}}, Json::object())));
  SleepFor(Millis(300), {});
  InUse("a", false);
}

TEST_F(IstioRevisionKind, IsUsedByTagsThatPointToIt) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  InUse("a", false);
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "IstioRevision"}, {"name", "a"}}}});
  InUse("a", true);
  ASSERT_TRUE(c.admin.Delete(kube::kIstioRevisionTags, "", "prod", {}).ok());
  InUse("a", false);
}

TEST_F(IstioRevisionKind, OfTheNameDefaultIsUsedWhenItInjectsEverywhere) {
  Run();
  c.Apply(kube::kIstioRevisions, "default", RevisionOf("default"));
  InUse("default", false);
  c.Apply(kube::kIstioRevisions, "default",
          RevisionOf("default", "v1.28.6", {{"sidecarInjectorWebhook", {{"enableNamespacesByDefault", true}}}}));
  InUse("default", true);
}

TEST_F(IstioRevisionKind, IsUsedByAmbientWorkloadsThroughTheirZtunnel) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  c.Apply(
      kube::kZtunnels, "default",
      {{"version", "v1.28.6"}, {"namespace", "ztunnel"}, {"targetRef", {{"kind", "IstioRevision"}, {"name", "a"}}}});
  InUse("a", false);
  Label({{"istio.io/dataplane-mode", "ambient"}});
  InUse("a", true);
}

TEST_F(IstioRevisionKind, IsLeftAloneWhenThatIsAskedFor) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"), {{"annotations", {{"sailoperator.io/ignore", "true"}}}});
  SleepFor(Millis(500), {});
  EXPECT_TRUE(c.Get(kube::kDeployments, "istiod-a", "istio-system").is_null());
}

TEST_F(IstioRevisionKind, KeepsTheAuthorityThatIstiodPutIntoItsWebhooks) {
  Run();
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a"));
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  Json hook = c.Get(kube::kMutatingWebhooks, "istio-sidecar-injector-a");
  ASSERT_FALSE(hook.is_null());
  for (Json& w : hook["webhooks"]) w["clientConfig"]["caBundle"] = "QUJD";
  c.Must(c.admin.Update(kube::kMutatingWebhooks, hook, ""));
  c.Apply(kube::kIstioRevisions, "a", RevisionOf("a", "v1.28.5"));
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  SleepFor(Millis(300), {});
  EXPECT_EQ(Str(c.Get(kube::kMutatingWebhooks, "istio-sidecar-injector-a"), "webhooks", 0, "clientConfig", "caBundle"),
            "QUJD");
}

// A server that plays the control plane of another cluster.
TEST_F(IstioRevisionKind, OfARemoteControlPlaneIsReadyWhenThatIs) {
  auto ca = http::CreateAuthority("remote", 1);
  auto cert = http::IssueCertificate(
      *ca, {.common_name = "istiod", .organizations = {}, .days = 1, .alt_names = {"IP:127.0.0.1"}});
  std::atomic<int> answer{503};
  http::Server server({}, [&](http::Request& r, http::ResponseWriter& w) {
    w.Send(r.path == "/ready" ? answer.load() : 404, "text/plain", "");
  });
  auto listener = http::ListenTcp("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok());
  std::string url = "https://127.0.0.1:" + std::to_string(http::LocalPort(listener->get())) + "/inject";
  http::TlsIdentity identity{cert->certificate, cert->key, ""};
  ASSERT_TRUE(server.AddListener(std::move(*listener), &identity).ok());

  Run();
  c.Apply(kube::kIstioRevisions, "a",
          RevisionOf("a", "v1.28.6", {{"profile", "remote"}, {"istiodRemote", {{"injectionURL", url}}}}));
  auto says = [&](const std::string& part) {
    EXPECT_TRUE(
        c.Within(kPatience,
                 [&] {
                   return Str(kube::Condition(c.Get(kube::kIstioRevisions, "a"), "Ready"), "message").find(part) !=
                          std::string::npos;
                 }))
        << value::Dump(kube::Condition(c.Get(kube::kIstioRevisions, "a"), "Ready")) << "\nhas not: " << part;
  };
  says("caBundle is not set");
  HasState(kube::kIstioRevisions, "a", "RemoteIstiodNotReady");
  Json hook = c.Get(kube::kMutatingWebhooks, "istio-sidecar-injector-a");
  ASSERT_FALSE(hook.is_null());
  for (Json& w : hook["webhooks"]) w["clientConfig"]["caBundle"] = Base64Encode(ca->certificate);
  c.Must(c.admin.Update(kube::kMutatingWebhooks, hook, ""));
  says("readiness probe on remote istiod failed");
  says("it answers 503");
  answer = 200;
  Says(kube::kIstioRevisions, "a", "Ready", "True", "Ready");
  server.Stop();
  Says(kube::kIstioRevisions, "a", "Ready", "False", "RemoteIstiodNotReady");
  ASSERT_TRUE(c.admin.Delete(kube::kMutatingWebhooks, "", "istio-sidecar-injector-a", {}).ok());
}

// --- IstioRevisionTag

using IstioRevisionTagKind = Behaviour;

TEST_F(IstioRevisionTagKind, PointsToTheActiveRevisionOfAnIstio) {
  Run();
  c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6", "RevisionBased"));
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "Istio"}, {"name", "default"}}}});
  EXPECT_TRUE(c.Within(kPatience, [&] {
    return Str(c.Get(kube::kIstioRevisionTags, "prod"), "status", "istioRevision") == "default-v1-28-6";
  }));
  EXPECT_EQ(Str(c.Get(kube::kIstioRevisionTags, "prod"), "status", "istiodNamespace"), "istio-system");
  HasState(kube::kIstioRevisionTags, "prod", "NotReferencedByAnything");
  EXPECT_EQ(Row(kube::kIstioRevisionTags, "prod"),
            "Name=prod Status=NotReferencedByAnything In use=False Revision=default-v1-28-6 Age");
  Label({{"istio.io/rev", "prod"}});
  HasState(kube::kIstioRevisionTags, "prod", "Healthy");
  auto type = c.registry->FindKind("sailoperator.io/v1", "IstioRevisionTag");
  ASSERT_TRUE(type);
  EXPECT_EQ(type->short_names, (std::vector<std::string>{"istiorevtag"}));
}

TEST_F(IstioRevisionTagKind, SaysWhenItPointsNowhere) {
  Run();
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "IstioRevision"}, {"name", "nowhere"}}}});
  Says(kube::kIstioRevisionTags, "prod", "Reconciled", "False", "RefNotFound");
  HasState(kube::kIstioRevisionTags, "prod", "RefNotFound");
  c.Apply(kube::kIstioRevisions, "nowhere", RevisionOf("nowhere"));
  Says(kube::kIstioRevisionTags, "prod", "Reconciled", "True", "Reconciled");
}

TEST_F(IstioRevisionTagKind, GivesWayToAnOlderRevisionOfItsName) {
  Run();
  c.Apply(kube::kIstioRevisions, "prod", RevisionOf("prod"));
  Says(kube::kIstioRevisions, "prod", "Ready", "True", "Ready");
  SleepFor(Millis(1100), {});
  c.Apply(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "IstioRevision"}, {"name", "prod"}}}});
  EXPECT_EQ(Says(kube::kIstioRevisionTags, "prod", "Reconciled", "False", "NameAlreadyExists"),
            "an IstioRevision exists with this name");
}

TEST_F(IstioRevisionTagKind, TakesKnownKindsOnly) {
  EXPECT_HAS(Refused(kube::kIstioRevisionTags, "prod", {{"targetRef", {{"kind", "Pod"}, {"name", "a"}}}}),
             "spec.targetRef.kind: Unsupported value: \"Pod\"");
  EXPECT_NE(Refused(kube::kIstioRevisionTags, "prod", Json::object()), "");
}

// --- ZTunnel

using ZtunnelKind = Behaviour;

TEST_F(ZtunnelKind, IsNamedDefaultAndHasDefaults) {
  EXPECT_HAS(Refused(kube::kZtunnels, "other", ZtunnelSpec("v1.28.6")), "metadata.name must be 'default'");
  ASSERT_EQ(Refused(kube::kZtunnels, "default", {{"version", "v1.28.6"}}), "");
  EXPECT_EQ(Str(c.Get(kube::kZtunnels, "default"), "spec", "namespace"), "ztunnel");
}

TEST_F(ZtunnelKind, IsHealthyOnceEveryNodeRunsIt) {
  Run();
  c.Apply(kube::kZtunnels, "default", ZtunnelSpec("v1.28.6"));
  Says(kube::kZtunnels, "default", "Ready", "True", "Ready");
  HasState(kube::kZtunnels, "default", "Healthy");
  EXPECT_EQ(Row(kube::kZtunnels, "default"),
            "Name=default Namespace=ztunnel Ready=True Status=Healthy Version=v1.28.6 Revision= Age");
  UnreadyPods("ztunnel");
  EXPECT_HAS(Says(kube::kZtunnels, "default", "Ready", "False", "DaemonSetNotReady"), "not all ztunnel pods are ready");
}

TEST_F(ZtunnelKind, TakesTheRevisionThatItPointsTo) {
  Run();
  Json spec = ZtunnelSpec("v1.28.6");
  spec["targetRef"] = {{"kind", "Istio"}, {"name", "default"}};
  c.Apply(kube::kZtunnels, "default", spec);
  Says(kube::kZtunnels, "default", "Reconciled", "False", "ReconcileError");
  c.Apply(kube::kIstios, "default", IstioSpec("v1.28.6", "RevisionBased"));
  Says(kube::kZtunnels, "default", "Ready", "True", "Ready");
  EXPECT_EQ(Str(c.Get(kube::kZtunnels, "default"), "status", "istioRevision"), "default-v1-28-6");
}

TEST_F(ZtunnelKind, HasItsRolloutInItsValues) {
  Run();
  Json spec = ZtunnelSpec("v1.28.6");
  spec["values"]["ztunnel"] = {{"updateStrategy", {{"rollingUpdate", {{"maxUnavailable", 2}, {"maxSurge", 0}}}}},
                               {"tolerations", {{{"operator", "Exists"}}}}};
  c.Apply(kube::kZtunnels, "default", spec);
  Says(kube::kZtunnels, "default", "Ready", "True", "Ready");
  Json ds = c.Get(kube::kDaemonSets, "ztunnel", "ztunnel");
  EXPECT_EQ(Int(ds, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), 2);
  EXPECT_EQ(At(ds, "spec", "template", "spec", "tolerations").size(), 1u);
}

}  // namespace
}  // namespace fairlead::mesh
