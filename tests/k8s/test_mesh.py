"""Control planes on real Kubernetes: its API server checks what the operator may grant, merges webhooks, and runs the pods. The images are
stand-ins for Istio's, which say that they are ready."""
import json
import time
import unittest

import fixture
from client import pod_ready


class ControlPlanes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = c = fixture.cluster()
        fixture.install(c)
        small = {"resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
        cls.values = {"pilot": {"image": c.sample_image, "cni": {"enabled": True}, **small}, "global": {"imagePullPolicy": "Never"}}
        cls.ztunnel_values = {"ztunnel": {"image": c.sample_image, "imagePullPolicy": "Never", **small}}
        for ns in ("istio-system", "ztunnel"):
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})

    @classmethod
    def tearDownClass(cls):
        cls.c.kubectl("delete", "istio,istiorevisiontag,ztunnel", "--all", "--ignore-not-found")
        cls.c.wait_until(lambda: not cls.c.get("istiorevision")["items"], 60, "no revision is left")
        cls.c.kubectl("delete", "namespace", "istio-system", "ztunnel", "mesh", "--ignore-not-found")

    def istio(self, version, strategy):
        self.c.apply({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default"},
                      "spec": {"version": version, "namespace": "istio-system", "values": self.values, "updateStrategy": {"type": strategy, "inactiveRevisionDeletionGracePeriodSeconds": 1}}})

    def ready(self, kind):
        self.c.kubectl("wait", "--for=condition=Ready", kind + "/default", "--timeout=120s")

    def istiods(self):
        return [p for p in self.c.get("pods", "-n", "istio-system", "-l", "app=istiod")["items"] if pod_ready(p) and not p["metadata"].get("deletionTimestamp")]

    def test_1_in_place(self):
        c = self.c
        self.istio("v1.28.5", "InPlace")
        self.ready("istio")
        # istiod puts its CA into the webhooks, and makes failures of the validating one fatal: both stay.
        c.kubectl("patch", "mutatingwebhookconfiguration", "istio-sidecar-injector", "--type=json", "-p", '[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"Zm9v"}]')
        c.kubectl("patch", "validatingwebhookconfiguration", "istio-validator-istio-system", "--type=json", "-p", '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Fail"}]')
        self.istio("v1.28.6", "InPlace")
        without = 0
        end = time.monotonic() + 90
        while time.monotonic() < end and c.get("istiorevision", "default")["status"].get("runningVersion") != "v1.28.6":
            without += not self.istiods()
        self.assertEqual(without, 0, "there was a moment without a control plane")
        self.ready("istio")
        self.assertEqual({p["metadata"]["labels"]["app.kubernetes.io/version"] for p in self.istiods()}, {"1.28.6"})
        self.assertEqual(c.get("mutatingwebhookconfiguration", "istio-sidecar-injector")["webhooks"][0]["clientConfig"]["caBundle"], "Zm9v")
        self.assertEqual(c.get("validatingwebhookconfiguration", "istio-validator-istio-system")["webhooks"][0]["failurePolicy"], "Fail")
        row = c.kubectl("get", "istio", "default", "--no-headers").split()[:-1]
        self.assertEqual(row, ["default", "istio-system", "1", "1", "0", "default", "Healthy", "v1.28.6"])

    def test_2_nothing_is_written_when_nothing_changes(self):
        c = self.c
        self.ready("istio")
        # A Deployment's status is Kubernetes' to write, so of that its generation says whether anybody else did.
        mark = lambda o: o["metadata"]["generation"] if o["kind"] == "Deployment" else o["metadata"]["resourceVersion"]
        kinds = {"deploy,svc,cm,sa,role,rolebinding": ("-n", "istio-system"), "clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration": ()}
        versions = lambda: {(o["kind"], o["metadata"]["name"]): mark(o) for k, where in kinds.items() for o in c.get(k, *where, "-l", "managed-by=sail-operator")["items"]}
        before = versions()
        self.assertGreater(len(before), 15)
        c.kubectl("rollout", "restart", "deployment", "fairlead-operator", "-n", "fairlead-system")
        c.kubectl("rollout", "status", "deployment", "fairlead-operator", "-n", "fairlead-system", "--timeout=60s")
        time.sleep(5)
        self.assertEqual(versions(), before)

    def test_3_revisions_and_a_tag(self):
        c = self.c
        self.istio("v1.28.5", "RevisionBased")
        self.ready("istio")
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "metadata": {"name": "prod"}, "spec": {"targetRef": {"kind": "Istio", "name": "default"}}},
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio.io/rev": "prod"}}})
        c.wait_until(lambda: c.kubectl("get", "istiorevisiontag", "prod", "--no-headers").split()[:-1] == ["prod", "Healthy", "True", "default-v1-28-5"], 30, "the tag is used")
        c.wait_until(lambda: [r["metadata"]["name"] for r in c.get("istiorevision")["items"]] == ["default-v1-28-5"], 30, "the revision of the InPlace strategy is gone")
        self.istio("v1.28.6", "RevisionBased")
        self.ready("istio")
        c.wait_until(lambda: c.kubectl("get", "istiorevisiontag", "prod", "--no-headers").split()[3] == "default-v1-28-6", 30, "the tag follows")
        c.wait_until(lambda: [r["metadata"]["name"] for r in c.get("istiorevision")["items"]] == ["default-v1-28-6"], 30, "the old revision is pruned")

    def test_4_ztunnel(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-ca-root-cert", "namespace": "ztunnel"}, "data": {"root-cert.pem": "what istiod puts there"}})
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"values": {"cni": {"ambient": {"enabled": True}}}}}))
        c.wait_ready("120s")
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "ZTunnel", "metadata": {"name": "default"}, "spec": {"version": "v1.28.5", "namespace": "ztunnel", "values": self.ztunnel_values}})
        self.ready("ztunnel")
        c.kubectl("patch", "ztunnel", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        self.ready("ztunnel")
        self.assertEqual(c.kubectl("get", "ztunnel", "default", "--no-headers").split()[:-1], ["default", "ztunnel", "True", "Healthy", "v1.28.6"])
        c.kubectl("delete", "ztunnel", "default")
        self.assertEqual(c.get("ds", "-n", "ztunnel")["items"], [])


if __name__ == "__main__":
    unittest.main()
