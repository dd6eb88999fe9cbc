#!/usr/bin/env python3
"""A real Kubernetes cluster on this machine: API server, controller manager, scheduler, etcd, and nodes with containerd and
kubelet, all in namespaces of their own.

    kube_cluster.py up [--nodes N]     starts one that stays; prints its kubeconfig
    kube_cluster.py down               ends it
    with KubeCluster() as c: ...       in tests; ends with the test, however that ends

A supervisor process in the machine's own namespaces starts the cluster below it. When the supervisor ends, every process, mount
and interface goes with the namespaces; it removes what is left: cgroups, the link to the cluster and the state directory."""
import argparse
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import build  # noqa: E402
from client import ROOT, Client, pod_ready  # noqa: E402

STATE_ROOT = pathlib.Path("/var/tmp")
PREFIX = "fairlead-k8s-"
OWN = (ROOT / "VERSION").read_text().strip()
HUB = "localhost/fairlead"


# -- the supervisor

def remove_cgroups(identity):
    for hierarchy in pathlib.Path("/sys/fs/cgroup").iterdir():
        top = hierarchy / identity
        for _ in range(50):
            if not top.is_dir():
                break
            for directory, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass  # its last process is just ending
            time.sleep(0.1 if top.is_dir() else 0)


def remove_link(name):
    """It would go by itself with the cluster's network namespace, but a socket that still sends its last bytes keeps that alive."""
    subprocess.run(["ip", "link", "del", name], capture_output=True)


def sweep():
    """Takes away what supervisors left that were killed before they could."""
    names = {p.name for p in STATE_ROOT.glob(PREFIX + "*")} | {p.name for p in pathlib.Path("/sys/fs/cgroup").glob("*/" + PREFIX + "*")}
    for name in names:
        pid = name.removeprefix(PREFIX)
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            remove_link("flk" + pid)
            remove_cgroups(name)
            shutil.rmtree(STATE_ROOT / name, ignore_errors=True)


def supervise(nodes, with_parent):
    sweep()
    identity = PREFIX + str(os.getpid())
    state = STATE_ROOT / identity
    kubernetes, archives = build.kubernetes(), build.images()
    state.mkdir(mode=0o700)
    base = (198 << 24) + (18 << 16) + (os.getpid() % 32000) * 4  # a /30 of RFC 2544's range for the link to the cluster
    ip = lambda n: ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))
    link = f"flk{os.getpid()}"
    (state / "settings.json").write_text(json.dumps({
        "id": identity, "nodes": nodes, "address": ip(base + 2), "pause": f"{HUB}/pause:{OWN}", "kubernetes": str(kubernetes), "archives": [str(a) for a in archives]}))
    stop = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(s, lambda *_: stop.set())
    with open(state / "cluster.log", "w") as log:
        child = subprocess.Popen(["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private",
                                  sys.executable, str(HERE / "inside.py"), str(state)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                 preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))  # not even this supervisor's SIGKILL leaves it running
    try:
        children = f"/proc/{child.pid}/task/{child.pid}/children"
        while child.poll() is None and not open(children).read().split():
            time.sleep(0.01)
        inner = open(children).read().split()[0]
        while os.readlink(f"/proc/{inner}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        subprocess.run(["ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "netns", inner], check=True)
        subprocess.run(["ip", "addr", "add", ip(base + 1) + "/30", "dev", link], check=True)
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        end = time.monotonic() + 180
        while not (state / "ready").exists() and child.poll() is None and not stop.is_set() and time.monotonic() < end:
            stop.wait(0.05)
        if (state / "ready").exists():
            print("ready " + str(state), flush=True)
            if with_parent:
                threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
            while not stop.is_set() and child.poll() is None:
                stop.wait(0.2)
        else:
            print("failed: " + (state / "cluster.log").read_text()[-3000:].replace("\n", " | "), flush=True)
    finally:
        child.kill()
        child.wait()
        remove_link(link)
        remove_cgroups(identity)
        if not os.environ.get("FAIRLEAD_KEEP"):
            shutil.rmtree(state, ignore_errors=True)


# -- the tests' side

class Api:
    """The API server, as cluster-admin. Cheaper than a kubectl process, on a machine whose two cores are what is measured."""

    def __init__(self, state):
        config = json.loads((state / "pki/admin.kubeconfig").read_text())
        self.host = config["clusters"][0]["cluster"]["server"].removeprefix("https://").split(":")[0]
        self.context = ssl.create_default_context(cafile=str(state / "pki/ca.crt"))
        self.context.load_cert_chain(state / "pki/admin.crt", state / "pki/admin.key")

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.host, 443, context=self.context, timeout=timeout)

    def get(self, path):
        return self.request("GET", path)

    def request(self, method, path, body=None):
        connection = self.connect()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise OSError(f"{method} {path}: {answer.status} {text[:300]!r}")
            return text
        finally:
            connection.close()


class Observer(threading.Thread):
    """Watches every pod from the moment it exists: when it was seen, when it became Ready, and what its application said first."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.pods, self.over, self.lock = api, {}, threading.Event(), threading.Lock()
        self.questions = []
        threading.Thread(target=self.read_first_lines, daemon=True).start()
        self.start()

    def run(self):
        version = ""
        while not self.over.is_set():
            try:
                connection = self.api.connect(timeout=60)
                connection.request("GET", "/api/v1/pods?watch=1&timeoutSeconds=300" + (f"&resourceVersion={version}" if version else ""))
                answer = connection.getresponse()
                for line in answer:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self.note(event["object"], int(time.time() * 1000))
            except (OSError, http.client.HTTPException, ValueError):
                self.over.wait(0.2)

    def note(self, pod, now):
        meta = pod["metadata"]
        with self.lock:
            r = self.pods.setdefault(meta["uid"], {"uid": meta["uid"], "namespace": meta["namespace"], "name": meta["name"], "seenMs": now, "readyMs": 0, "rulesBeforeStart": None, "deletedMs": 0})
            if pod_ready(pod) and not r["readyMs"]:
                r["readyMs"] = now
            if meta.get("deletionTimestamp") and not r["deletedMs"]:
                r["deletedMs"] = now
            of_mesh = "sidecar.istio.io/status" in meta.get("annotations", {}) or meta.get("labels", {}).get("istio.io/dataplane-mode") == "ambient"
            if of_mesh and "tries" not in r and any(
                    "running" in s["state"] and s["name"] == "app" for s in pod["status"].get("containerStatuses", [])):
                r["tries"] = 0
                self.questions.append(r)

    def read_first_lines(self):
        while not self.over.is_set():
            with self.lock:
                waiting, self.questions = self.questions, []
            for r in waiting:
                try:
                    text = self.api.get(f"/api/v1/namespaces/{r['namespace']}/pods/{r['name']}/log?container=app&limitBytes=100").decode()
                    said = json.loads(text.split("\n")[0])["redirectedAtStart"]
                    with self.lock:
                        r["rulesBeforeStart"] = said
                except (OSError, ValueError, KeyError, http.client.HTTPException):
                    if r["tries"] < 20:  # not said yet, or just being deleted
                        r["tries"] += 1
                        with self.lock:
                            self.questions.append(r)
            self.over.wait(0.2)


class Serving(threading.Thread):
    """Asks each node's plugin socket, as the plugin would, which version answers; keeps every change: node -> [(time, version)]."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.changes, self.over = cluster, {}, threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            for node, root in self.cluster.node_roots().items():
                asked, version = time.time(), self.ask(root, 0.3)
                seen = self.changes.setdefault(node, [])
                if version and (not seen or seen[-1][1] != version):
                    seen.append((asked, version))
            self.over.wait(0.1)

    @staticmethod
    def ask(root, timeout):
        path = f"{root}/run/istio-cni/pluginevent.sock"
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(timeout)
                s.connect(path)
                s.sendall(b"GET /version HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")
                return json.loads(s.makefile("rb").read().split(b"\r\n\r\n", 1)[1])["version"]
        except (OSError, ValueError, IndexError, KeyError):
            return None


class KubeCluster(Client):
    """Kubernetes with its own processes: `control` does what only root on the machine can."""

    def __init__(self, nodes=3, state=None):
        self.supervisor = None
        if state is None:
            self.supervisor = subprocess.Popen([sys.executable, str(HERE / "kube_cluster.py"), "supervise", "--nodes", str(nodes), "--with-parent"], stdin=subprocess.PIPE,
                                               stdout=subprocess.PIPE, text=True, start_new_session=True)
            line = self.supervisor.stdout.readline().strip()
            if not line.startswith("ready "):
                self.supervisor.wait()
                raise RuntimeError("the cluster did not start: " + line)
            state = line.split()[1]
        self.state = pathlib.Path(state)
        super().__init__(str(self.state), self.state / "pki/admin.kubeconfig", [f"node-{i + 1}" for i in range(nodes)], f"{HUB}/mesh-sample:{OWN}")
        self.id = self.state.name
        self.api = Api(self.state)
        self.observer = Observer(self.api)
        self.roots = {}
        self.served = Serving(self)

    def stop(self):
        self.observer.over.set()
        self.served.over.set()
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait(60)

    def control(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(180)
            s.connect(str(self.state / "control.sock"))
            with s.makefile("rw") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                reply = json.loads(stream.readline())
        if "error" in reply:
            raise RuntimeError(f"{request}: {reply['error']}")
        return reply["result"]

    def on_node(self, node, *command, input=None):
        done = self.control(**{"do": "exec", "node": int(node.split("-")[1]), "command": command, "input": input})
        if done["status"] != 0:
            raise RuntimeError(f"{node}: {' '.join(command)}: {done['stderr'] or done['stdout']}")
        return done["stdout"]

    def restart(self, process, sig=signal.SIGTERM):
        self.control(do="signal", process=process, signal=int(sig))
        self.control(do="start", process=process)

    def node_roots(self):
        """node -> the node's file system, by way of one of its processes."""
        if any(not os.path.exists(f"{root}/run") for root in self.roots.values()) or len(self.roots) < len(self.nodes):
            self.roots = {}
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    words = open(f"/proc/{pid}/cmdline").read().split("\0")
                except OSError:
                    continue
                for node in self.nodes:
                    if words[0].endswith("containerd") and f"{self.state}/nodes/{node}/containerd.toml" in words:
                        self.roots[node] = f"/proc/{pid}/root"
        return self.roots

    def serving(self):
        return {node: list(changes) for node, changes in self.served.changes.items()}

    def serving_now(self):
        """node -> the version that answers there at this moment."""
        return {node: Serving.ask(root, 5) for node, root in self.node_roots().items()}

    # -- the same as the client does with kubectl, for what is asked often

    def create_pods(self, *pods):
        for pod in pods:
            self.api.request("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod)

    def delete_pod(self, namespace, name):
        self.api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}")

    def agents(self):
        return json.loads(self.api.get("/api/v1/namespaces/istio-cni/pods"))["items"]

    def log(self, namespace, pod, container, lines=1):
        return self.api.get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={lines}").decode()

    # -- what became of pods

    def records(self):
        with self.observer.lock:
            return [dict(r) for r in self.observer.pods.values()]  # rulesBeforeStart is None where a pod ended before it could be asked

    def pids(self, uid):
        """The pod's processes, sandbox first (it is the oldest)."""
        found = []
        for file in pathlib.Path(f"/sys/fs/cgroup/pids/{self.id}").glob(f"*/kubepods/**/pod{uid}/**/cgroup.procs"):
            found += [int(p) for p in file.read_text().split()]
        return sorted(found)

    def in_pod(self, uid, *command):
        pids = self.pids(uid)
        if not pids:
            raise OSError(f"pod {uid} has no process")
        return subprocess.run(["nsenter", f"--net=/proc/{pids[0]}/ns/net", *command], capture_output=True, text=True, check=True).stdout

    def ruleset(self, uid):
        return json.loads(self.in_pod(uid, "nft", "-j", "list", "ruleset"))

    def kill(self, uid, program):
        """SIGKILL to the processes of that program in the pod; one that has just ended by itself is no error."""
        for pid in self.pids(uid):
            try:
                if program in open(f"/proc/{pid}/cmdline").read():
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    # -- Fairlead on it

    def install_operator(self):
        self.kubectl("apply", "-f", str(ROOT / "config/manifests/fairlead.yaml"))
        self.kubectl("rollout", "status", "-n", "fairlead-system", "deployment/fairlead-operator", "--timeout=60s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["up", "down", "supervise"])
    arguments.add_argument("--nodes", type=int, default=3)
    arguments.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    o = arguments.parse_args()
    mark = ROOT / "build/k8s/up"
    if o.what == "supervise":
        supervise(o.nodes, o.with_parent)
    elif o.what == "up":
        why = build.missing()
        if why:
            sys.exit("no cluster: " + why)
        started = time.monotonic()
        build.kubernetes()
        log = open(build.BUILD / "up.log", "w")
        supervisor = subprocess.Popen([sys.executable, __file__, "supervise", "--nodes", str(o.nodes)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        line = supervisor.stdout.readline().strip()
        if not line.startswith("ready "):
            sys.exit("the cluster did not start: " + line)
        mark.write_text(str(supervisor.pid))
        print(f"# {o.nodes} nodes after {time.monotonic() - started:.0f} s\nexport KUBECONFIG={line.split()[1]}/pki/admin.kubeconfig")
    elif mark.exists():
        pid = int(mark.read_text())
        mark.unlink()
        state = STATE_ROOT / f"{PREFIX}{pid}"
        if state.exists() and os.path.exists(f"/proc/{pid}"):
            os.kill(pid, signal.SIGTERM)
            while os.path.exists(f"/proc/{pid}") and state.exists():
                time.sleep(0.1)
        sweep()
    else:
        sweep()


if __name__ == "__main__":
    main()
