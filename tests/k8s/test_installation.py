"""Installing, upgrading and removing the operator itself; the bundle for the Operator Lifecycle Manager."""
import json
import pathlib
import re
import subprocess
import unittest
import urllib.error
import urllib.request

import fixture
from client import ROOT, pod_ready
from scenario import has_redirection

MANIFEST = str(ROOT / "config/manifests/fairlead.yaml")


def load(path):
    """A generated file: a comment line, then JSON."""
    return json.loads(pathlib.Path(path).read_text().split("\n", 1)[1])


class Bundle(unittest.TestCase):
    def test_it_names_what_it_holds_and_grants_what_the_manifest_grants(self):
        bundle = ROOT / "config/olm"
        csv = load(bundle / "manifests/fairlead-operator.clusterserviceversion.yaml")
        self.assertEqual(csv["metadata"]["name"], "fairlead-operator.v" + csv["spec"]["version"])
        crds = {load(p)["metadata"]["name"]: load(p) for p in bundle.glob("manifests/sailoperator.io_*.yaml")}
        owned = {c["name"] for c in csv["spec"]["customresourcedefinitions"]["owned"]}
        self.assertEqual(owned, set(crds))
        for example in json.loads(csv["metadata"]["annotations"]["alm-examples"]):
            self.assertIn(example["kind"], {c["spec"]["names"]["kind"] for c in crds.values()})
        install = csv["spec"]["install"]["spec"]
        account = {p["serviceAccountName"] for p in install["permissions"] + install["clusterPermissions"]}
        self.assertEqual(account, {install["deployments"][0]["spec"]["template"]["spec"]["serviceAccountName"]})
        annotations = load(bundle / "metadata/annotations.yaml")["annotations"]
        self.assertTrue((bundle / annotations["operators.operatorframework.io.bundle.manifests.v1"]).is_dir())

    def test_the_api_server_accepts_its_deployment(self):
        csv = load(ROOT / "config/olm/manifests/fairlead-operator.clusterserviceversion.yaml")
        c = fixture.cluster()
        for d in csv["spec"]["install"]["spec"]["deployments"]:
            c.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": d["name"], "namespace": "default"}, "spec": d["spec"]}))


class Operator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = fixture.cluster()
        fixture.install(cls.c)

    def test_it_runs_without_privilege_in_two_replicas_with_a_budget(self):
        c = self.c
        running = lambda: [p for p in c.get("pods", "-n", "fairlead-system")["items"] if pod_ready(p) and not p["metadata"].get("deletionTimestamp")]
        c.wait_until(lambda: len(running()) == 2, 30, "two replicas run")  # one of a former upgrade may be on its way out
        pods = running()
        for p in pods:
            security = p["spec"]["containers"][0]["securityContext"]
            self.assertEqual((security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"], security["capabilities"]), (True, False, {"drop": ["ALL"]}))
        self.assertEqual(c.get("pdb", "fairlead-operator", "-n", "fairlead-system")["status"]["disruptionsAllowed"], 1)
        account = "system:serviceaccount:fairlead-system:fairlead-operator"
        allowed = lambda *words: c.run("auth", "can-i", *words, "--as", account).stdout.strip()
        self.assertEqual(allowed("get", "pods", "-A"), "yes")
        never = (("create", "pods", "-A"), ("delete", "nodes"), ("escalate", "clusterroles"), ("bind", "clusterroles"), ("update", "leases/other", "-n", "kube-system"), ("create", "namespaces"), ("impersonate", "users"))
        for words in never[:4] + never[5:]:
            self.assertEqual(allowed(*words), "no", words)
        # What control planes need is in a role of its own; without it the operator serves the CNI alone.
        c.kubectl("delete", "clusterrolebinding", "fairlead-operator-control-plane")
        self.addCleanup(lambda: c.kubectl("apply", "-f", MANIFEST))
        for words in (*never, ("get", "secrets", "-A"), ("delete", "configmaps/other", "-n", "istio-cni"), ("patch", "clusterroles/admin"), ("update", "leases/other", "-n", "fairlead-system"), ("create", "deployments", "-A")):
            self.assertEqual(allowed(*words), "no", words)

    def test_the_live_view_by_a_port_forward_with_a_viewers_token(self):
        c = self.c
        forward = subprocess.Popen([c.cli, "port-forward", "-n", "fairlead-system", "service/fairlead-operator-view", ":8090"], env=c.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(forward.wait)
        self.addCleanup(forward.stdout.close)
        self.addCleanup(forward.terminate)
        address = "http://" + re.search(r"Forwarding from (127\.0\.0\.1:\d+)", forward.stdout.readline())[1]
        c.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": "default"}})
        self.addCleanup(lambda: c.kubectl("delete", "serviceaccount", "viewer", "-n", "default"))
        token = c.kubectl("create", "token", "viewer", "-n", "default").strip()

        def look(bearer):
            request = urllib.request.Request(address + "/stream", headers={"Authorization": "Bearer " + bearer})
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                text = b""
                while b"event: drawn" not in text:
                    text += answer.read1(65536)
                return text.decode()

        for bearer, status in (("no token", 401), (token, 403)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                look(bearer)
            self.assertEqual(refused.exception.code, status)
        c.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole=fairlead-viewer", "--serviceaccount=default:viewer")
        self.addCleanup(lambda: c.kubectl("delete", "clusterrolebinding", "viewer"))
        seen = look(token)
        for node in c.nodes:
            self.assertRegex(seen, rf'"{node}":\["serving",true,')

    def test_objects_that_values_ask_for_come_and_go(self):
        c = self.c
        name = "network-attachment-definitions.k8s.cni.cncf.io"
        c.apply({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
                 "spec": {"group": "k8s.cni.cncf.io", "scope": "Namespaced", "names": {"plural": "network-attachment-definitions", "singular": "network-attachment-definition", "kind": "NetworkAttachmentDefinition"},
                          "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}})
        self.addCleanup(lambda: c.kubectl("delete", "crd", name))
        c.kubectl("wait", "--for=condition=Established", "crd/" + name, "--timeout=20s")
        values = lambda v: c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"values": v}}))
        there = lambda: (c.kubectl("get", "networkpolicy", "-n", "istio-cni", "-o", "name").split(), c.kubectl("get", name, "-n", "default", "-o", "name").split())
        self.assertEqual(there(), ([], []))
        values({"cni": {"provider": "multus"}, "global": {"networkPolicy": {"enabled": True}}})
        c.wait_until(lambda: there() == (["networkpolicy.networking.k8s.io/istio-cni"], ["networkattachmentdefinition.k8s.cni.cncf.io/istio-cni"]), 20, "both are there")
        c.wait_ready()
        values(None)
        c.wait_until(lambda: there() == ([], []), 20, "both are gone")
        c.wait_ready()

    def test_an_upgrade_of_it_does_not_touch_the_data_plane(self):
        c = self.c
        c.wait_until(lambda: len(c.agents()) == 3, 30, "the agents of former tests are gone")
        state = lambda: ({p["metadata"]["uid"] for p in c.agents()}, c.get("ds", "istio-cni-node", "-n", "istio-cni")["metadata"]["resourceVersion"])
        before = state()
        c.kubectl("patch", "deployment", "fairlead-operator", "-n", "fairlead-system", "--type=json", "-p", '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--log-as-json"}]')
        c.kubectl("rollout", "status", "-n", "fairlead-system", "deployment/fairlead-operator", "--timeout=60s")
        c.wait_until(lambda: c.kubectl("logs", "-n", "fairlead-system", "-l", "app.kubernetes.io/name=fairlead-operator", "--tail=-1").count("became leader"), 40, "a new replica leads")
        c.wait_ready()
        self.assertEqual(state(), before)
        c.kubectl("apply", "-f", MANIFEST)
        c.kubectl("rollout", "status", "-n", "fairlead-system", "deployment/fairlead-operator", "--timeout=60s")

    def test_uninstalling_leaves_nothing_and_breaks_no_pod(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, c.mesh_pod("stays", node="node-1"))
        c.wait_until(lambda: pod_ready(c.get("pod", "stays", "-n", "mesh")), 30, "a mesh pod runs")
        uid = c.get("pod", "stays", "-n", "mesh")["metadata"]["uid"]
        c.kubectl("delete", "istiocni", "default", timeout=60)
        c.wait_until(lambda: not c.agents(), 60, "the agents are gone")
        for node in c.nodes:
            self.assertNotIn("istio-cni", c.on_node(node, "cat", "/etc/cni/net.d/10-bridge.conflist"))
        c.kubectl("delete", "-f", MANIFEST, timeout=120)
        for kind, name in (("crd", "sailoperator.io"), ("clusterrole", "fairlead"), ("clusterrolebinding", "fairlead"), ("clusterrole", "istio-cni"), ("ns", "fairlead-system")):
            self.assertNotIn(name, c.kubectl("get", kind, "-o", "name"))
        self.assertTrue(pod_ready(c.get("pod", "stays", "-n", "mesh")))
        self.assertTrue(has_redirection(c.ruleset(uid)), "what is enrolled stays redirected")
        c.apply(c.mesh_pod("plain", mesh=False, node="node-1"))
        c.wait_until(lambda: pod_ready(c.get("pod", "plain", "-n", "mesh")), 30, "a pod starts without the plugin")
        c.kubectl("delete", "namespace", "mesh", timeout=60)
        self.assertEqual([e["message"] for e in c.events("mesh") if e["reason"] == "FailedKillPod"], [])
        fixture.install(c)


if __name__ == "__main__":
    unittest.main()
