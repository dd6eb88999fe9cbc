"""`update under load`: the CNI is updated by the documented commands while mesh pods are created and traffic flows. Every figure
of the table is measured from outside: pods' network namespaces, Events, the clients' own counts, kubectl's clock."""
import json
import time

from cluster import Background, mesh_pod, pod_ready

NODES = ("node-1", "node-2", "node-3")


def has_redirection(ruleset):
    """The rules that make the difference: outbound and inbound traffic of the pod goes to the proxy."""
    jumps = set()
    for entry in ruleset.get("nftables", []):
        rule = entry.get("rule")
        if rule and rule["table"] == "istio-proxy-nat":
            text = json.dumps(rule["expr"])
            for target in ("istio-redirect", "istio-in-redirect", "istio-inbound", "istio-output"):
                if f'"target": "{target}"' in text:
                    jumps.add(target)
            if rule["chain"] == "istio-redirect" and "15001" in text:
                jumps.add(":15001")
            if rule["chain"] == "istio-in-redirect" and "15006" in text:
                jumps.add(":15006")
    return {"istio-redirect", "istio-in-redirect", "istio-inbound", "istio-output", ":15001", ":15006"} <= jumps


def start_mesh(c):
    """A server and a client on every node; each client talks to all servers."""
    c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}})
    for node in NODES:
        c.apply(mesh_pod("server-" + node[-1], node=node))
    c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "the servers are ready")
    targets = ",".join(p["status"]["podIP"] + ":8080" for p in c.get("pods", "-n", "mesh")["items"])
    for node in NODES:
        c.apply(mesh_pod("client-" + node[-1], app=("mesh-sample", "client", targets), node=node, probe=False))
    c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "the clients run")
    c.wait_until(lambda: all(line_of(c, node) for node in NODES), 30, "every client has got answers from all servers")


def line_of(c, node):
    """The newest line of a client's counts; "" before its first answers."""
    return c.kubectl("logs", "-n", "mesh", "client-" + node[-1], "-c", "app", "--tail=1").strip()


def client_counts(c):
    total = {}
    for node in NODES:
        for k, v in json.loads(line_of(c, node)).items():
            total[k] = max(total.get(k, 0), v) if k == "slowestMs" else total.get(k, 0) + v
    return total


class Update:
    """One update under load. `say` gets lines for a person. With `there_and_back` the updates go on, to the old version and
    to the new one again, for as long as pods are created: then nearly all of them start in a window."""

    def __init__(self, cluster, to, pods_per_node=22, period=0.6, say=lambda line: None, show=None, there_and_back=None):
        self.there_and_back = there_and_back
        self.c, self.to, self.pods_per_node, self.period, self.say = cluster, to, pods_per_node, period, say
        self.show = show or (lambda args: self.c.kubectl(*args))
        self.figures = {}

    def run(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        before = client_counts(c)

        def create(n):
            if n < self.pods_per_node:
                c.apply(*[mesh_pod(f"load-{node[-1]}-{n}", namespace="load", node=node) for node in NODES])
                if n >= 4:  # and one goes, on each node in turn
                    c.kubectl("delete", "pod", "-n", "load", f"load-{n % 3 + 1}-{n - 4}", "--wait=false")

        creator = Background(create, self.period)
        creator.start()
        time.sleep(3)
        started = time.monotonic()
        start_wall = time.time()
        nodes_seen = {}

        def watch(_):
            versions = {}
            for pod in c.agents():
                if pod_ready(pod):
                    versions.setdefault(pod["spec"]["nodeName"], set()).add(pod["metadata"]["labels"]["app.kubernetes.io/version"])
            for node, running in sorted(versions.items()):
                if running == {self.to[1:]} and node not in nodes_seen:
                    nodes_seen[node] = time.monotonic() - started
                    self.say(f"      {node} runs {self.to} after {nodes_seen[node]:.1f} s")

        self.show(["patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": self.to}})])
        watcher = Background(watch, 0.15)
        watcher.start()
        self.show(["wait", "--for=condition=Ready", "istiocnis/default", "--timeout=5m"])
        waited = time.monotonic() - started
        wait_wall = time.time()
        at_return = {p["spec"]["nodeName"]: p["metadata"]["labels"]["app.kubernetes.io/version"] for p in c.agents() if pod_ready(p)}
        old_pods = [p["metadata"]["name"] for p in c.agents() if p["metadata"]["labels"]["app.kubernetes.io/version"] != self.to[1:]]
        self.show(["get", "istiocni", "default"])
        self.show(["get", "pods", "-n", "istio-cni"])
        watch(0)
        watcher.stop()
        windows = [(start_wall, wait_wall)]
        while self.there_and_back and creator.is_alive() and self.created(c) < 3 * self.pods_per_node:
            begin = time.time()
            version = (self.there_and_back, self.to)[len(windows) % 2 == 0]
            c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": version}}))
            c.wait_ready()
            old_pods += [p["metadata"]["name"] for p in c.agents() if p["metadata"]["labels"]["app.kubernetes.io/version"] != version[1:]]
            windows.append((begin, time.time()))
        while self.created(c) < 3 * self.pods_per_node:
            if creator.error:
                raise creator.error
            time.sleep(0.1)
        creator.stop()
        c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 60, "every pod of the load is ready")
        time.sleep(1.2)
        after = client_counts(c)
        self.figures = self.measure(before, after, waited, windows, at_return, old_pods)
        return self.figures

    @staticmethod
    def created(c):
        return sum(1 for r in c.records() if r["namespace"] == "load")

    def measure(self, before, after, waited, windows, at_return, old_pods):
        c = self.c
        start_wall, first_end = windows[0]
        records = {r["uid"]: r for r in c.records()}
        load = [r for r in records.values() if r["namespace"] == "load"]
        live = {p["metadata"]["uid"]: p for p in c.get("pods", "-n", "load")["items"]}
        without = [r["name"] for r in load if not r["rulesBeforeStart"] or (r["uid"] in live and not has_redirection(c.ruleset(r["uid"])))]
        in_window = [r for r in load if any(a * 1000 <= r["seenMs"] <= b * 1000 for a, b in windows)]
        outside = [r for r in load if r not in in_window]
        starts = lambda rows: max([(r["readyMs"] - r["seenMs"]) / 1000 for r in rows if r["readyMs"]], default=0.0)
        events = c.events("load") + c.events("mesh")
        agents = [r["readyMs"] for r in records.values() if r["namespace"] == "istio-cni" and start_wall * 1000 <= r["readyMs"] <= first_end * 1000]
        for e in events:
            if e["type"] == "Warning":
                self.say(f"      {e['reason']}: {e['involvedObject']['name']}: {e['message']}")
        return {
            "pods created under load": len(load),
            "of them in the update window": len(in_window),
            "pods deleted under load": len(load) - len(live),
            "pods without redirection rules": len(without),
            "sandbox failures": sum(e.get("count", 1) for e in events if e["reason"] == "FailedCreatePodSandBox"),
            "failed deletions of sandboxes": sum(e.get("count", 1) for e in events if e["reason"] == "FailedKillPodSandBox"),
            "failed readiness probes": sum(e.get("count", 1) for e in events if e["reason"] == "Unhealthy"),
            "requests": after["requests"] - before["requests"],
            "requests failed": after["failed"] - before["failed"],
            "requests outside the mesh": after["unmarked"] - before["unmarked"],
            "long connections broken": after["broken"] - before["broken"],
            "slowest pod start in the window (s)": round(starts(in_window), 2),
            "slowest pod start outside it (s)": round(starts(outside), 2),
            "kubectl wait returned after (s)": round(waited, 2),
            "last new agent ready after (s)": round(max(agents, default=0) / 1000 - start_wall, 2),
            "nodes on the old version when wait returned": sum(1 for v in at_return.values() if v != self.to[1:]) + len(old_pods) + (3 - len(at_return)),
        }


PROMISES = {
    "pods without redirection rules": ("U2", lambda f: f == 0),
    "sandbox failures": ("U2", lambda f: f == 0),
    "failed deletions of sandboxes": ("U3", lambda f: f == 0),
    "failed readiness probes": ("U1", lambda f: f == 0),
    "requests failed": ("U1", lambda f: f == 0),
    "requests outside the mesh": ("U1", lambda f: f == 0),
    "long connections broken": ("U1", lambda f: f == 0),
    "nodes on the old version when wait returned": ("U4", lambda f: f == 0),
}


def broken_promises(figures):
    return [name for name, (_, kept) in PROMISES.items() if not kept(figures[name])]
