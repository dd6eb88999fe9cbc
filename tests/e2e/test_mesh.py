"""The whole update of a mesh on the lab, control plane first: what a person types, and what kubectl then shows."""
import json
import subprocess
import time
import unittest

from client import BUILD, condition, mesh_pod, pod_ready
from cluster import Cluster


def istio(version, strategy="InPlace", values=None, name="default", **more):
    update = {"type": strategy, "inactiveRevisionDeletionGracePeriodSeconds": 2}
    return {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": name},
            "spec": {"version": version, "namespace": "istio-system", "updateStrategy": update, "values": {"pilot": {"cni": {"enabled": True}}, **(values or {})}, **more}}


class Mesh(unittest.TestCase):
    def start(self):
        c = Cluster()
        self.addCleanup(c.stop)
        c.install_operator()
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
        return c

    def patch(self, c, kind, name, spec):
        c.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def ready(self, c, kind, name, timeout="40s"):
        c.kubectl("wait", "--for=condition=Ready", f"{kind}/{name}", "--timeout=" + timeout)

    def row(self, c, kind, name):
        """What kubectl get prints, without the age."""
        return c.kubectl("get", kind, name, "--no-headers").split()[:-1]

    def istiod_versions(self, c):
        return sorted(p["metadata"]["labels"]["app.kubernetes.io/version"] for p in c.get("pods", "-n", "istio-system", "-l", "app=istiod")["items"] if pod_ready(p))


class InPlace(Mesh):
    def test_from_an_empty_cluster_to_the_updated_cni(self):
        c = self.start()
        c.apply(istio("v1.27.9"))
        self.ready(c, "istio", "default")
        c.install_cni("v1.28.5")
        c.wait_until(lambda: c.condition("Reconciled").get("reason") == "VersionSkew", 10, "a CNI ahead of the control plane is refused")
        self.assertIn("Update the control plane to 1.28 first", c.condition("Reconciled")["message"])
        self.assertEqual(c.agents(), [], "no node was touched")

        self.patch(c, "istio", "default", {"version": "v1.28.6"})
        never = []
        end = time.monotonic() + 40
        while time.monotonic() < end and self.istiod_versions(c) != ["1.28.6"]:
            if not self.istiod_versions(c):
                never.append(time.monotonic())
            time.sleep(0.05)
        self.assertEqual(never, [], "there was a moment without a control plane")
        self.ready(c, "istio", "default")
        c.wait_ready()
        self.assertEqual(self.row(c, "istiorevision", "default"), ["default", "istio-system", "True", "Healthy", "False", "v1.28.6"])
        c.wait_until(lambda: self.row(c, "istio", "default") == ["default", "istio-system", "1", "1", "0", "default", "Healthy", "v1.28.6"], 10, "the Istio's columns")
        self.patch(c, "istiocni", "default", {"version": "v1.28.6"})
        c.wait_ready()
        self.assertEqual(self.row(c, "istiocni", "default"), ["default", "istio-cni", "True", "Healthy", "v1.28.6"])
        planes = c.get("istiocni", "default")["status"]["controlPlanes"]
        self.assertEqual(planes, [{"kind": "IstioRevision", "name": "default", "version": "v1.28.6", "allowed": True}])

    def test_a_revision_that_would_leave_the_cni_behind_waits(self):
        c = self.start()
        c.apply(istio("v1.28.6"))
        c.install_cni("v1.28.5")
        c.wait_ready()
        self.ready(c, "istio", "default")
        self.patch(c, "istio", "default", {"version": "v1.30.3"})
        c.wait_until(lambda: condition(c.get("istio", "default"), "Ready").get("reason") == "VersionSkew", 20, "the Istio says why it does not go on")
        self.assertIn("Set the CNI to a version of 1.29 or 1.30", condition(c.get("istio", "default"), "Ready")["message"])
        self.assertEqual(self.istiod_versions(c), ["1.28.6"])
        self.assertEqual(c.condition()["status"], "True", "the CNI serves what runs")
        c.kubectl("annotate", "istiocni", "default", "fairlead.io/version-skew-policy=Warn")
        c.wait_until(lambda: self.istiod_versions(c) == ["1.30.3"], 30, "with Warn it goes on")
        c.wait_until(lambda: condition(c.get("istiocni", "default"), "SkewOK").get("status") == "False", 10, "and is said on both")
        self.assertEqual(condition(c.get("istiorevision", "default"), "SkewOK")["status"], "False")
        self.assertEqual(c.condition()["status"], "True")

    def test_what_cannot_be_done_is_said_and_what_runs_stays(self):
        c = self.start()
        c.apply(istio("v1.28.6", values={"pilot": {"cni": {"enabled": False}}}))
        self.ready(c, "istio", "default")
        for spec, reason, message in (({"version": "v1.26.3"}, "ReconcileError", "end-of-life"), ({"version": "v1.28.6", "profile": "external"}, "ReconcileError", "profile \"external\""),
                                      ({"profile": None, "values": {"profile": "nonsense"}}, "ReconcileError", "unknown profile nonsense")):
            self.patch(c, "istio", "default", spec)
            c.wait_until(lambda: condition(c.get("istio", "default"), "Reconciled").get("reason") == reason and message in condition(c.get("istio", "default"), "Reconciled")["message"], 20, message)
            self.assertNotEqual(condition(c.get("istio", "default"), "Ready")["status"], "True")
            self.assertEqual(self.istiod_versions(c), ["1.28.6"])
        self.patch(c, "istio", "default", {"values": {"profile": None}})
        self.ready(c, "istio", "default")
        done = c.run("patch", "istio", "default", "--type=merge", "-p", '{"spec":{"namespace":"other"}}')
        self.assertIn("Value is immutable", done.stderr)


class Commands(Mesh):
    def fairlead(self, c, *words):
        return subprocess.run([str(BUILD / "fairlead"), *words], env=c.env, text=True, capture_output=True, timeout=30)

    def test_preflight_history_and_rollback(self):
        c = self.start()
        self.assertIn("there is no IstioCNI", self.fairlead(c, "preflight", "v1.28.6").stderr)
        c.apply(istio("v1.28.6", values={"pilot": {"cni": {"enabled": False}}}))
        self.ready(c, "istio", "default")
        c.install_cni("v1.28.5")
        c.wait_ready()
        good = self.fairlead(c, "preflight", "v1.28.6")
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertRegex(good.stdout, r"version +ok +v1.28.5 -> v1.28.6\n")
        self.assertRegex(good.stdout, r"version skew +ok +fits IstioRevision/default v1.28.6\n")
        self.assertRegex(good.stdout, r"every node has an agent +ok +3 agents are ready\n")
        for check, detail in (("values", "every one is read by the chart"), ("chart", r"\d+ objects"), ("nodes take the agent", "all"), ("agents answer", "3 agents"), ("images", r"\S+/install-cni:1.28.6 is on 0 of 3 nodes; others pull it"),
                              ("CNI directories can be written", "on every node that was asked"), ("primary CNI", "bridge on 3 nodes"), ("pods at risk", "none")):
            self.assertRegex(good.stdout, rf"(?m)^{check} +ok +{detail}$")
        c.kubectl("patch", "node", "node-3", "--type=merge", "-p", '{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}}')
        self.patch(c, "istiocni", "default", {"values": {"cni": {"tolerations": [{"key": "other", "operator": "Exists"}], "resource_quotas": {"enabled": True}}}})
        warned = self.fairlead(c, "preflight", "v1.28.6")
        self.assertEqual(warned.returncode, 0, "what is warned about does not stop the update")
        self.assertRegex(warned.stdout, r"nodes take the agent +warning +node-3: its taint gpu=yes:NoSchedule is not tolerated\n")
        self.assertRegex(warned.stdout, r"values +warning +spec.values.cni.resource_quotas is not read by any chart; did you mean spec.values.cni.resourceQuotas\?\n")
        c.kubectl("patch", "node", "node-3", "--type=merge", "-p", '{"spec":{"taints":null}}')
        self.patch(c, "istiocni", "default", {"values": None})
        c.wait_ready()
        for version, message in (("v1.29.6", "Update the control plane to 1.29 first"), ("v1.26.3", "end-of-life"), ("v9", "not found")):
            bad = self.fairlead(c, "preflight", version, "-o", "json")
            self.assertEqual(bad.returncode, 2, version)
            self.assertIn(message, " ".join(f["detail"] for f in json.loads(bad.stdout) if f["result"] == "failed"))
        self.assertIn("no version before v1.28.5", self.fairlead(c, "rollback").stderr)
        self.patch(c, "istiocni", "default", {"version": "v1.28.6"})
        c.wait_ready()
        self.assertEqual([line.split()[0] for line in self.fairlead(c, "history").stdout.splitlines()], ["VERSION", "v1.28.6", "v1.28.5"])
        back = self.fairlead(c, "rollback")
        self.assertIn("v1.28.6 -> v1.28.5", back.stdout)
        c.wait_ready()
        self.assertEqual(c.get("istiocni", "default")["status"]["runningVersion"], "v1.28.5")


class RevisionBased(Mesh):
    def test_workloads_move_from_one_revision_to_the_next_and_the_old_one_goes(self):
        c = self.start()
        c.apply(istio("v1.27.9", "RevisionBased"))
        c.install_cni("v1.27.9")
        self.ready(c, "istio", "default")
        old, new = "default-v1-27-9", "default-v1-28-6"
        self.assertEqual(c.get("istio", "default")["status"]["activeRevisionName"], old)
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio.io/rev": old}}})
        c.wait_until(lambda: condition(c.get("istiorevision", old), "InUse").get("status") == "True", 10, "the namespace uses the revision")

        self.patch(c, "istio", "default", {"version": "v1.28.6"})
        self.ready(c, "istio", "default")
        c.wait_until(lambda: self.row(c, "istio", "default") == ["default", "istio-system", "2", "2", "1", new, "Healthy", "v1.28.6"], 10, "both revisions run")
        self.assertEqual(self.istiod_versions(c), ["1.27.9", "1.28.6"])
        time.sleep(3)  # longer than the grace period
        self.assertEqual(condition(c.get("istiorevision", old), "Ready")["status"], "True", "what is used stays")

        # A pod that the old revision injected counts as well, whatever its namespace asks for now.
        pod = mesh_pod("injected", node="node-1", mesh=False)
        pod["metadata"]["annotations"] = {"istio.io/rev": old}
        c.apply(pod)
        c.kubectl("label", "namespace", "mesh", "istio.io/rev=" + new, "--overwrite")
        c.wait_until(lambda: condition(c.get("istiorevision", new), "InUse").get("status") == "True", 10, "the new one is used")
        time.sleep(3)
        self.assertEqual(condition(c.get("istiorevision", old), "InUse")["status"], "True")
        c.kubectl("delete", "pod", "-n", "mesh", "injected")
        c.wait_until(lambda: [r["metadata"]["name"] for r in c.get("istiorevision")["items"]] == [new], 20, "the old revision is pruned")
        c.wait_until(lambda: self.istiod_versions(c) == ["1.28.6"], 20, "its control plane is gone")
        left = [o["metadata"]["name"] for kind in ("deploy", "svc", "cm", "sa", "role") for o in c.get(kind, "-n", "istio-system")["items"] if old in o["metadata"]["name"]]
        left += [o["metadata"]["name"] for kind in ("clusterrole", "mutatingwebhookconfigurations") for o in c.get(kind)["items"] if old in o["metadata"]["name"]]
        self.assertEqual(left, [])

    def test_a_tag_moves_workloads_without_touching_them(self):
        c = self.start()
        values = {"pilot": {"cni": {"enabled": False}}}
        c.apply(istio("v1.27.9", "RevisionBased", values))
        self.ready(c, "istio", "default")
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": "prod"}, "spec": {"targetRef": {"kind": "Istio", "name": "default"}}})
        c.wait_until(lambda: self.row(c, "istiorevisiontag", "prod") == ["prod", "NotReferencedByAnything", "False", "default-v1-27-9"], 10, "a tag that nothing uses")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio.io/rev": "prod"}}})
        c.wait_until(lambda: self.row(c, "istiorevisiontag", "prod") == ["prod", "Healthy", "True", "default-v1-27-9"], 10, "a namespace uses it")
        webhook = lambda: c.get("mutatingwebhookconfigurations", "istio-revision-tag-prod")["webhooks"][0]["clientConfig"]["service"]["name"]
        self.assertEqual(webhook(), "istiod-default-v1-27-9")
        self.patch(c, "istio", "default", {"version": "v1.28.6"})
        c.wait_until(lambda: webhook() == "istiod-default-v1-28-6", 20, "the tag follows")
        c.wait_until(lambda: [r["metadata"]["name"] for r in c.get("istiorevision")["items"]] == ["default-v1-28-6"], 20, "nothing uses the old revision")
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": "lost"}, "spec": {"targetRef": {"kind": "IstioRevision", "name": "nowhere"}}})
        c.wait_until(lambda: condition(c.get("istiorevisiontag", "lost"), "Reconciled").get("reason") == "RefNotFound", 10, "a target that does not exist")
        c.kubectl("delete", "istiorevisiontag", "prod", "lost")
        self.assertEqual([w["metadata"]["name"] for w in c.get("mutatingwebhookconfigurations")["items"] if "tag" in w["metadata"]["name"]], [])


class Ambient(Mesh):
    def test_the_three_of_ambient_mode_become_healthy_in_their_order(self):
        c = self.start()
        c.apply(istio("v1.28.6", profile="ambient"))
        c.wait_until(lambda: condition(c.get("istio", "default"), "DependenciesHealthy").get("reason") == "IstioCNINotFound", 20, "the CNI is missing")
        c.install_cni("v1.28.6", {"cni": {"ambient": {"enabled": True}}})
        c.wait_until(lambda: condition(c.get("istio", "default"), "DependenciesHealthy").get("reason") == "ZTunnelNotFound", 30, "ztunnel is missing")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ztunnel"}},
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": "ztunnel"}, "data": {"root-cert.pem": "what istiod puts there"}},
                {"apiVersion": "sailoperator.io/v1", "kind": "ZTunnel", "metadata": {"name": "default"}, "spec": {"version": "v1.28.6", "namespace": "ztunnel"}})
        self.ready(c, "ztunnel", "default")
        c.wait_until(lambda: c.get("istio", "default")["status"]["state"] == "Healthy", 20, "the Istio is healthy")
        self.assertEqual(self.row(c, "ztunnel", "default"), ["default", "ztunnel", "True", "Healthy", "v1.28.6"])
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio.io/dataplane-mode": "ambient"}}}, mesh_pod("a", node="node-1", mesh=False))
        c.wait_until(lambda: pod_ready(c.get("pod", "a", "-n", "mesh")), 20, "an ambient pod")
        c.wait_until(lambda: condition(c.get("istiorevision", "default"), "InUse").get("status") == "True", 10, "ambient pods use the control plane")


if __name__ == "__main__":
    unittest.main()
