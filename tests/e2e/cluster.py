"""A lab cluster for the tests and the demo: starts it, talks to it with kubectl (or with Fairlead's own CLI where there is
no kubectl), and takes it away again."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/release"))


class KubectlError(Exception):
    pass


class Cluster:
    """with Cluster() as c: c.kubectl("get", "nodes")"""

    def __init__(self, nodes=3, images=None, args=()):
        self.dir = tempfile.mkdtemp(prefix="fairlead-e2e-")
        self.kubeconfig = self.dir + "/state/kubeconfig"
        command = [str(BUILD / "fairlead-lab"), "up", "--nodes", str(nodes), "--state-dir", self.dir + "/state", "--with-parent", *args]
        if images:
            command += ["--images", str(images)]
        self.log = open(self.dir + "/lab.log", "w")
        self.lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True)
        if self.lab.stdout.readline().strip() != "ready":
            self.lab.wait()
            raise RuntimeError("the lab did not start: " + open(self.dir + "/lab.log").read())
        self.cli = "kubectl" if shutil.which("kubectl") and not os.environ.get("FAIRLEAD_NO_KUBECTL") else str(BUILD / "fairlead")
        self.env = dict(os.environ, KUBECONFIG=self.kubeconfig, HOME=self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.lab.poll() is None:
            self.lab.send_signal(signal.SIGTERM)
            try:
                self.lab.wait(30)
            except subprocess.TimeoutExpired:
                self.lab.kill()
                self.lab.wait()
        self.log.close()
        if not os.environ.get("FAIRLEAD_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- kubectl

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

    # -- what only the lab can tell or do

    def lab_request(self, path):
        config = json.load(open(self.kubeconfig))
        import base64, ssl, urllib.request
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w", dir=self.dir, suffix=".pem") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]).decode() + base64.b64decode(user["client-key-data"]).decode())
            pem.flush()
            context.load_cert_chain(pem.name)
        with urllib.request.urlopen(cluster["server"] + "/fairlead-lab/" + path, context=context, timeout=20) as answer:
            return json.loads(answer.read())

    def records(self):
        return self.lab_request("records")

    def ruleset(self, uid):
        return self.lab_request("ruleset?uid=" + uid)

    def kill(self, namespace, pod, container, sig=9):
        return self.lab_request(f"kill?namespace={namespace}&pod={pod}&container={container}&signal={sig}")

    def api_down(self, seconds):
        return self.lab_request(f"api-down?seconds={seconds}")

    # -- Fairlead on it

    def install_operator(self):
        for path in sorted((ROOT / "config/crd").iterdir()):
            self.kubectl("apply", "-f", str(path))
        self.kubectl("apply", "-f", str(ROOT / "config/manifests/operator.yaml"))
        for i in (0, 1):
            self.apply(operator_pod(i))
        self.wait_until(lambda: all(pod_ready(p) for p in self.get("pods", "-n", "fairlead-system")["items"]), 20, "the operator's pods are ready")

    def install_cni(self, version="v1.28.5", values=None):
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
        spec = {"version": version, "namespace": "istio-cni"}
        if values:
            spec["values"] = values
        self.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": spec})

    def condition(self, kind="Ready"):
        cni = self.get("istiocni", "default")
        for c in cni.get("status", {}).get("conditions", []):
            if c["type"] == kind:
                return c
        return {}

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


def pod_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


def operator_pod(i):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"fairlead-operator-{i}", "namespace": "fairlead-system", "labels": {"app": "fairlead-operator"}},
            "spec": {"serviceAccountName": "fairlead-operator", "terminationGracePeriodSeconds": 5,
                     "containers": [{"name": "operator", "image": "fairlead-operator:dev",
                                     "securityContext": {"runAsUser": 65532, "capabilities": {"drop": ["ALL"]}},
                                     "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                                     "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 2}}]}}


def mesh_pod(name, namespace="mesh", app=("mesh-sample", "server"), node=None, probe=True, mesh=True, grace=2):
    """A pod of two containers: the application, and the proxy that its traffic is redirected to."""
    application = {"name": "app", "image": "mesh-sample:dev", "command": list(app), "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}}}
    if probe:
        application["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    proxy = {"name": "istio-proxy", "image": "mesh-sample:dev", "command": ["mesh-sample", "proxy"], "securityContext": {"runAsUser": 1337, "runAsGroup": 1337, "capabilities": {"drop": ["ALL"]}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
           "spec": {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": grace, "containers": [proxy, application] if mesh else [application]}}
    if mesh:
        pod["metadata"]["annotations"] = {"sidecar.istio.io/status": "{}"}
    if node:
        pod["spec"]["nodeName"] = node
    return pod


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
        self.join(30)
