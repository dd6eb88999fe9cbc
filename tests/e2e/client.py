"""A cluster as a person sees it: kubectl against a kubeconfig, and the objects that tests make. The lab and the real cluster add
to it what only they can tell or do."""
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/release"))


class KubectlError(Exception):
    pass


class Client:
    """kubectl, or Fairlead's own CLI where there is no kubectl.

    A cluster also has: `nodes`, the names of its nodes; `sample_image`, the image of mesh-sample; records(), what became of
    every pod: uid, namespace, name, seenMs, readyMs, rulesBeforeStart (None while no container of it has started); ruleset(uid), a pod's nftables rules as nft prints them."""

    def __init__(self, directory, kubeconfig, nodes, sample_image):
        self.dir, self.kubeconfig, self.nodes, self.sample_image = directory, kubeconfig, nodes, sample_image
        self.cli = "kubectl" if shutil.which("kubectl") and not os.environ.get("FAIRLEAD_NO_KUBECTL") else str(BUILD / "fairlead")
        self.env = dict(os.environ, KUBECONFIG=str(kubeconfig), HOME=str(directory))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *args, input=None, timeout=120):
        return subprocess.run([self.cli, *args], input=input, env=self.env, text=True, capture_output=True, timeout=timeout)

    def kubectl(self, *args, input=None, timeout=120):
        done = self.run(*args, input=input, timeout=timeout)
        if done.returncode != 0:
            raise KubectlError(" ".join(args) + ": " + (done.stderr or done.stdout).strip())
        return done.stdout

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, *objects):
        return self.kubectl("apply", "-f", "-", input="".join("---\n" + json.dumps(o) + "\n" for o in objects))

    def apply_crds(self):
        for path in sorted((ROOT / "charts/fairlead-operator/crds").iterdir()):
            self.kubectl("apply", "-f", str(path))

    def create_pods(self, *pods):
        self.apply(*pods)

    def delete_pod(self, namespace, name):
        """Asks for it and does not wait."""
        self.kubectl("delete", "pod", "-n", namespace, name, "--wait=false")

    def log(self, namespace, pod, container, lines=1):
        return self.kubectl("logs", "-n", namespace, pod, "-c", container, f"--tail={lines}")

    # -- Fairlead on it

    def install_ztunnel(self):
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
        self.apply(ztunnel(self.sample_image))
        ready = lambda: [p for p in self.get("pods", "-n", "istio-system")["items"] if pod_ready(p)]
        self.wait_until(lambda: len(ready()) == len(self.nodes), 60, "every node has a ztunnel that the agent has told of its pods")

    def install_cni(self, version="v1.28.5", values=None):
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
        spec = {"version": version, "namespace": "istio-cni"}
        if values:
            spec["values"] = values
        self.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": spec})

    def condition(self, kind="Ready"):
        return condition(self.get("istiocni", "default"), kind)

    def wait_ready(self, timeout="60s"):
        return self.kubectl("wait", "--for=condition=Ready", "istiocnis/default", "--timeout=" + timeout)

    def agents(self):
        return self.get("pods", "-n", "istio-cni")["items"]

    def events(self, namespace="default"):
        return self.get("events", "-n", namespace)["items"]

    def wait_until(self, check, seconds, what):
        end = time.monotonic() + seconds
        last = None
        while time.monotonic() < end:
            try:
                if check():
                    return
            except (KubectlError, OSError, subprocess.TimeoutExpired) as e:
                last = e
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {what}" + (f" ({last})" if last else ""))


    def mesh_pod(self, name, **options):
        return mesh_pod(name, image=self.sample_image, **options)


def condition(resource, kind):
    """The condition of that type, or {}."""
    return next((c for c in resource.get("status", {}).get("conditions", []) if c["type"] == kind), {})


def pod_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def mesh_pod(name, namespace="mesh", app=("mesh-sample", "server"), node=None, probe=True, mesh=True, grace=2, image="mesh-sample:dev", proxy_image=None, ambient=False):
    """A pod of two containers: the application, and the proxy that its traffic is redirected to: mesh-sample's, or the image named.
    An `ambient` pod has the application alone."""
    application = {"name": "app", "image": image, "command": list(app), "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}}
    if probe:
        application["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}
    proxy = {"name": "istio-proxy", "image": proxy_image or image, **({} if proxy_image else {"command": ["mesh-sample", "proxy"]}), "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "capabilities": {"drop": ["ALL"]}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
           "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": grace, "containers": [proxy, application] if mesh and not ambient else [application]}}
    if ambient:
        pod["metadata"]["labels"]["istio.io/dataplane-mode"] = "ambient"
    elif mesh:
        pod["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}"}
    if node:
        pod["spec"]["nodeName"] = node
    return pod


def ztunnel(image):
    """The sample's ztunnel as a DaemonSet, updated as istio's is: the new one first."""
    labels = {"app": "ztunnel"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "ztunnel", "namespace": "istio-system"},
            "spec": {"selector": {"matchLabels": labels}, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                     "template": {"metadata": {"labels": {**labels, "istio.io/dataplane-mode": "none"}},
                                  "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 2, "tolerations": [{"operator": "Exists"}],
                                           "containers": [{"name": "istio-proxy", "image": image, "command": ["mesh-sample", "ztunnel"],
                                                           "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "SYS_ADMIN", "NET_RAW"]}},
                                                           "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 1},
                                                           "volumeMounts": [{"name": "socket", "mountPath": "/var/run/ztunnel"}]}],
                                           "volumes": [{"name": "socket", "hostPath": {"path": "/var/run/ztunnel", "type": "DirectoryOrCreate"}}]}}}}


class Background(threading.Thread):
    """Runs a function again and again until it is told to stop."""

    def __init__(self, step, period):
        super().__init__(daemon=True)
        self.step, self.period, self.over, self.error = step, period, threading.Event(), None

    def run(self):
        n = 0
        next_time = time.monotonic()
        while not self.over.is_set():
            try:
                self.step(n)
            except Exception as e:  # shown by the one who waits for us
                self.error = self.error or e
            n += 1
            next_time += self.period
            self.over.wait(max(0, next_time - time.monotonic()))

    def stop(self):
        self.over.set()
        if self.ident is not None:
            self.join(30)
