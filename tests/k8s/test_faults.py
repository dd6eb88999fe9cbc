"""Things that go wrong on a real cluster in the middle of an update, with traffic and new pods: the update converges by itself,
no request is lost, no pod starts without its rules."""
import json
import os
import signal
import time
import unittest

import fixture
import report
from client import Background, pod_ready
from scenario import client_counts, has_redirection, old_agents, seconds_of


class Faults(fixture.MeshTest):
    def setUp(self):
        c = self.c
        c.wait_ready("120s")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        self.before, self.began = client_counts(c), time.time()
        self.run_id = self._testMethodName.removeprefix("test_")[:20].replace("_", "-").strip("-")
        self.to = self.other_version()
        self.creator = Background(self.load, 1.2)

    def tearDown(self):
        self.creator.stop()
        self.c.wait_until(lambda: self.clear_load() is None, 60, "the load is gone")

    def load(self, n):
        if n >= 15:
            return  # enough; more would only measure how fast this machine starts pods
        try:
            self.c.create_pods(*[self.c.mesh_pod(f"{self.run_id}-{node[-1]}-{n}", namespace="load", node=node, probe=False) for node in self.c.nodes])
        except OSError:
            pass  # the API server is away on purpose

    def start_update(self):
        self.creator.start()
        time.sleep(2)
        self.patch({"version": self.to})

    def finish(self, timeout="180s", version=None):
        """Everything that must hold afterwards; what the fault cost is in the report."""
        c, version = self.c, version or self.to
        c.wait_until(lambda: c.kubectl("get", "nodes"), 60, "the API server answers")
        waited = time.time()
        c.wait_ready(timeout)
        done = time.time()
        self.assertEqual(old_agents(c, version), [])
        self.assertEqual(set(c.serving_now().values()), {version[1:]}, "every node serves the new version")
        time.sleep(1)
        self.creator.stop()
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 120, "every pod of the load is ready")
        time.sleep(1.2)
        after = client_counts(c)
        live = {p["metadata"]["uid"] for p in c.get("pods", "-n", "load")["items"]}
        records = [r for r in c.records() if r["namespace"] == "load" and r["uid"] in live]
        bare = [r["name"] for r in records if r["rulesBeforeStart"] is False or not has_redirection(c.ruleset(r["uid"]))]
        failures = [e["message"] for e in c.events("load") if e["reason"] == "FailedCreatePodSandBox" and seconds_of(e) > self.began and "istio-cni" in e["message"]]
        figures = {"pods created": len(records), "pods without redirection rules": len(bare), "sandbox failures of the plugin": len(failures),
                   "requests": after["requests"] - self.before["requests"], "requests failed": after["failed"] - self.before["failed"],
                   "requests outside the mesh": after["unmarked"] - self.before["unmarked"], "long connections broken": after["broken"] - self.before["broken"],
                   "Ready after (s)": round(done - waited, 1), "slowest pod start (s)": round(max([(r["readyMs"] - r["seenMs"]) / 1000 for r in records if r["readyMs"]], default=0), 1)}
        report.add("fault: " + self.shortDescription(), [figures])
        self.assertEqual(bare, [])
        self.assertEqual(failures, [])
        self.assertEqual([figures[k] for k in ("requests failed", "requests outside the mesh", "long connections broken")], [0, 0, 0], figures)

    def test_kill_agents(self):
        """kill -9 of every agent, three times over, during an update"""
        self.start_update()
        for _ in range(3):
            for pod in self.c.agents():
                self.c.kill(pod["metadata"]["uid"], "install-cni")
            time.sleep(1.5)
        self.finish()

    def restart_on_every_node(self, program):
        self.start_update()
        for node in self.c.nodes:
            self.c.restart(f"{program}-{node[-1]}")
            time.sleep(0.5)
        self.finish()

    def test_kubelet_restart(self):
        """every kubelet restarted during an update"""
        self.restart_on_every_node("kubelet")

    def test_containerd_restart(self):
        """every containerd restarted during an update"""
        self.restart_on_every_node("containerd")

    def test_api_server_down(self):
        """the API server away for 20 s during an update"""
        self.start_update()
        time.sleep(1)
        self.c.control(do="signal", process="kube-apiserver", signal=9)
        time.sleep(20)
        self.c.control(do="start", process="kube-apiserver")
        self.finish()

    def test_etcd_restart(self):
        """etcd restarted during an update"""
        self.start_update()
        time.sleep(0.5)
        self.c.restart("etcd", signal.SIGKILL)
        self.finish()

    def test_operator_deleted(self):
        """the operator's pods deleted in the middle of an update"""
        self.start_update()
        self.c.kubectl("delete", "pods", "--all", "-n", "fairlead-system", "--wait=false", "--grace-period=0", "--force")
        self.finish()

    def test_bad_image(self):
        """a version whose image cannot be had, and the way back"""
        c = self.c
        from_version = fixture.spec_version(c)
        before = {p["metadata"]["name"] for p in c.agents()}
        self.creator.start()
        self.patch({"version": "v1.28.9"})
        c.wait_until(lambda: c.get("istiocni", "default")["status"]["rollout"]["failing"], 60, "the failing node is named")
        failing = c.get("istiocni", "default")["status"]["rollout"]["failing"]
        self.assertEqual(len(failing), 1, "the rollout stops at the first node")
        self.assertIn("1.28.9", failing[0]["message"])
        self.assertEqual(c.condition()["status"], "False")
        self.assertEqual({p["metadata"]["name"] for p in c.agents() if pod_ready(p)}, before, "the old agents serve")
        self.assertEqual(c.get("istiocni", "default")["status"]["runningVersion"], from_version)
        time.sleep(3)
        self.patch({"version": from_version})
        self.finish(version=from_version)
        self.assertEqual({p["metadata"]["name"] for p in c.agents()} & before, before, "no agent was replaced")

    def test_token_rotation(self):
        """every token made void: the service account key replaced, the old one no longer accepted"""
        c = self.c
        self.addCleanup(self.restore_keys)
        tokens = self.agent_tokens()
        c.control(do="service-account-keys", sign="sa2.key", verify=["sa.pub", "sa2.pub"])
        c.restart("kube-apiserver", signal.SIGKILL)
        c.wait_until(lambda: c.kubectl("get", "nodes"), 60, "the API server answers")
        for node in c.nodes:
            c.restart("kubelet-" + node[-1])  # forgets the tokens that it holds, and so renews each
        c.wait_until(lambda: not set(self.agent_tokens().values()) & set(tokens.values()), 180, "every agent's token is renewed")
        c.control(do="service-account-keys", sign="sa2.key", verify=["sa2.pub"])
        c.restart("kube-apiserver", signal.SIGKILL)
        c.wait_until(lambda: c.kubectl("get", "nodes"), 60, "the API server answers")
        self.start_update()
        self.finish()

    def agent_tokens(self):
        found = {}
        for node, root in self.c.node_roots().items():
            for pod in self.c.agents():
                if pod["spec"].get("nodeName") == node:
                    volumes = f"{self.c.state}/nodes/{node}/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~projected"
                    for name in os.listdir(root + volumes):
                        found[pod["metadata"]["name"]] = open(f"{root}{volumes}/{name}/token").read()
        return found

    def restore_keys(self):
        self.c.control(do="service-account-keys", sign="sa2.key", verify=["sa2.pub", "sa.pub"])
        self.c.restart("kube-apiserver", signal.SIGKILL)
        self.c.wait_until(lambda: self.c.kubectl("get", "nodes"), 60, "the API server answers")

    def test_nodes_come_and_go(self):
        """a node added and a node removed during an update"""
        c = self.c
        self.start_update()
        c.control(do="add-node", node=4)
        c.wait_until(lambda: any(pod_ready(p) for p in c.agents() if p["spec"].get("nodeName") == "node-4"), 90, "the new node has an agent")
        self.finish()
        self.to = self.other_version()
        self.creator = Background(self.load, 1.2)
        self.run_id += "-back"
        self.start_update()
        c.control(do="remove-node", node=4)
        c.kubectl("delete", "node", "node-4")
        self.finish()
        c.wait_until(lambda: not any(p["spec"].get("nodeName") == "node-4" for p in c.agents()), 120, "its agent's pod is gone")

    def test_conflist_rewritten(self):
        """another CNI rewrites its configuration during an update"""
        c = self.c
        path = "/etc/cni/net.d/10-bridge.conflist"
        self.creator.start()
        time.sleep(2)
        self.creator.stop()  # no pod starts in the moment between that rewrite and the repair: nothing on the node could help it
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 60, "every pod of the load is ready")
        self.patch({"version": self.to})
        for node in c.nodes:
            conflist = json.loads(c.on_node(node, "cat", path))
            conflist["plugins"] = [p for p in conflist["plugins"] if p["type"] != "istio-cni"]
            c.on_node(node, "sh", "-c", f"cat > {path}.new && mv {path}.new {path}", input=json.dumps(conflist))
        c.wait_until(lambda: all("istio-cni" in c.on_node(node, "cat", path) for node in c.nodes), 10, "the plugin is in every configuration again")
        self.creator = Background(self.load, 1.2)
        self.run_id += "-after"
        self.creator.start()
        self.finish()


if __name__ == "__main__":
    unittest.main()
