"""What a full update of the CNI costs the operator in clusters of 500 to 5,000 nodes, simulated on the lab: a tenth of the nodes at once,
with four pods and two fifths of a namespace for each node, and a revision for each hundred. The operator is the real program; nodes and
pods are objects only."""
import base64
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from client import BUILD, ROOT  # noqa: E402
from cluster import Cluster  # noqa: E402

SIZES = (500, 1000, 2000, 5000)
METRICS = 18443


class Api:
    """One connection to the lab's API server."""

    def __init__(self, kubeconfig):
        config = json.load(open(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]).decode() + base64.b64decode(user["client-key-data"]).decode())
            pem.flush()
            context.load_cert_chain(pem.name)
        self.connection = http.client.HTTPSConnection(urllib.parse.urlparse(cluster["server"]).netloc, context=context, timeout=120)

    def send(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)


def fill(api, nodes):
    """Namespaces, and pods of which most say which revision injected them."""
    revisions = [f"r{i}" for i in range(max(1, nodes // 100))]
    for i in range(nodes * 2 // 5):
        api.send("POST", "/api/v1/namespaces", {"metadata": {"name": f"team-{i}", "labels": {"istio.io/rev": revisions[i % len(revisions)], "kubernetes.io/metadata.name": f"team-{i}"}}})
    for i in range(nodes * 4):
        ns = f"team-{i % (nodes * 2 // 5)}"
        containers = [{"name": n, "image": "registry.example/app:1", "env": [{"name": f"SETTING_{k}", "value": "x" * 20} for k in range(6)]} for n in ("app", "istio-proxy")]
        api.send("POST", f"/api/v1/namespaces/{ns}/pods", {
            "metadata": {"name": f"app-{i}", "labels": {"app": f"app-{i % 50}", "pod-template-hash": "7d9c5b8f6d"}, "annotations": {"istio.io/rev": revisions[i % len(revisions)], "sidecar.istio.io/status": "{}"}},
            "spec": {"nodeName": f"simulated-{i % nodes + 1:05}", "containers": containers}})
    for name in revisions:
        api.send("POST", "/apis/sailoperator.io/v1/istiorevisions", {
            "apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": {"name": name},
            "spec": {"version": "v1.28.6", "namespace": "istio-system", "values": {"revision": name, "global": {"istioNamespace": "istio-system"}}}})
    return revisions


class Process:
    def __init__(self, pid):
        self.pid = pid

    def cpu(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what):
        return next(int(line.split()[1]) for line in open(f"/proc/{self.pid}/status") if line.startswith(what)) / 1024


def requests():
    """To the API server, by method; watches are GETs."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=10).read().decode()
    counts = {}
    for line in text.splitlines():
        if line.startswith("rest_client_requests_total{"):
            method = line.split('method="')[1].split('"')[0]
            counts[method] = counts.get(method, 0) + float(line.rsplit(" ", 1)[1])
    return counts


def wait(what, check, seconds):
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


CNI = "/apis/sailoperator.io/v1/istiocnis/default"


def ready(api, version):
    """Whether every node runs that version of the CNI, and the operator has looked at the last change."""
    o = api.send("GET", CNI)
    state = {k["type"]: k for k in o.get("status", {}).get("conditions", [])}.get("Ready", {})
    return o.get("status", {}).get("runningVersion") == version and state.get("status") == "True" and state.get("observedGeneration") == o["metadata"]["generation"]


def make_cni(api, version):
    """A tenth of the nodes at a time."""
    api.send("POST", CNI.rsplit("/", 1)[0], {"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {"version": version, "namespace": "istio-cni", "rollout": {"maxSurge": "10%"}}})


def token_of(api, namespace, account):
    """A token of a service account, for an hour."""
    return api.send("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}})["status"]["token"]


def measure(nodes):
    with Cluster(nodes=0, args=["--simulated-nodes", str(nodes)]) as c:
        api = Api(c.kubeconfig)
        c.apply_crds()
        for ns in ("istio-system", "istio-cni", "fairlead-system"):
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})
        revisions = fill(api, nodes)
        began = time.monotonic()
        log = open(os.path.join(c.dir, "operator.log"), "w")
        process = subprocess.Popen([str(BUILD / "fairlead-operator"), "--kubeconfig", c.kubeconfig, "--leader-elect=false", "--namespace=fairlead-system",
                                    "--health-probe-bind-address=0", f"--metrics-bind-address=127.0.0.1:{METRICS}"], stdout=log, stderr=log)
        try:
            p = Process(process.pid)
            make_cni(api, "v1.28.5")
            row = {}
            wait("the first version is ready", lambda: ready(api, "v1.28.5"), 600)
            wait("the revisions are ready", lambda: all(any(k["type"] == "Ready" and k["status"] == "True" for k in o.get("status", {}).get("conditions", []))
                                                        for o in api.send("GET", "/apis/sailoperator.io/v1/istiorevisions")["items"]), 600)
            row["start s"] = time.monotonic() - began
            time.sleep(3)
            cpu, asked, began = p.cpu(), requests(), time.monotonic()
            time.sleep(10)
            row["idle CPU %"] = (p.cpu() - cpu) / (time.monotonic() - began) * 100
            cpu, began = p.cpu(), time.monotonic()
            asked = requests()
            api.send("PATCH", CNI, {"spec": {"version": "v1.28.6"}})
            wait("the update is complete", lambda: ready(api, "v1.28.6"), 900)
            row["update s"] = time.monotonic() - began
            row["CPU s"] = p.cpu() - cpu
            after = requests()
            row["reads"] = after["GET"] - asked["GET"]
            row["writes"] = sum(v for k, v in after.items() if k != "GET") - sum(v for k, v in asked.items() if k != "GET")
            row["memory MB"] = p.memory("VmRSS")
            row["peak MB"] = p.memory("VmHWM")
            return {"nodes": nodes, "revisions": len(revisions), "pods": nodes * 5, **row}
        finally:
            process.terminate()
            process.wait(20)


def hand_off(times=10):
    """Seconds from the end of a leading operator, asked to end, until the other one leads."""
    with Cluster() as c:
        c.apply_crds()
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fairlead-system"}})

        def start(n):
            log = os.path.join(c.dir, f"operator-{n}.log")
            with open(log, "w") as out:
                process = subprocess.Popen([str(BUILD / "fairlead-operator"), "--kubeconfig", c.kubeconfig, "--namespace=fairlead-system", "--health-probe-bind-address=0", "--metrics-bind-address=0"], stdout=out, stderr=out)
            return process, lambda: "became leader" in open(log).read()

        leader, leads = start(0)
        wait("the first operator leads", leads, 30)
        took = []
        for n in range(1, times + 1):
            next_one, next_leads = start(n)
            time.sleep(2)
            began = time.monotonic()
            leader.terminate()
            while not next_leads():
                time.sleep(0.005)
            took.append(time.monotonic() - began)
            leader.wait(20)
            leader = next_one
        leader.terminate()
        leader.wait(20)
        return sorted(took)


def main():
    took = hand_off()
    print(f"Operator: a leader that is asked to end is followed by the next one within {took[len(took) // 2]:.2f} s (median of {len(took)}), {took[-1]:.2f} s at most")
    print("Operator: an update of the CNI, simulated nodes, a tenth of them at a time")
    rows = []
    for nodes in map(int, sys.argv[1:] or SIZES):
        rows.append(measure(nodes))
        if len(rows) == 1:
            print("  " + "  ".join(f"{k:>10}" for k in rows[0]))
        print("  " + "  ".join(f"{v:>10}" if isinstance(v, int) else f"{v:>10.1f}" for v in rows[-1].values()), flush=True)
    first, last = rows[0], rows[-1]
    if len(rows) > 1:
        times = last["nodes"] / first["nodes"]
        print(f"  from {first['nodes']} to {last['nodes']} nodes, {times:.0f} times as many: " + ", ".join(f"{k} {last[k] / max(first[k], 0.01):.1f} times" for k in ("CPU s", "reads", "writes", "peak MB")))


if __name__ == "__main__":
    main()
