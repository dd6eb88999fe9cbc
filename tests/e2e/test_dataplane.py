"""What the agents do on the nodes, seen from the pods' own namespaces."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest

from client import mesh_pod, pod_ready
from cluster import Cluster
from scenario import Update, broken_promises, client_counts, has_redirection, start_mesh

AMBIENT = {"cni": {"ambient": {"enabled": True}}}


class Monitor:
    """nft monitor in a pod's namespace: what it prints is a write of somebody."""

    def __init__(self, netns):
        self.process = subprocess.Popen(["nsenter", "--net=" + netns, "nft", "monitor"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self):
        self.process.terminate()
        return self.process.communicate()[0]


def node_root(c, node):
    """The file system of a node of the lab."""
    return pathlib.Path(next(r["root"] for r in c.records() if r["node"] == node and r["netns"]))


def agent_report(c, node):
    """What `install-cni node --json` shows there."""
    connection = http.client.HTTPConnection("agent")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(node_root(c, node) / "var/run/istio-cni/pluginevent.sock"))
    connection.request("GET", "/node")
    report = json.loads(connection.getresponse().read())
    connection.close()
    return report


def agent_processes(c):
    """The agents of this lab: program install-cni, below the lab's process."""
    parents, names = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)
            parents[int(entry)], names[int(entry)] = int(fields[1].split()[1]), fields[0].split("(", 1)[1]
        except OSError:
            pass
    below = lambda pid: pid == c.lab.pid or (pid in parents and pid > 1 and below(parents[pid]))
    return [pid for pid, name in names.items() if name == "install-cni" and below(pid)]


UPDATES = int(os.environ.get("FAIRLEAD_UPDATES", 50))


class ManyUpdates(unittest.TestCase):
    """Fifty updates in a row (FAIRLEAD_UPDATES) under load, and at least thirty mesh pods on each node at the end."""

    def run_many(self, values, ambient):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.5", values)
            c.wait_ready()
            if ambient:
                c.install_ztunnel()
            start_mesh(c, ambient=ambient)
            monitors = {r["name"]: Monitor(r["netns"]) for r in c.records() if r["namespace"] == "mesh"}
            figures = Update(c, "v1.28.6", pods_per_node=30, period=2.0, there_and_back="v1.28.5", updates=UPDATES, ambient=ambient).run()
            self.assertEqual(broken_promises(figures), [], json.dumps(figures, indent=1))
            self.assertGreaterEqual(figures["updates"], UPDATES)
            self.assertEqual({name: m.stop() for name, m in monitors.items() if m.process.poll() is None}, dict.fromkeys(monitors, ""), "no write in a pod that did not change")
            for node in c.nodes:
                pods = {p["metadata"]["uid"] for p in c.get("pods", "-A")["items"] if p["spec"].get("nodeName") == node and p["metadata"]["namespace"] in ("mesh", "load")}
                report = agent_report(c, node)
                self.assertEqual({p["uid"] for p in report["pods"]}, pods)
                self.assertEqual(report["driftRepaired"], 0)
                self.assertEqual(len(list((node_root(c, node) / "var/run/istio-cni/journal").glob("*.json"))), len(pods))
            agents = agent_processes(c)
            self.assertEqual(len(agents), 3)
            for pid in agents:
                self.assertLess(len(os.listdir(f"/proc/{pid}/fd")), 100, "descriptors: some for itself, one for each pod")

    def test_in_sidecar_mode(self):
        self.run_many(None, False)

    def test_in_ambient_mode(self):
        self.run_many(AMBIENT, True)


class Ambient(unittest.TestCase):
    def setUp(self):
        self.c = c = Cluster(args=("--sandbox-retry-ms", "2000"))
        self.addCleanup(c.stop)
        c.install_operator()
        c.install_cni("v1.28.5", AMBIENT)
        c.wait_ready()
        c.install_ztunnel()

    def rules(self, name):
        return has_redirection(self.c.ruleset(self.c.get("pod", name, "-n", "mesh")["metadata"]["uid"]))

    def redirection(self, name):
        return self.c.get("pod", name, "-n", "mesh")["metadata"].get("annotations", {}).get("ambient.istio.io/redirection")

    def test_a_label_of_the_namespace_brings_running_pods_in_and_out(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}},
                *[mesh_pod(f"plain-{i}", node=f"node-{i}", mesh=False) for i in (1, 2, 3)], mesh_pod("opted-out", node="node-1", mesh=False))
        c.kubectl("label", "pod", "opted-out", "-n", "mesh", "istio.io/dataplane-mode=none")
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "the pods run")
        names = [f"plain-{i}" for i in (1, 2, 3)]
        self.assertFalse(any(self.rules(n) for n in names))
        c.kubectl("label", "namespace", "mesh", "istio.io/dataplane-mode=ambient")
        c.wait_until(lambda: all(self.rules(n) and self.redirection(n) == "enabled" for n in names), 20, "the pods are in the mesh")
        self.assertFalse(self.rules("opted-out"))
        self.assertIsNone(self.redirection("opted-out"))
        time.sleep(3)
        self.assertTrue(all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), "their probes pass, though ztunnel takes no plain text")
        c.kubectl("label", "namespace", "mesh", "istio.io/dataplane-mode-")
        c.wait_until(lambda: not any(self.rules(n) or self.redirection(n) for n in names), 20, "the pods are out of the mesh")
        self.assertTrue(all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]))

    def test_an_agent_that_finds_its_memory_gone_finds_the_pods(self):
        """As when a first agent of Fairlead comes to a node that another program served, or somebody emptied the directory."""
        c = self.c
        start_mesh(c, ambient=True)
        before = client_counts(c)
        monitors = [Monitor(r["netns"]) for r in c.records() if r["namespace"] == "mesh" and r["node"] == "node-1"]
        agent = next(p["metadata"]["name"] for p in c.agents() if p["spec"]["nodeName"] == "node-1")
        shutil.rmtree(node_root(c, "node-1") / "var/run/istio-cni/journal")
        c.kill("istio-cni", agent, "install-cni")
        mesh = {p["metadata"]["uid"] for p in c.get("pods", "-n", "mesh")["items"] if p["spec"]["nodeName"] == "node-1"}

        def found():
            report = agent_report(c, "node-1")
            return {p["uid"] for p in report["pods"]} == mesh and report["ztunnels"] == 1

        c.wait_until(found, 30, "the agent knows its pods, and ztunnel is connected")
        time.sleep(1.2)
        after = client_counts(c)
        self.assertEqual([after[k] - before[k] for k in ("failed", "unmarked", "broken")], [0, 0, 0])
        self.assertEqual([m.stop() for m in monitors], [""] * len(monitors), "nothing was written in a pod")

    def test_ztunnel_restarts_while_no_agent_runs(self):
        c = self.c
        start_mesh(c, ambient=True)
        ztunnels = c.get("pods", "-n", "istio-system")["items"]
        for pod in c.agents():
            c.kill("istio-cni", pod["metadata"]["name"], "install-cni")
        for pod in ztunnels:
            c.kill("istio-system", pod["metadata"]["name"], "istio-proxy")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}},
                *[mesh_pod(f"meanwhile-{i}", namespace="load", node=f"node-{i}", ambient=True) for i in (1, 2, 3)])
        c.wait_until(lambda: all(pod_ready(p) for ns in ("istio-cni", "istio-system", "load") for p in c.get("pods", "-n", ns)["items"]), 60, "all is back, and the pods that came meanwhile run")
        start = client_counts(c)
        c.wait_until(lambda: client_counts(c)["requests"] > start["requests"] + 200, 30, "the mesh talks again")
        later = client_counts(c)
        time.sleep(3)
        last = client_counts(c)
        self.assertEqual([last[k] - later[k] for k in ("failed", "unmarked", "broken")], [0, 0, 0])
        self.assertEqual(last["unmarked"], 0, "nothing ever went around ztunnel")


class Sidecar(unittest.TestCase):
    def test_with_iptables(self):
        """Rules by iptables, as istio-cni writes them where nativeNftables is false."""
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.5", {"global": {"nativeNftables": False}})
            c.wait_ready()
            start_mesh(c)
            report = agent_report(c, "node-1")
            self.assertTrue(report["backend"].startswith("iptables-"), report["backend"])
            netns = next(r["netns"] for r in c.records() if r["name"] == "server-1")
            program = report["backend"] + "-save"
            save = lambda: [line for line in subprocess.run(["nsenter", "--net=" + netns, program], text=True, capture_output=True).stdout.splitlines() if line.startswith("-A")]
            before = save()
            self.assertIn("-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001", before)
            counts = client_counts(c)
            # An update to nftables: new pods get the new program's rules, those that run keep theirs.
            c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6","values":{"global":{"nativeNftables":true}}}}')
            c.wait_ready()
            c.apply(mesh_pod("later", node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "later", "-n", "mesh")), 20, "a pod of the new backend runs")
            self.assertEqual({(p["pod"], p["backend"]) for p in agent_report(c, "node-1")["pods"] if p["pod"] in ("mesh/server-1", "mesh/later")},
                             {("mesh/server-1", report["backend"]), ("mesh/later", "nft")})
            self.assertEqual(save(), before)
            time.sleep(1.2)
            after = client_counts(c)
            self.assertEqual([after[k] - counts[k] for k in ("failed", "unmarked", "broken")], [0, 0, 0])

    def test_a_pod_that_started_without_its_rules_is_repaired_in_place(self):
        """Its plugin was not there when it started, and its sidecar waits in istio-validation or runs bare."""
        with Cluster() as c:
            c.install_operator()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, mesh_pod("bare", node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "bare", "-n", "mesh")), 20, "a mesh pod runs without any CNI of ours")
            uid = c.get("pod", "bare", "-n", "mesh")["metadata"]["uid"]
            self.assertFalse(has_redirection(c.ruleset(uid)))
            c.install_cni("v1.28.5")
            c.wait_ready()
            c.wait_until(lambda: has_redirection(c.ruleset(uid)), 20, "it has its rules")
            start_mesh(c)
            self.assertEqual(client_counts(c)["unmarked"], 0)

    def test_a_pod_that_waits_in_istio_validation_is_repaired_in_place(self):
        with Cluster() as c:
            c.install_operator()
            pod = mesh_pod("waiting", node="node-1")
            pod["spec"]["initContainers"] = [{"name": "istio-validation", "image": c.sample_image, "command": ["mesh-sample", "validate"], "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}}]
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, pod)
            ended = lambda: [s["lastState"].get("terminated", {}).get("exitCode") for s in c.get("pod", "waiting", "-n", "mesh")["status"].get("initContainerStatuses", []) if "lastState" in s]
            c.wait_until(lambda: ended() == [126], 30, "its validation has failed")
            c.install_cni("v1.28.5")
            c.wait_ready()
            c.wait_until(lambda: pod_ready(c.get("pod", "waiting", "-n", "mesh")), 60, "its validation passes, and its containers start")
            record = next(r for r in c.records() if r["name"] == "waiting")
            self.assertTrue(record["rulesBeforeStart"], "before any container of its own started")
            self.assertIn('istio_cni_repair_pods_repaired_total{result="success",type="repair"} 1', self.metrics(c, "node-1"))

    def metrics(self, c, node):
        agent = next(p for p in c.agents() if p["spec"]["nodeName"] == node)
        netns = next(r["netns"] for r in c.records() if r["uid"] == agent["metadata"]["uid"])
        return subprocess.run(["nsenter", "--net=" + netns, sys.executable, "-c", "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:15014/metrics').read().decode())"], text=True, capture_output=True).stdout


if __name__ == "__main__":
    unittest.main()
