"""The machine's own kubectl against the lab: the commands that people type."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from client import mesh_pod, pod_ready
from cluster import Cluster


def debians_kubectl(directory):
    """The path of the one in Debian's package, which is old; None where the package cannot be had."""
    try:
        subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-qq", "kubernetes-client"], cwd=directory, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    for package in glob.glob(directory + "/*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, directory], check=True)
    return next(iter(glob.glob(directory + "/usr/bin/kubectl")), None)


@unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed on this machine")
class Kubectl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = c = Cluster()
        c.cli = "kubectl"
        c.install_operator()
        c.install_cni("v1.28.6")
        c.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.c.stop()

    def test_get_shows_the_documented_columns(self):
        lines = self.c.kubectl("get", "istiocni", "default").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "NAMESPACE", "PROFILE", "READY", "STATUS", "VERSION", "AGE"])
        self.assertEqual(lines[1].split()[:5], ["default", "istio-cni", "True", "Healthy", "v1.28.6"])

    def test_api_resources_and_explain(self):
        out = self.c.kubectl("api-resources")
        for word in ("istiocnis", "daemonsets", "ds", "istiorev", "leases"):
            self.assertIn(word, out)
        self.assertIn("version", self.c.kubectl("explain", "istiocni.spec"))
        self.assertIn("updateStrategy", self.c.kubectl("explain", "ds.spec"))

    def test_describe(self):
        out = self.c.kubectl("describe", "istiocni", "default")
        self.assertIn("Running Version:", out)
        self.assertIn("Events:", out)
        self.assertIn("istio-cni-node", self.c.kubectl("describe", "ds", "-n", "istio-cni"))
        self.assertIn("Ready", self.c.kubectl("describe", "node", "node-1"))

    def test_logs_and_rollout(self):
        self.assertIn("plugin installed", self.c.kubectl("logs", "-n", "istio-cni", "ds/istio-cni-node"))
        self.assertIn("successfully rolled out", self.c.kubectl("rollout", "status", "-n", "istio-cni", "ds/istio-cni-node", "--timeout=20s"))
        self.c.kubectl("rollout", "history", "-n", "istio-cni", "ds/istio-cni-node")

    def test_rollout_restart_replaces_every_agent(self):
        before = {p["metadata"]["name"] for p in self.c.agents()}
        self.c.kubectl("rollout", "restart", "-n", "istio-cni", "ds/istio-cni-node")
        self.c.kubectl("rollout", "status", "-n", "istio-cni", "ds/istio-cni-node", "--timeout=30s")
        self.c.wait_until(lambda: len(self.c.agents()) == 3 and not before & {p["metadata"]["name"] for p in self.c.agents()}, 20, "all agents are new")
        self.c.wait_ready()

    def test_exec_probes_init_containers_and_restarts(self):
        c = self.c
        shell = lambda script: ["sh", "-c", script]
        c.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shapes", "namespace": "default"},
                 "spec": {"terminationGracePeriodSeconds": 0, "volumes": [{"name": "v", "emptyDir": {}}],
                          "initContainers": [{"name": "first", "image": "mesh-sample:dev", "command": shell("echo made > /v/file"), "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
                          "containers": [{"name": "good", "image": "mesh-sample:dev", "command": shell("cat /v/file; sleep 1000"), "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                                          "readinessProbe": {"exec": {"command": ["test", "-f", "/v/file"]}}},
                                         {"name": "bad", "image": "mesh-sample:dev", "command": shell("exit 7")}]}})
        c.wait_until(lambda: "CrashLoopBackOff" in c.kubectl("get", "pod", "shapes"), 15, "the bad container backs off")
        statuses = {s["name"]: s for s in c.get("pod", "shapes")["status"]["containerStatuses"]}
        c.wait_until(lambda: {s["name"]: s for s in c.get("pod", "shapes")["status"]["containerStatuses"]}["good"]["ready"], 10, "the exec probe passes")
        self.assertEqual(statuses["bad"]["lastState"]["terminated"]["exitCode"], 7)
        self.assertEqual(c.kubectl("logs", "shapes", "-c", "good"), "made\n")
        c.kubectl("delete", "pod", "shapes")

    def test_events_and_wide_output(self):
        self.assertIn("LAST SEEN", self.c.kubectl("get", "events", "-A"))
        self.assertIn("NODE", self.c.kubectl("get", "pods", "-A", "-o", "wide").splitlines()[0])
        self.assertEqual(self.c.kubectl("get", "pods", "-n", "istio-cni", "-o", "jsonpath={.items[0].spec.containers[0].name}"), "install-cni")
        self.assertEqual(self.c.kubectl("get", "pods", "-n", "istio-cni", "-l", "k8s-app=istio-cni-node", "-o", "name").count("pod/"), 3)

    def test_apply_patch_and_delete(self):
        c = self.c
        cm = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}, "data": {"a": "1"}}
        self.assertIn("created", c.apply(cm))
        self.assertIn("unchanged", c.apply(cm))
        cm["data"] = {"b": "2"}
        self.assertIn("configured", c.apply(cm))
        self.assertEqual(c.get("cm", "x")["data"], {"b": "2"})
        self.assertIn("serverside-applied", c.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(cm)))
        self.assertIn("labeled", c.kubectl("label", "cm", "x", "k=v"))
        self.assertIn("annotated", c.kubectl("annotate", "cm", "x", "k=v"))
        self.assertIn("patched", c.kubectl("patch", "cm", "x", "--type=json", "-p", '[{"op":"replace","path":"/data/b","value":"3"}]'))
        self.assertIn("no change", c.kubectl("patch", "cm", "x", "--type=merge", "-p", '{"data":{"b":"3"}}'))
        self.assertIn("deleted", c.kubectl("delete", "cm", "x"))
        bad = c.run("apply", "-f", "-", input=json.dumps(dict(cm, surprise=1)))
        self.assertIn('unknown field "surprise"', bad.stderr)
        self.assertIn("not found", c.run("get", "cm", "x").stderr)

    def test_watch_sees_changes(self):
        c = self.c
        watch = subprocess.Popen(["kubectl", "get", "cm", "-w", "-n", "default"], env=c.env, stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen", "namespace": "default"}})
            end = time.monotonic() + 10
            lines = []
            while time.monotonic() < end and not any(l.startswith("seen") for l in lines):
                lines.append(watch.stdout.readline())
            self.assertTrue(any(l.startswith("seen") for l in lines), lines)
        finally:
            watch.terminate()
            watch.wait()
            watch.stdout.close()

    def test_a_namespace_goes_with_everything_in_it(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}}, mesh_pod("p", namespace="going", mesh=False))
        c.wait_until(lambda: pod_ready(c.get("pod", "p", "-n", "going")), 20, "the pod runs")
        c.kubectl("delete", "ns", "going", timeout=40)
        self.assertIn("not found", c.run("get", "ns", "going").stderr)

    def test_every_kubectl_that_is_there(self):
        path = os.path.realpath(shutil.which("kubectl"))
        for kubectl in [path, *sorted(glob.glob(os.path.dirname(path) + "/kubectl.1.*"))]:
            with self.subTest(kubectl):
                self.works_with(kubectl)

    def test_the_one_in_debian(self):
        with tempfile.TemporaryDirectory() as tmp:
            kubectl = debians_kubectl(tmp)
            if not kubectl:
                self.skipTest("Debian's package kubernetes-client cannot be fetched")
            self.works_with(kubectl)

    def works_with(self, kubectl):
        def run(*words, **more):
            done = subprocess.run([kubectl, *words], env=self.c.env, capture_output=True, text=True, timeout=60, **more)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            return done.stdout
        self.assertIn("Healthy", run("get", "istiocni", "default"))
        self.assertIn("condition met", run("wait", "--for=condition=Ready", "istiocnis/default", "--timeout=10s"))
        for data in ("a", "b"):
            config = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any", "namespace": "default", "labels": {"of": data}}, "data": {"is": data}})
            self.assertIn("dry run", run("apply", "--dry-run=server", "-f", "-", input=config))
            self.assertIn("configmap/any ", run("apply", "-f", "-", input=config))
            self.assertEqual(run("get", "cm", "any", "-n", "default", "-o", "jsonpath={.data.is}"), data)
        self.assertIn("The Istio version", run("explain", "istiocni.spec.version"))
        wrong = subprocess.run([kubectl, "apply", "-f", "-"], input='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"wrong"},"datta":{}}', env=self.c.env, capture_output=True, text=True)
        self.assertRegex(wrong.stderr, 'unknown field "(ConfigMap.)?datta"')
        self.assertNotEqual(wrong.returncode, 0)


class OwnCommandLine(unittest.TestCase):
    def test_the_documented_commands_work_without_kubectl(self):
        os.environ["FAIRLEAD_NO_KUBECTL"] = "1"
        try:
            with Cluster() as c:
                c.install_operator()
                c.install_cni("v1.28.5")
                c.wait_ready()
                self.assertIn("patched", c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}'))
                self.assertIn("condition met", c.wait_ready())
                self.assertIn("Healthy   v1.28.6", c.kubectl("get", "istiocni", "default"))
                self.assertEqual(c.kubectl("get", "pods", "-n", "istio-cni").count("1/1"), 3)
                bad = c.run("get", "nonsense")
                self.assertIn("the server doesn't have a resource type \"nonsense\"", bad.stderr)
                self.assertNotEqual(bad.returncode, 0)
        finally:
            del os.environ["FAIRLEAD_NO_KUBECTL"]


if __name__ == "__main__":
    unittest.main()
