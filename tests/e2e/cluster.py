"""A lab cluster for the tests and the demo: starts it and takes it away again."""
import base64
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request

from client import BUILD, ROOT, Client, pod_ready


class Cluster(Client):
    """with Cluster() as c: c.kubectl("get", "nodes")"""

    def __init__(self, nodes=3, images=None, args=()):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # `with` ends the lab and takes its directory away, as with Ctrl-C
        directory = tempfile.mkdtemp(prefix="fairlead-e2e-")
        super().__init__(directory, directory + "/state/kubeconfig", [f"node-{i + 1}" for i in range(nodes)], "mesh-sample:dev")
        command = [str(BUILD / "fairlead-lab"), "up", "--nodes", str(nodes), "--state-dir", directory + "/state", "--with-parent", *args]
        if images:
            command += ["--images", str(images)]
        self.log_file = open(directory + "/lab.log", "w")
        self.lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log_file, text=True, start_new_session=True)
        if self.lab.stdout.readline().strip() != "ready":
            self.lab.wait()
            raise RuntimeError("the lab did not start: " + open(directory + "/lab.log").read())

    def stop(self):
        if self.lab.poll() is None:
            self.lab.send_signal(signal.SIGTERM)
            try:
                self.lab.wait(30)
            except subprocess.TimeoutExpired:
                self.lab.kill()
                self.lab.wait()
        self.log_file.close()
        if not os.environ.get("FAIRLEAD_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- what only the lab can tell or do

    def lab_request(self, path):
        config = json.load(open(self.kubeconfig))
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w", dir=self.dir, suffix=".pem") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]).decode() + base64.b64decode(user["client-key-data"]).decode())
            pem.flush()
            context.load_cert_chain(pem.name)
        with urllib.request.urlopen(cluster["server"] + "/fairlead-lab/" + path, context=context, timeout=20) as answer:
            return json.loads(answer.read())

    def records(self):
        """`netns` and `root`: the pod's network namespace and its node's file system, as paths that can be opened here."""
        records = self.lab_request("records")
        for r in records:
            if r["netns"]:
                r["netns"] = f"/proc/{self.inner()}/root{r['netns']}"
                r["root"] = r["netns"].split("/var/run/netns/")[0]
        return records

    def inner(self):
        """The process of the lab that has its own process numbers, by ours."""
        return pathlib.Path(f"/proc/{self.lab.pid}/task/{self.lab.pid}/children").read_text().split()[0]

    def ruleset(self, uid):
        return self.lab_request("ruleset?uid=" + uid)

    def kill(self, namespace, pod, container, sig=9):
        return self.lab_request(f"kill?namespace={namespace}&pod={pod}&container={container}&signal={sig}")

    def api_down(self, seconds):
        return self.lab_request(f"api-down?seconds={seconds}")

    def install_operator(self):
        self.apply_crds()
        self.kubectl("apply", "-f", str(ROOT / "config/manifests/operator.yaml"))
        for i in (0, 1):
            self.apply(operator_pod(i))
        self.wait_until(lambda: all(pod_ready(p) for p in self.get("pods", "-n", "fairlead-system")["items"]), 20, "the operator's pods are ready")


def operator_pod(i):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"fairlead-operator-{i}", "namespace": "fairlead-system", "labels": {"app": "fairlead-operator"}},
            "spec": {"serviceAccountName": "fairlead-operator", "terminationGracePeriodSeconds": 5,
                     "containers": [{"name": "operator", "image": "fairlead-operator:dev",
                                     "securityContext": {"runAsUser": 65532, "capabilities": {"drop": ["ALL"]}},
                                     "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                                     "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 2}}]}}
