"""The update contract on the lab, measured from outside."""
import base64
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from client import BUILD, ROOT, Background, mesh_pod, pod_ready
from cluster import Cluster
from scenario import Update, broken_promises, has_redirection, start_mesh


class UpdateUnderLoad(unittest.TestCase):
    ambient = False

    def check(self, values, there_and_back=None):
        with Cluster() as c:
            c.install_operator()
            if self.ambient:
                values = {"cni": {**(values or {}).get("cni", {}), "ambient": {"enabled": True}}}
            c.install_cni("v1.28.5", values)
            c.wait_ready()
            if self.ambient:
                c.install_ztunnel()
            start_mesh(c, ambient=self.ambient)
            figures = Update(c, "v1.28.6", there_and_back=there_and_back, say=print, ambient=self.ambient).run()
            self.assertEqual(broken_promises(figures), [], json.dumps(figures, indent=1))
            self.assertEqual(figures["pods created under load"], 66)
            return figures

    def test_with_surge(self):
        self.check(None)

    def test_without_surge_where_the_plugin_waits_for_the_next_agent(self):
        self.check({"cni": {"rollingMaxUnavailable": 1}})

    def test_one_update_after_another_with_surge(self):
        self.check_there_and_back(None)

    def test_one_update_after_another_without_surge(self):
        self.check_there_and_back({"cni": {"rollingMaxUnavailable": 1}})

    def check_there_and_back(self, values):
        figures = self.check(values, "v1.28.5")
        self.assertGreater(figures["of them in the update window"], 66 / 3, "too few pods met an update to say anything")


class UpdateUnderLoadInAmbientMode(UpdateUnderLoad):
    """The same, where every pod's readiness probe would fail if the node's exemption for probes were away for a moment: the
    sample's ztunnel takes no plain text."""
    ambient = True


class PodsThatAreDeletedAtOnce(unittest.TestCase):
    def test_none_starts_without_rules_and_none_fails(self):
        """Some of them go while the plugin waits for the next agent."""
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.5", {"cni": {"rollingMaxUnavailable": 1, "ambient": {"enabled": True}}})
            c.wait_ready()
            c.install_ztunnel()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
            chance = random.Random(1)

            def update(n):
                c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": ("v1.28.6", "v1.28.5")[n % 2]}}))
                c.wait_ready()
            updates = Background(update, 0)
            updates.start()
            for i in range(30):
                names = [f"load-{i}-{node}" for node in c.nodes]
                c.apply(*[c.mesh_pod(name, namespace="load", node=node, probe=False, ambient=chance.random() < 0.5) for name, node in zip(names, c.nodes)])
                time.sleep(chance.random() * 0.5)
                c.kubectl("delete", "pod", "-n", "load", *names, "--wait=false")
            c.wait_until(lambda: not c.get("pods", "-n", "load")["items"], 30, "every pod is gone")
            updates.stop()
            self.assertIsNone(updates.error)
            started = {r["name"]: r["rulesBeforeStart"] for r in c.records() if r["namespace"] == "load"}
            self.assertEqual(len(started), 90)
            self.assertEqual([name for name, rules in started.items() if rules is False], [])
            self.assertIn(None, started.values(), "some were deleted before they started")
            self.assertEqual([e["message"] for e in c.events("load") if e["type"] == "Warning"], [])


class WaitNeverReturnsEarly(unittest.TestCase):
    def test_twenty_updates_in_a_row(self):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.5")
            c.wait_ready()
            for n in range(20):
                to = ("v1.28.6", "v1.28.5")[n % 2]
                c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": to}}))
                c.wait_ready()
                pods = c.agents()
                self.assertEqual(len(pods), 3, f"update {n}: an old agent still runs")
                for pod in pods:
                    self.assertEqual(pod["metadata"]["labels"]["app.kubernetes.io/version"], to[1:], f"update {n}")
                    self.assertTrue(pod_ready(pod))
                status = c.get("istiocni", "default")["status"]
                self.assertEqual((status["state"], status["runningVersion"], status["rollout"]["updated"]), ("Healthy", to, 3))


class NothingChanged(unittest.TestCase):
    def test_nothing_is_written(self):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.6")
            c.wait_ready()
            version = lambda: [(o["kind"], o["metadata"]["name"], o["metadata"]["resourceVersion"]) for kind in ("ds", "cm", "sa") for o in c.get(kind, "-n", "istio-cni")["items"]] + [c.get("istiocni", "default")["metadata"]["resourceVersion"]]
            time.sleep(1)
            before = version()
            c.kubectl("delete", "pod", "-n", "fairlead-system", "fairlead-operator-0", "fairlead-operator-1")
            from cluster import operator_pod
            c.apply(operator_pod(0))
            c.wait_until(lambda: "became leader" in c.kubectl("logs", "-n", "fairlead-system", "fairlead-operator-0"), 40, "a new operator leads")
            time.sleep(2)
            self.assertEqual(version(), before)

    def test_drift_is_repaired_and_what_is_not_rendered_any_more_goes(self):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.6", {"cni": {"resourceQuotas": {"enabled": True}}})
            c.wait_ready()
            c.kubectl("get", "resourcequota", "-n", "istio-cni", "istio-cni-resource-quota")
            c.kubectl("patch", "configmap", "-n", "istio-cni", "istio-cni-config", "--type=merge", "-p", '{"data":{"EXCLUDE_NAMESPACES":"everything"}}')
            c.wait_until(lambda: c.get("cm", "istio-cni-config", "-n", "istio-cni")["data"]["EXCLUDE_NAMESPACES"] == "kube-system", 10, "the ConfigMap is put right")
            # What somebody adds goes as well, and an object that was Helm's before is ours.
            edit = {"spec": {"template": {"spec": {"nodeSelector": {"extra": "label"}, "containers": [{"name": "install-cni", "env": [{"name": "ADDED", "value": "x"}]}]}}}}
            c.kubectl("patch", "ds", "-n", "istio-cni", "istio-cni-node", "--type=strategic", "-p", json.dumps(edit))
            added = lambda: "ADDED" in json.dumps(c.get("ds", "istio-cni-node", "-n", "istio-cni")["spec"]) or "extra" in json.dumps(c.get("ds", "istio-cni-node", "-n", "istio-cni")["spec"])
            c.wait_until(lambda: not added(), 20, "what was added is gone")
            c.wait_ready()
            c.kubectl("delete", "ds", "-n", "istio-cni", "istio-cni-node")
            c.wait_until(lambda: len([p for p in c.agents() if pod_ready(p)]) == 3, 30, "the DaemonSet is back")
            c.wait_ready()
            c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"values":{"cni":{"resourceQuotas":{"enabled":false}}}}}')
            c.wait_until(lambda: not c.get("resourcequota", "-n", "istio-cni")["items"], 10, "the ResourceQuota is pruned")

    def test_an_installation_of_helm_is_adopted_in_place(self):
        helm = lambda kind, name, api="rbac.authorization.k8s.io/v1", **more: {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "Helm"},
                                                                               "annotations": {"meta.helm.sh/release-name": "istio-cni", "meta.helm.sh/release-namespace": "istio-cni"}}, **more}
        env = [{"name": "THEIRS", "value": "x"}]
        agent = helm("DaemonSet", "istio-cni-node", "apps/v1", spec={"selector": {"matchLabels": {"k8s-app": "istio-cni-node"}}, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}},
                     "template": {"metadata": {"labels": {"k8s-app": "istio-cni-node", "app.kubernetes.io/version": "1.28.5"}}, "spec": {"tolerations": [{"operator": "Exists"}], "containers": [
                         {"name": "install-cni", "image": "mesh-sample:dev", "command": ["mesh-sample", "server"], "env": env}]}}})
        agent["metadata"]["namespace"] = "istio-cni"
        repair, other = helm("ClusterRole", "istio-cni-repair-role", rules=[]), helm("ClusterRole", "not-helms", rules=[])
        del other["metadata"]["annotations"]
        release = {"name": "istio-cni", "version": 2, "info": {"status": "deployed"}, "manifest": "".join("---\n" + json.dumps(o) + "\n" for o in (agent, repair, other))}
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
        with Cluster() as c:
            c.install_operator()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
            c.kubectl("create", "--field-manager=helm", "-f", "-", input="".join("---\n" + json.dumps(o) + "\n" for o in (agent, repair, other)))
            c.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sh.helm.release.v1.istio-cni.v2", "namespace": "istio-cni", "labels": {"owner": "helm", "name": "istio-cni", "version": "2", "status": "deployed"}},
                     "type": "helm.sh/release.v1", "data": {"release": packed}})
            uid = c.get("ds", "istio-cni-node", "-n", "istio-cni")["metadata"]["uid"]
            cni = {"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {"version": "v1.28.6", "namespace": "istio-cni"}}
            versions = lambda: [(o["kind"], o["metadata"]["name"], o["metadata"]["resourceVersion"]) for kind in ("ds", "cm", "sa", "clusterrole") for o in c.get(kind, "-n", "istio-cni")["items"] if o["kind"] != "DaemonSet"]
            before = versions()
            plan = subprocess.run([str(BUILD / "fairlead"), "adopt", "--dry-run", "--detailed-exitcode", "-f", "-"], env=c.env, text=True, capture_output=True, input=json.dumps(cni))
            self.assertEqual((plan.returncode, plan.stderr), (2, ""))
            for text in ("Helm release istio-cni/istio-cni: 3 objects are adopted; its Secrets stay.", "DaemonSet istio-cni-node: its 3 pods are replaced, as in any update.", "\nistio-cni-repair-role, ClusterRole (rbac.authorization.k8s.io) has been removed:",
                         "what others had set in DaemonSet/istio-cni/istio-cni-node and the chart does not goes, too", "istio-cni, istio-cni-config, ConfigMap (v1) has been added:"):
                self.assertIn(text, plan.stdout)
            self.assertNotIn("not-helms", plan.stdout)
            self.assertEqual(versions(), before, "it was only shown")
            c.install_cni("v1.28.6")
            c.wait_ready()
            adopted = c.get("ds", "istio-cni-node", "-n", "istio-cni")
            self.assertEqual(adopted["metadata"]["uid"], uid, "it is the same DaemonSet")
            self.assertNotIn("THEIRS", json.dumps(adopted["spec"]))
            roles = [o["metadata"]["name"] for o in c.get("clusterrole")["items"]]
            self.assertNotIn("istio-cni-repair-role", roles, "what the release had and is not rendered any more")
            self.assertIn("not-helms", roles, "what does not say that it is Helm's stays")
            c.kubectl("get", "secret", "-n", "istio-cni", "sh.helm.release.v1.istio-cni.v2")
            again = subprocess.run([str(BUILD / "fairlead"), "adopt", "--dry-run"], env=c.env, text=True, capture_output=True)
            self.assertIn("Nothing changes.", again.stdout)

    def test_uninstalling_leaves_nothing_and_breaks_no_pod(self):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.6")
            c.wait_ready()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, mesh_pod("a", node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "a", "-n", "mesh")), 20, "a mesh pod runs")
            uid = c.get("pod", "a", "-n", "mesh")["metadata"]["uid"]
            c.kubectl("delete", "istiocni", "default")
            left = [o for kind in ("ds", "cm", "sa", "role", "rolebinding") for o in c.get(kind, "-n", "istio-cni")["items"] if o["metadata"]["name"] not in ("default", "kube-root-ca.crt")]
            left += [o for kind in ("clusterrole", "clusterrolebinding") for o in c.get(kind)["items"] if o["metadata"]["name"].startswith("istio-cni")]
            self.assertEqual(left, [])
            self.assertTrue(has_redirection(c.ruleset(uid)), "what is enrolled stays redirected")
            c.apply(mesh_pod("plain", mesh=False, node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "plain", "-n", "mesh")), 20, "a pod starts without the plugin")
            c.kubectl("delete", "pod", "-n", "mesh", "a", "plain")
            self.assertEqual([e for e in c.events("mesh") if e["type"] == "Warning"], [])


class StopsByItself(unittest.TestCase):
    def test_where_an_agent_cannot_give_a_pod_its_rules(self):
        """Another program holds the pod's tables (nft's owner flag), so no agent can write them: the new one on that node does not become
        ready, the update waits there, and goes on as soon as the tables are free."""
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.5")
            c.wait_ready()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, *(mesh_pod(f"p-{n[-1]}", node=n) for n in c.nodes))
            c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "mesh pods run")
            record = next(r for r in c.records() if r["name"] == "p-2")
            enter = ["nsenter", "--net=" + record["netns"]]
            tables = [line.split()[1:] for line in subprocess.run([*enter, "nft", "list", "tables"], text=True, capture_output=True).stdout.splitlines()]
            self.assertTrue(tables)
            holder = subprocess.Popen([*enter, "nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            try:
                for family, name in tables:
                    holder.stdin.write(f"delete table {family} {name}\nadd table {family} {name} {{ flags owner; }}\n")
                holder.stdin.flush()
                c.wait_until(lambda: "flags owner" in subprocess.run([*enter, "nft", "list", "ruleset"], text=True, capture_output=True).stdout, 10, "the tables are held")
                c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6","rollout":{"progressDeadlineSeconds":8}}}')
                c.wait_until(lambda: c.condition("Progressing").get("reason") == "ProgressDeadlineExceeded", 60, "the update stops")
                self.assertEqual(c.condition()["status"], "False")
                stuck = next(p for p in c.agents() if p["spec"]["nodeName"] == "node-2" and not pod_ready(p))
                told = [e["message"] for e in c.events("istio-cni") if e["reason"] == "PodsNotRedirected" and e["involvedObject"]["name"] == stuck["metadata"]["name"]]
                self.assertIn("1 without working rules: mesh/p-2: ", told[0])
                preflight = subprocess.run([str(BUILD / "fairlead"), "preflight", "v1.28.6"], env=c.env, text=True, capture_output=True).stdout
                pods = subprocess.run([str(BUILD / "fairlead"), "pods", "--at-risk"], env=c.env, text=True, capture_output=True)
                self.assertEqual([line.split() for line in pods.stdout.splitlines()[1:]], [["mesh", "p-2", "node-2", "sidecar", "Running", "missing"]])
                self.assertEqual(pods.returncode, 3)
                self.assertRegex(preflight, r"pods at risk +warning +node-2: 1 without working rules, 0 whose network namespace is not found")
            finally:
                holder.stdin.close()
                holder.wait(10)
            c.wait_ready()
            self.assertTrue(has_redirection(c.ruleset(record["uid"])))
            self.assertEqual({p["metadata"]["labels"]["app.kubernetes.io/version"] for p in c.agents()}, {"1.28.6"})
            pods = subprocess.run([str(BUILD / "fairlead"), "pods"], env=c.env, text=True, capture_output=True).stdout
            self.assertEqual(len([line for line in pods.splitlines() if line.endswith("in place")]), 3, pods)


class NoMess(unittest.TestCase):
    def test_nothing_is_left_even_after_kill_9(self):
        mounts = lambda: len(open("/proc/mounts").readlines())
        links = lambda: subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.count("\n")
        before = mounts(), links()
        c = Cluster()
        pid = c.lab.pid
        c.install_operator()
        c.lab.kill()
        c.lab.wait()
        end = time.monotonic() + 10
        while time.monotonic() < end and self.processes(c.dir):
            time.sleep(0.1)
        self.assertEqual(self.processes(c.dir), [])
        self.assertEqual((mounts(), links()), before)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))
        c.stop()

    def test_nothing_is_left_after_ctrl_c_or_kill_9_of_the_demo(self):
        for sig, status in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            with tempfile.TemporaryDirectory(prefix="fairlead-mess-") as tmp:
                demo = subprocess.Popen([sys.executable, str(ROOT / "tests/e2e/demo.py")], env=dict(os.environ, TMPDIR=tmp), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # even where a shell ignores it
                time.sleep(4)
                self.assertTrue(self.processes(tmp), "the demo runs")
                demo.send_signal(sig)
                self.assertEqual(demo.wait(30), status)
                end = time.monotonic() + 20
                while time.monotonic() < end and self.processes(tmp):
                    time.sleep(0.1)
                self.assertEqual(self.processes(tmp), [])
                self.assertNotIn(tmp, open("/proc/mounts").read())

    def processes(self, marker):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if marker in open(f"/proc/{pid}/cmdline").read():
                    found.append(pid)
            except OSError:
                pass
        return found


if __name__ == "__main__":
    unittest.main()
