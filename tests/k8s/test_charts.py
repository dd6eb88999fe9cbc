"""The same charts with Helm and with ours: the text is equal, and so is the message where Helm fails. Needs no cluster."""
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import build
from client import ROOT
from generated_charts import Generator

FAIRLEAD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/release")) / "fairlead"
# The values that charts are rendered with. What is odd is odd on purpose.
CNI = [{}, {"cni": {"ambient": {"enabled": True}}}, {"profile": "ambient"}, {"cni": {"provider": "multus", "chained": False, "cniConfFileName": "istio-cni.conf"}}, {"cni": {"provider": "magic"}},
       {"cni": {"affinity": None, "tolerations": None, "resources": None}}, {"cni": {"excludeNamespaces": ["a", "b"], "podAnnotations": {"a/b": "c"}, "daemonSetLabels": {"x": "y"}, "podLabels": {"p": "q"}}},
       {"cni": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}}, {"cni": {"resourceQuotas": {"enabled": True, "pods": 100000}}}, {"cni": {"repair": {"enabled": False}}},
       {"cni": {"repair": {"repairPods": False, "deletePods": True, "labelPods": True}}}, {"cni": {"seccompProfile": {"type": "Unconfined"}, "seLinuxOptions": {"level": "s0"}}}, {"cni": {"image": "other/install-cni:x"}},
       {"cni": {"hub": "h", "tag": 1.28}}, {"cni": {"tag": 12345678}}, {"global": {"logging": {"level": "debug"}, "logAsJson": True, "imagePullSecrets": ["s"], "imagePullPolicy": "Always"}},
       {"global": {"env": {"A": "b", "C": True, "D": 1}}}, {"revision": "canary"}, {"cni": {"logging": {"level": "cni:debug"}, "privileged": True}}, {"cni": None}, {"cni": "text"}, {"cni": []}, {"cni": {"ambient": "yes"}},
       {"cni": {"ambient": {"enabled": True, "shareHostNetworkNamespace": True, "dnsCapture": False, "ipv6": False, "reconcileIptablesOnStartup": False}}}, {"global": None}, {"global": {"platform": "openshift"}}, {"global": {"platform": "k3s"}},
       {"cni": {"terminationGracePeriodSeconds": 60, "istioOwnedCNIConfig": True, "istioOwnedCNIConfigFileName": "02.conflist"}}, {"cni": {"cniBinDir": "", "cniConfDir": "/x"}}, {"unknown": {"key": [1, {"a": None}]}},
       {"global": {"resourceScope": "cluster"}}, {"global": {"resourceScope": "namespace"}, "cni": {"resourceQuotas": {"enabled": True}}}, {"global": {"resourceScope": "all of it"}}, {"global": {"networkPolicy": {"enabled": True}}},
       {"global": {"networkPolicy": None}}, {"cni": {"provider": "multus"}, "global": {"resourceScope": "cluster"}}, {"cni": {"resources": None}, "global": {"defaultResources": {"requests": {"cpu": "1m"}}}}]
OPERATOR = [{}, {"replicas": 1}, {"createNamespace": True}, {"grants": {"deletePods": True}}, {"image": {"tag": "x"}}, {"images": {"v1_28_6.cni": "r.example/cni@sha256:0"}}, {"grants": {"controlPlane": False}}, {"grants": {"certSigners": ["a/b"]}, "meshHub": "m"}, {"nope": True}, {"replicas": "two"}]

ODD = [{}, {"profile": "nope"}, {"global": {"platform": "gke"}}, {"compatibilityVersion": 1.27}, {"compatibilityVersion": "1.1"}, {"global": None}, {"global": {"resourceScope": "cluster"}}, {"global": {"resourceScope": "namespace"}},
       {"global": {"networkPolicy": {"enabled": True}}}, {"profile": "ambient", "global": {"platform": "openshift"}}, {"global": {"hub": "h", "tag": 1.28, "variant": "distroless", "imagePullSecrets": ["s"], "imagePullPolicy": "Always", "logAsJson": True}}]
ISTIOD = ODD + [{"profile": p} for p in ("ambient", "demo", "preview", "remote", "stable")] + [
    {"revision": "1-28-6"}, {"revision": "canary", "revisionTags": ["prod", "default"]}, {"pilot": {"image": "other/pilot:x", "autoscaleEnabled": False, "replicaCount": 2, "env": {"A": True, "B": 1e6}}}, {"pilot": None}, {"pilot": "text"},
    {"pilot": {"resources": None, "tolerations": [{"operator": "Exists"}], "initContainers": [{"name": "{{ .Release.Name }}", "image": "x"}], "volumes": [{"name": "v", "emptyDir": {}}], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}},
    {"meshConfig": {"accessLogFile": "/dev/stdout", "defaultConfig": {"concurrency": 2}, "trustDomain": None}}, {"meshConfig": "text"}, {"global": {"meshNetworks": {"n": {"endpoints": [{"fromRegistry": "r"}]}}, "meshID": "m", "network": "n"}},
    {"global": {"proxy": {"tracer": "datadog"}, "tracer": {"datadog": {"address": "x:1"}}}}, {"global": {"certSigners": ["a/b"]}, "pilot": {"taint": {"enabled": True, "namespace": "istio-cni"}}},
    {"sidecarInjectorWebhook": {"enableNamespacesByDefault": True, "templates": {"own": "spec: {}"}, "defaultTemplates": ["sidecar", "own"], "injectedAnnotations": {"a": "b"}}}, {"istiodRemote": {"injectionURL": "https://x/inject", "injectionCABundle": "Zm9v"}},
    {"istiodRemote": {"enabled": True}, "global": {"remotePilotAddress": "10.0.0.1"}}, {"istiodRemote": {"enabled": True, "enabledLocalInjectorIstiod": True}, "global": {"remotePilotAddress": "istiod.example", "externalIstiod": True}},
    {"gatewayClasses": {"istio": {"deployment": {"spec": {"replicas": 2}}}}}, {"global": {"istioNamespace": "mesh", "operatorManageWebhooks": True, "configValidation": False, "omitSidecarInjectorConfigMap": True}}, {"telemetry": {"enabled": False}},
    {"autoscaleMin": 2, "autoscaleBehavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}, "memory": {"targetAverageUtilization": 70}}, {"pdb": {"maxUnavailable": 1}}, {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}]
ZTUNNEL = ODD + [{"ztunnel": {"env": {"A": 1}, "resourceName": "zt", "updateStrategy": {"type": "OnDelete"}, "terminationGracePeriodSeconds": 5}}, {"revision": "canary", "caAddress": "ca:1", "network": "n"}, {"tolerations": None, "nodeSelector": None, "resources": None},
                 {"peerCaCrl": {"enabled": True}, "volumes": [{"name": "v", "emptyDir": {}}], "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, {"meshConfig": {"defaultConfig": {"proxyMetadata": {"K": "v"}}}}, {"meshConfig": None},
                 {"resourceQuotas": {"enabled": True, "pods": 10}, "imagePullSecrets": [{"name": "n"}, "s"], "labels": {"a": "b"}, "annotations": {"c": "d"}}]
BASE = ODD + [{"profile": "stable"}, {"defaultRevision": ""}, {"defaultRevision": "canary"}, {"base": {"validationURL": "https://x", "validationCABundle": "Zm9v"}}]
TAGS = ODD + [{"revisionTags": ["default", "prod"]}, {"revisionTags": ["prod"], "revision": "1-28-6", "global": {"istioNamespace": "mesh"}}, {"revisionTags": ["default"], "sidecarInjectorWebhook": {"enableNamespacesByDefault": True}}]


def run(command, tmp):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=tmp, timeout=60)
    error = done.stderr.split("\n\nUse --debug flag")[0].strip() if done.returncode else ""
    error = error.removeprefix("Error: ").removeprefix("error: ").removeprefix("INSTALLATION FAILED: ")
    return done.stdout if done.returncode == 0 else "", error


class Charts(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        try:
            cls.helm = build.helm()
        except build.Missing as e:
            if os.environ.get("FAIRLEAD_REQUIRE_K8S"):
                raise
            raise unittest.SkipTest(str(e)) from e

    def compare(self, chart, values, *flags):
        with tempfile.TemporaryDirectory() as tmp:
            (pathlib.Path(tmp) / "values.json").write_text(json.dumps(values))
            theirs = run([self.helm, "template", "rel", chart, "-n", "ns", "-f", "values.json", "--kube-version", "v1.34.0", *flags], tmp)
            ours = run([FAIRLEAD, "render", chart, "--name", "rel", "-n", "ns", "-f", "values.json", "--kube-version", "v1.34.0", *flags], tmp)
        self.assertEqual(ours[1], theirs[1], "the message")
        self.assertEqual(ours[0].strip(), theirs[0].strip(), "the text")
        return theirs[1]

    def test_our_charts_with_every_set_of_values(self):
        for chart, sets in (("istio-cni", CNI + ODD), ("istiod", ISTIOD), ("ztunnel", ZTUNNEL), ("base", BASE), ("revisiontags", TAGS), ("fairlead-operator", OPERATOR)):
            for values in sets:
                with self.subTest(chart=chart, values=values):
                    self.compare(ROOT / "charts" / chart, values)

    def test_flags(self):
        chart = ROOT / "charts/istio-cni"
        for flags in (["--set", "cni.ambient.enabled=true,cni.excludeNamespaces={a,b}"], ["--set-string", "cni.tag=1.30"], ["--set-json", 'cni.podAnnotations={"a":"b"}'],
                      ["--is-upgrade"], ["--no-hooks"], ["--include-crds"], ["-s", "templates/daemonset.yaml"], ["-a", "x/v1"], ["--set", "cni.resources=null"], ["--set", "a"], ["--set", "cni[0]=x"], ["-s", "templates/nope.yaml"]):
            with self.subTest(flags=flags):
                self.compare(chart, {}, *flags)

    def test_generated_charts(self):
        failed = 0
        for seed in range(200):
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as tmp:
                for path, text in Generator(seed).chart().items():
                    at = pathlib.Path(tmp) / path
                    at.parent.mkdir(exist_ok=True)
                    at.write_text(text)
                failed += bool(self.compare(tmp, {}))
        print(f"      200 generated charts, {failed} of them charts that Helm refuses")
        self.assertLess(failed, 150, "too few charts that work say little")
        self.assertGreater(failed, 5, "no chart that fails says nothing about messages")


if __name__ == "__main__":
    unittest.main()
