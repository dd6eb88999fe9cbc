"""Other people's programs against a real cluster and against the lab: Helm, client-go's informers, the Python client, every
kubectl of this machine; and sidecars with the real Envoy."""
import glob
import json
import os
import shutil
import subprocess
import sys
import unittest

import build
import fixture
import report
from client import ROOT
from cluster import Cluster
from scenario import Update, broken_promises, client_counts, start_mesh

CHART = ROOT / "charts/fairlead-operator"
PYTHON = """
import json, sys
from kubernetes import client, config, watch
config.load_kube_config()
core, custom = client.CoreV1Api(), client.CustomObjectsApi()
core.create_namespaced_config_map("default", {"metadata": {"name": "by-python"}, "data": {"a": "1"}})
core.patch_namespaced_config_map("by-python", "default", {"data": {"b": "2"}})
data = core.read_namespaced_config_map("by-python", "default").data
core.delete_namespaced_config_map("by-python", "default")
cni = custom.get_cluster_custom_object("sailoperator.io", "v1", "istiocnis", "default")
# From what the server's watch cache holds: this etcd cannot tell that cache how far it is, so a newer version may never come.
events = [e["type"] for e in watch.Watch().stream(core.list_namespaced_pod, "istio-cni", resource_version="0", timeout_seconds=2)]
print(json.dumps({"data": data, "version": cni["spec"]["version"], "nodes": len(core.list_node().items), "agents": events.count("ADDED")}))
"""


def missing_to_skip(function):
    try:
        return function()
    except build.Missing as e:
        if os.environ.get("FAIRLEAD_REQUIRE_K8S"):
            raise
        raise unittest.SkipTest(str(e)) from e


class OnBoth:
    """What is the same on the lab and on the real cluster."""

    def test_python_client(self):
        package = missing_to_skip(lambda: build.python_package("kubernetes", build.PYTHON_CLIENT))
        done = subprocess.run([sys.executable, "-c", PYTHON], env=dict(self.c.env, PYTHONPATH=str(package)), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr[-1500:])
        self.assertEqual(json.loads(done.stdout), {"data": {"a": "1", "b": "2"}, "version": fixture.spec_version(self.c), "nodes": 3, "agents": 3})

    def test_client_go_informers_see_an_update(self):
        program = missing_to_skip(build.informers)
        to = fixture.other_version(self.c)
        run = subprocess.Popen([str(program), to], env=self.c.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.stdout.readline(), "synced\n")
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": to}}))
        out, err = run.communicate(timeout=130)
        self.assertEqual(run.returncode, 0, err)
        saw = json.loads(out)
        self.assertEqual(saw["running"], {to[1:]: True})
        self.assertGreaterEqual(saw["counts"]["pods added"], 6)
        self.c.wait_ready()

    def test_every_kubectl(self):
        binaries = sorted(glob.glob(os.path.dirname(os.path.realpath(shutil.which("kubectl") or "/x")) + "/kubectl.1.*"))
        if not binaries:
            self.skipTest("only one kubectl on this machine")
        for binary in binaries:
            with self.subTest(os.path.basename(binary)):
                for words, text in ((["get", "istiocni", "default"], "Healthy"), (["wait", "--for=condition=Ready", "istiocnis/default", "--timeout=20s"], "condition met"),
                                    (["get", "pods", "-n", "istio-cni"], "istio-cni-node"), (["rollout", "status", "-n", "istio-cni", "ds/istio-cni-node", "--timeout=20s"], "successfully rolled out")):
                    done = subprocess.run([binary, *words], env=self.c.env, capture_output=True, text=True)
                    self.assertIn(text, done.stdout, done.stderr)


class OnTheRealCluster(OnBoth, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = fixture.cluster()
        fixture.install(cls.c)

    def helm(self, *args):
        done = subprocess.run([str(missing_to_skip(build.helm)), *args], env=self.c.env, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_helm_renders_the_operator_chart_as_we_do(self):
        out = self.helm("template", "fairlead", str(CHART), "-n", "fairlead-system", "--set", "createNamespace=true", "--kube-version", "v1.34.0")
        ours = subprocess.run([str(ROOT / "build/release/fairlead"), "render", str(CHART), "--name", "fairlead", "-n", "fairlead-system", "--set", "createNamespace=true"], capture_output=True, text=True)
        as_json = lambda text: sorted(json.dumps(o, sort_keys=True) for o in map(json.loads, subprocess.run(
            [self.c.cli, "create", "--dry-run=client", "-o", "json", "-f", "-"], input=text, env=self.c.env, capture_output=True, text=True).stdout.replace("}\n{", "}\0{").split("\0")))
        self.assertEqual(as_json(out), as_json(ours.stdout))

    def test_helm_installs_and_uninstalls_the_operator(self):
        c = self.c
        c.kubectl("delete", "-f", str(ROOT / "config/manifests/fairlead.yaml"), "-l", "app.kubernetes.io/name=fairlead-operator", "--wait=true")
        before = {p["metadata"]["name"] for p in c.agents()}
        try:
            self.helm("lint", str(CHART))
            self.helm("install", "fairlead", str(CHART), "-n", "fairlead-system", "--create-namespace", "--wait", "--timeout", "90s")
            c.wait_ready()
            self.helm("upgrade", "fairlead", str(CHART), "-n", "fairlead-system", "--set", "logLevel=debug", "--wait", "--timeout", "90s")
            c.wait_ready()
            self.assertEqual({p["metadata"]["name"] for p in c.agents()}, before, "the operator's installation and upgrade do not touch the data plane")
            self.helm("uninstall", "fairlead", "-n", "fairlead-system", "--wait")
            left = c.kubectl("get", "deploy,sa,role,rolebinding,svc,pdb", "-n", "fairlead-system", "-l", "app.kubernetes.io/name=fairlead-operator", "-o", "name")
            left += c.kubectl("get", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/name=fairlead-operator", "-o", "name")
            self.assertEqual(left, "")
            self.assertEqual({p["metadata"]["name"] for p in c.agents()}, before, "what is in use stays")
        finally:
            c.kubectl("delete", "namespace", "fairlead-system", "--ignore-not-found")
            fixture.install(c)

    def test_an_installation_is_handed_to_helm_and_back(self):
        """Helm is what the sail-operator installs with: the release's objects become Helm's and ours again, in place."""
        c = self.c
        state = lambda: (c.get("ds", "istio-cni-node", "-n", "istio-cni")["metadata"]["uid"], {p["metadata"]["uid"] for p in c.agents()})
        scale = lambda n: c.kubectl("scale", "deployment", "fairlead-operator", "-n", "fairlead-system", f"--replicas={n}")
        c.wait_until(lambda: len(c.agents()) == 3, 30, "the agents of former tests are gone")
        before, ds = state(), c.get("ds", "istio-cni-node", "-n", "istio-cni")
        image = ds["spec"]["template"]["spec"]["containers"][0]["image"]
        hub, tag = image.rsplit("/", 1)[0], image.rsplit(":", 1)[1]
        scale(0)
        try:
            c.wait_until(lambda: not c.get("pods", "-n", "fairlead-system")["items"], 60, "the operator is stopped")
            self.helm("install", "istio-cni", str(ROOT / "charts/istio-cni"), "-n", "istio-cni", "--set", f"cni.image={image},global.hub={hub},global.tag={tag}", "--wait", "--timeout", "90s")
            self.assertEqual(state(), before, "Helm found it as it would have made it")
            self.helm("upgrade", "istio-cni", str(ROOT / "charts/istio-cni"), "-n", "istio-cni", "--reuse-values", "--set", "cni.daemonSetLabels.by=helm", "--wait", "--timeout", "90s")
            self.assertEqual(c.get("ds", "istio-cni-node", "-n", "istio-cni")["metadata"]["labels"]["by"], "helm", "and changes it as its own")
        finally:
            scale(2)
        c.kubectl("rollout", "status", "-n", "fairlead-system", "deployment/fairlead-operator", "--timeout=60s")
        c.wait_until(lambda: c.kubectl("logs", "-n", "fairlead-system", "-l", "app.kubernetes.io/name=fairlead-operator", "--tail=-1").count("became leader"), 40, "a replica leads")
        c.wait_ready()
        self.assertEqual(state(), before, "it is the same installation all the time")
        self.assertIn("istio-cni", self.helm("list", "-n", "istio-cni"), "Helm's release stays, for another way back")
        c.kubectl("delete", "secret", "-n", "istio-cni", "-l", "owner=helm")

    def test_sidecars_with_envoy(self):
        c = self.c
        archive, image = missing_to_skip(build.envoy)
        c.control(do="import", archive=str(archive))
        start_mesh(c, proxy_image=image)
        try:
            figures = Update(c, fixture.other_version(c), pods_per_node=5, period=2, say=print, proxy_image=image).run()
            report.add("an update under load with Envoy as the sidecars' proxy", [figures])
            self.assertEqual([b for b in broken_promises(figures) if "returned after" not in b], [])
            self.assertGreater(client_counts(c)["requests"], 100)
        finally:
            c.kubectl("delete", "namespace", "mesh", "load", "--ignore-not-found")


class OnTheLab(OnBoth, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = Cluster()
        cls.c.install_operator()
        cls.c.install_cni("v1.28.5")
        cls.c.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.c.stop()


if __name__ == "__main__":
    unittest.main()
