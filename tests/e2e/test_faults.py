"""Things that go wrong on purpose. Each: a clear condition and Event, the old state keeps serving, and it converges when the
cause is gone."""
import json
import time
import unittest

from client import Background, KubectlError, mesh_pod, pod_ready
from cluster import Cluster
from scenario import client_counts, has_redirection, start_mesh


def patch(c, spec):
    return c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": spec}))


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.c.install_operator()
        cls.c.install_cni("v1.28.5")
        cls.c.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.c.stop()

    def refused(self, spec, text):
        with self.assertRaises(KubectlError) as e:
            patch(self.c, spec)
        self.assertIn(text, str(e.exception))
        self.assertEqual(self.c.condition()["status"], "True", "what was refused changes nothing")

    def fails_and_recovers(self, spec, undo, reason, text):
        c = self.c
        before = {p["metadata"]["name"] for p in c.agents()}
        patch(c, spec)
        c.wait_until(lambda: c.condition("Reconciled").get("status") == "False", 10, "the problem is reported")
        condition, ready = c.condition("Reconciled"), c.condition("Ready")
        self.assertEqual(condition["reason"], reason)
        self.assertIn(text, condition["message"])
        self.assertEqual(ready["status"], "False", "Ready is about the new generation")
        self.assertIn("keep serving on 3 of 3 nodes", ready["message"])
        self.assertEqual({p["metadata"]["name"] for p in c.agents() if pod_ready(p)}, before, "the old agents serve")
        self.assertTrue(any(e["type"] == "Warning" and text in e["message"] and e["involvedObject"]["name"] == "default" for e in c.events()), "an Event says it")
        patch(c, undo)
        c.wait_ready("20s")
        self.assertEqual({p["metadata"]["name"] for p in c.agents()}, before, "and never restarted")

    def test_unknown_version(self):
        self.refused({"version": "v9.9.9"}, 'spec.version: Unsupported value: "v9.9.9"')

    def test_wrong_type_of_a_value(self):
        self.refused({"values": {"cni": {"chained": "perhaps"}}}, "spec.values.cni.chained in body must be of type boolean")

    def test_wrong_name(self):
        with self.assertRaises(KubectlError) as e:
            self.c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "other"}, "spec": {"version": "v1.28.5", "namespace": "istio-cni"}})
        self.assertIn("metadata.name must be 'default'", str(e.exception))

    def test_namespace_cannot_change(self):
        self.refused({"namespace": "elsewhere"}, "Value is immutable")

    def test_end_of_life_version(self):
        self.fails_and_recovers({"version": "v1.26.3"}, {"version": "v1.28.5"}, "ReconcileError", "end-of-life")

    def test_a_value_that_the_template_rejects(self):
        self.fails_and_recovers({"values": {"cni": {"provider": "magic"}}}, {"values": None}, "ReconcileError", "values.cni.provider")

    def test_a_profile_without_values(self):
        self.fails_and_recovers({"profile": "external"}, {"profile": None}, "ReconcileError", 'profile "external"')

    def test_an_update_that_fails_is_undone_when_that_is_wanted(self):
        c = self.c
        agents = {p["metadata"]["uid"] for p in c.agents()}
        version = c.get("istiocni", "default")["spec"]["version"]
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": "v1.28.7", "rollout": {"rollbackOnFailure": True, "progressDeadlineSeconds": 3, "canary": True, "maxSurge": 2}}}))
        c.wait_until(lambda: c.get("istiocni", "default")["status"]["state"] == "RolledBack", 20, "the update is undone")
        message = c.condition()["message"]
        for part in ("version v1.28.7 was undone", "node node-", version + " "):
            self.assertIn(part, message)
        c.wait_until(lambda: "runs again" in c.condition()["message"], 20, "the former version runs again")
        self.assertEqual({p["metadata"]["uid"] for p in c.agents() if pod_ready(p)}, agents, "the agents that served were not touched")
        self.assertIn("RolledBack", [e["reason"] for e in c.events()])
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": version, "rollout": None}}))
        c.wait_ready()
        self.assertEqual({p["metadata"]["uid"] for p in c.agents()}, agents)

    def test_version_skew_is_refused_before_a_node_is_touched(self):
        c = self.c
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": {"name": "old"}, "spec": {"version": "v1.28.4", "namespace": "istio-system", "values": {"revision": "old", "global": {"istioNamespace": "istio-system"}}}},
                {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "new"}, "spec": {"version": "v1.29-latest", "namespace": "istio-system"}})
        try:
            c.wait_until(lambda: len(c.get("istiocni", "default")["status"]["controlPlanes"]) == 2, 10, "both control planes are seen")
            c.wait_ready("10s")
            self.fails_and_recovers({"version": "v1.29.6"}, {"version": "v1.28.5"}, "VersionSkew", "CNI v1.29.6 is ahead of the control plane IstioRevision/old, which runs v1.28.4")
        finally:
            c.kubectl("delete", "istiorevision", "old")
            c.kubectl("delete", "istio", "new")

    def test_a_pod_with_a_wrong_annotation_is_told_so_and_not_started_bare(self):
        c = self.c
        pod = mesh_pod("wrong", namespace="default")
        pod["metadata"]["annotations"]["traffic.sidecar.istio.io/includeOutboundIPRanges"] = "nonsense"
        c.apply(pod)
        c.wait_until(lambda: any(e["reason"] == "FailedCreatePodSandBox" and "includeOutboundIPRanges" in e["message"] for e in c.events()), 15, "the Event names the annotation")
        self.assertFalse(c.get("pod", "wrong", "-n", "default")["status"].get("containerStatuses", [{}])[0].get("started"))
        c.kubectl("delete", "pod", "wrong", "-n", "default")


class MissingNamespace(unittest.TestCase):
    def test_it_is_named_and_installation_goes_on_when_it_exists(self):
        with Cluster() as c:
            c.install_operator()
            c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {"version": "v1.28.6", "namespace": "istio-cni"}})
            c.wait_until(lambda: "namespace \"istio-cni\" doesn't exist" in c.condition("Reconciled").get("message", ""), 10, "the namespace is named")
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
            c.wait_ready("20s")


class ShortLivedTokens(unittest.TestCase):
    def test_operator_and_agents_go_on_after_their_first_token_expired(self):
        with Cluster(args=("--token-seconds", "6")) as c:
            c.install_operator()
            c.install_cni("v1.28.5")
            c.wait_ready()
            time.sleep(8)
            patch(c, {"version": "v1.28.6"})
            c.wait_ready()
            time.sleep(8)
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, mesh_pod("late", node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "late", "-n", "mesh")), 20, "a mesh pod starts")
            self.assertTrue(has_redirection(c.ruleset(c.get("pod", "late", "-n", "mesh")["metadata"]["uid"])))


class Faults(unittest.TestCase):
    """In the middle of an update, with traffic and new pods."""
    ambient = False

    def setUp(self):
        self.c = c = Cluster(args=("--sandbox-retry-ms", "2000"))
        self.addCleanup(c.stop)
        c.install_operator()
        c.install_cni("v1.28.5", {"cni": {"ambient": {"enabled": self.ambient}}})
        c.wait_ready()
        if self.ambient:
            c.install_ztunnel()
        start_mesh(c, ambient=self.ambient)
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        self.before = client_counts(c)

    def finish(self, version="v1.28.6", timeout="60s"):
        c = self.c
        c.wait_ready(timeout)
        for pod in c.agents():
            self.assertEqual(pod["metadata"]["labels"]["app.kubernetes.io/version"], version[1:])
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 30, "every pod of the load is ready")
        time.sleep(1.2)
        after = client_counts(c)
        self.assertEqual((after["failed"] - self.before["failed"], after["broken"] - self.before["broken"], after["unmarked"] - self.before["unmarked"]), (0, 0, 0))
        for record in c.records():
            if record["namespace"] in ("load", "mesh"):
                self.assertTrue(record["rulesBeforeStart"], record["name"])
                self.assertTrue(has_redirection(c.ruleset(record["uid"])), record["name"])
        self.assertEqual([e["message"] for e in c.events("load") if e["reason"] == "FailedCreatePodSandBox"], [])

    def load(self, n=0):
        self.c.apply(*[mesh_pod(f"load-{i}-{n}", namespace="load", node=f"node-{i}", ambient=self.ambient) for i in (1, 2, 3)])

    def test_kill_9_of_every_agent_during_the_update(self):
        c = self.c
        creator = Background(self.load, 0.5)
        creator.start()
        patch(c, {"version": "v1.28.6"})
        for _ in range(4):
            for pod in c.agents():
                try:
                    c.kill("istio-cni", pod["metadata"]["name"], "install-cni")
                except OSError:
                    pass  # it has just ended by itself
            time.sleep(0.3)
        time.sleep(1)
        creator.stop()
        self.finish(timeout="90s")

    def test_kill_9_of_the_operator_during_the_update(self):
        c = self.c
        self.load()
        patch(c, {"version": "v1.28.6"})
        for i in (0, 1):
            c.kill("fairlead-system", f"fairlead-operator-{i}", "operator")
        self.load(1)
        self.finish()

    def test_the_api_server_away_for_ten_seconds_during_the_update(self):
        c = self.c
        self.load()
        patch(c, {"version": "v1.28.6"})
        time.sleep(0.3)
        c.api_down(10)
        time.sleep(11)
        c.wait_until(lambda: c.kubectl("get", "nodes"), 20, "the API server is back")
        self.load(1)
        self.finish(timeout="90s")

    def test_an_image_that_cannot_be_pulled_and_the_way_back(self):
        c = self.c
        before = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in c.agents()}
        patch(c, {"version": "v1.28.8"})
        c.wait_until(lambda: c.get("istiocni", "default")["status"]["rollout"]["failing"], 20, "the failing node is named")
        failing = c.get("istiocni", "default")["status"]["rollout"]["failing"][0]
        self.assertIn("install-cni:1.28.8", failing["message"])
        self.assertIn("node " + failing["node"], c.condition()["message"])
        self.assertEqual(c.condition()["status"], "False")
        self.assertTrue(any(e["reason"] == "NodeNotUpdated" for e in c.events()))
        self.load()
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 20, "new pods start on the old agents")
        self.assertEqual({p["spec"]["nodeName"]: p["metadata"]["name"] for p in c.agents() if pod_ready(p)}, before)
        self.assertEqual(c.get("istiocni", "default")["status"]["runningVersion"], "v1.28.5")
        patch(c, {"version": "v1.28.6"})
        self.finish()


class FaultsInAmbientMode(Faults):
    ambient = True
    test_kill_9_of_the_operator_during_the_update = None  # knows no modes
    test_an_image_that_cannot_be_pulled_and_the_way_back = None


if __name__ == "__main__":
    unittest.main()
