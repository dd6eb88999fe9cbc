"""`update under load`: the CNI is updated by the documented commands while mesh pods are created and traffic flows. Every figure
of the table is measured from outside: pods' network namespaces, Events, the clients' own counts, kubectl's clock."""
import datetime
import json
import time

from client import Background, pod_ready


def has_redirection(ruleset):
    """The rules that make the difference: outbound and inbound traffic of the pod goes to the proxy, of either mode."""
    targets = {}
    for entry in ruleset.get("nftables", []):
        rule = entry.get("rule")
        if rule:
            for e in rule["expr"]:
                if "jump" in e:
                    targets.setdefault(rule["table"], set()).add(e["jump"]["target"])
                if "redirect" in e:
                    targets.setdefault(rule["table"], set()).add(e["redirect"]["port"])
    sidecar = {"istio-redirect", "istio-in-redirect", "istio-inbound", "istio-output", 15001, 15006}
    ambient = {"istio-prerouting", "istio-output", 15001, 15006}
    return sidecar <= targets.get("istio-proxy-nat", set()) or ambient <= targets.get("istio-ambient-nat", set())


def start_mesh(c, **options):
    """A server and a client on every node; each client talks to all servers. `options` go to mesh_pod."""
    c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}})
    for node in c.nodes:
        c.apply(c.mesh_pod("server-" + node[-1], node=node, **options))
    c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "the servers are ready")
    targets = ",".join(p["status"]["podIP"] + ":8080" for p in c.get("pods", "-n", "mesh")["items"])
    for node in c.nodes:
        c.apply(c.mesh_pod("client-" + node[-1], app=("mesh-sample", "client", targets), node=node, probe=False, **options))
    c.wait_until(lambda: all(pod_ready(p) for p in c.get("pods", "-n", "mesh")["items"]), 30, "the clients run")
    c.wait_until(lambda: all(line_of(c, node) for node in c.nodes), 30, "every client has got answers from all servers")


def line_of(c, node):
    """The newest line of a client's counts; "" before its first answers."""
    return c.log("mesh", "client-" + node[-1], "app").strip()


def client_counts(c):
    total = {}
    for node in c.nodes:
        for k, v in json.loads(line_of(c, node)).items():
            if k != "slowest":
                total[k] = total.get(k, 0) + v
    return total


def slow_requests(c):
    """[began, ended], in seconds since the epoch: of each client and second, the request that took longest."""
    lines = [json.loads(line) for node in c.nodes for line in c.log("mesh", "client-" + node[-1], "app", lines=2000).splitlines()]
    return [(at / 1000, (at + took) / 1000) for at, took in (line["slowest"] for line in lines if "slowest" in line)]


def slowest(requests):
    return round(max((ended - began for began, ended in requests), default=0), 2)


def seconds_of(event):
    """When an Event was last seen, in seconds since the epoch; Kubernetes keeps whole seconds, or microseconds in eventTime."""
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def of_ready_pod(event, records):
    """Whether an Event tells of a pod that had been Ready before and was not being deleted: a probe may fail while a pod starts."""
    r = records.get(event["involvedObject"].get("uid"))
    if r is None:
        return True
    at = seconds_of(event) * 1000
    return bool(r["readyMs"]) and at > r["readyMs"] + 1000 and not (r.get("deletedMs") and at >= r["deletedMs"] - 1000)


def of_sandbox(event):
    """Whether it tells of a sandbox whose deletion failed, which takes the CNI plugin. A container that could not be killed, since
    containerd had lost its shim ("ttrpc: closed"), has not come that far."""
    return event["reason"] == "FailedKillPodSandBox" or event["reason"] == "FailedKillPod" and "KillPodSandbox" in event["message"]


def start_times(where, records):
    seconds = sorted((r["readyMs"] - r["seenMs"]) / 1000 for r in records if r["readyMs"])
    at = lambda share: round(seconds[min(len(seconds) - 1, int(share * len(seconds)))], 2) if seconds else 0.0
    return {f"median pod start {where} (s)": at(0.5), f"p95 pod start {where} (s)": at(0.95), f"slowest pod start {where} (s)": at(1)}


def old_agents(c, version):
    """The agents of another version that have not ended. (The pod of one that has is there for another moment.)"""
    return [p["metadata"]["name"] for p in c.agents() if p["metadata"]["labels"]["app.kubernetes.io/version"] != version[1:] and p["status"].get("phase") not in ("Succeeded", "Failed")]


class Update:
    """One update under load. `say` gets lines for a person. With `there_and_back` the updates go on, to the old version and
    to the new one again, for as long as pods are created and for at least so many `updates`. `to` None: the same load
    without an update, to compare with."""

    def __init__(self, cluster, to, pods_per_node=22, period=0.6, say=lambda line: None, show=None, there_and_back=None, updates=1, **options):
        self.there_and_back, self.updates = there_and_back, updates
        self.c, self.to, self.pods_per_node, self.period, self.say = cluster, to, pods_per_node, period, say
        self.show = show or (lambda args: self.c.kubectl(*args))
        self.options = options  # of mesh_pod
        self.figures = {}

    def run(self):
        c = self.c
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        before = client_counts(c)
        self.began_ms = time.time() * 1000

        def create(n):
            if n < self.pods_per_node:
                c.create_pods(*[c.mesh_pod(f"load-{node[-1]}-{n}", namespace="load", node=node, probe=False, **self.options) for node in c.nodes])
                if n >= 4:  # and one goes, on each node in turn
                    c.delete_pod("load", f"load-{n % 3 + 1}-{n - 4}")

        creator = Background(create, self.period)
        creator.start()
        time.sleep(3)
        if self.to is None:
            self.finish_load(creator)
            load = [r for r in c.records() if self.is_load(r)]
            return {**start_times("without an update", load), "slowest request without an update (s)": slowest(self.requests())}
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
        watcher = Background(watch, 0.25)
        watcher.start()
        self.show(["wait", "--for=condition=Ready", "istiocnis/default", "--timeout=5m"])
        waited = time.monotonic() - started
        wait_wall = time.time()
        self.serving, self.serving_now = (c.serving(), c.serving_now()) if hasattr(c, "serving") else ({}, {})
        at_return = {p["spec"]["nodeName"]: p["metadata"]["labels"]["app.kubernetes.io/version"] for p in c.agents() if pod_ready(p)}
        old_pods = old_agents(c, self.to)
        self.show(["get", "istiocni", "default"])
        self.show(["get", "pods", "-n", "istio-cni"])
        watch(0)
        watcher.stop()
        windows = [(start_wall, wait_wall)]
        while self.there_and_back and (len(windows) < self.updates or (creator.is_alive() and self.created(c) < len(c.nodes) * self.pods_per_node)):
            begin = time.time()
            version = (self.there_and_back, self.to)[len(windows) % 2 == 0]
            c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": version}}))
            c.wait_ready()
            old_pods += old_agents(c, version)
            windows.append((begin, time.time()))
        self.finish_load(creator)
        time.sleep(1.2)
        after = client_counts(c)
        self.figures = self.measure(before, after, waited, windows, at_return, old_pods)
        return self.figures

    def finish_load(self, creator):
        while self.created(self.c) < len(self.c.nodes) * self.pods_per_node:
            if creator.error:
                raise creator.error
            time.sleep(0.1)
        creator.stop()
        self.c.wait_until(lambda: all(pod_ready(p) for p in self.c.get("pods", "-n", "load")["items"]), 60, "every pod of the load is ready")

    def created(self, c):
        return sum(1 for r in c.records() if self.is_load(r))

    def requests(self):
        return [r for r in slow_requests(self.c) if r[0] >= self.began_ms / 1000]

    def is_load(self, record):
        return record["namespace"] == "load" and record["seenMs"] >= self.began_ms - 1

    def measure(self, before, after, waited, windows, at_return, old_pods):
        c = self.c
        start_wall, first_end = windows[0]
        records = {r["uid"]: r for r in c.records()}
        load = [r for r in records.values() if self.is_load(r)]
        live = {p["metadata"]["uid"]: p for p in c.get("pods", "-n", "load")["items"]}
        without = [r["name"] for r in load if r["rulesBeforeStart"] is False or (r["uid"] in live and not has_redirection(c.ruleset(r["uid"])))]
        in_window = [r for r in load if any(a * 1000 <= r["seenMs"] <= b * 1000 for a, b in windows)]
        outside = [r for r in load if r not in in_window]
        events = [e for e in c.events("load") + c.events("mesh") if seconds_of(e) >= self.began_ms / 1000 - 1]
        agents = [r["readyMs"] for r in records.values() if r["namespace"] == "istio-cni" and start_wall * 1000 <= r["readyMs"] <= first_end * 1000]
        self.warnings = [f"{e['reason']}: {e['involvedObject']['name']}: {e['message']}" for e in events
                         if e["type"] == "Warning" and (e["reason"] != "Unhealthy" or of_ready_pod(e, records))]
        self.warnings += [f"without rules: {name}" for name in without]
        for warning in self.warnings:
            self.say("      " + warning)
        slow = self.requests()
        during = [r for r in slow if any(r[0] <= b and a <= r[1] for a, b in windows)]
        figures = {
            **({"updates": len(windows)} if self.there_and_back else {}),
            "pods created under load": len(load),
            "of them in the update window": len(in_window),
            "pods deleted under load": len(load) - len(live),
            "pods without redirection rules": len(without),
            "sandbox failures": sum(e.get("count", 1) for e in events if e["reason"] == "FailedCreatePodSandBox"),
            "failed deletions of sandboxes": sum(e.get("count", 1) for e in events if of_sandbox(e)),
            "failed readiness probes": sum(e.get("count", 1) for e in events if e["reason"] == "Unhealthy" and of_ready_pod(e, records)),
            "requests": after["requests"] - before["requests"],
            "requests failed": after["failed"] - before["failed"],
            "slowest request in the window (s)": slowest(during),
            "slowest request outside it (s)": slowest(r for r in slow if r not in during),
            "requests outside the mesh": after["unmarked"] - before["unmarked"],
            "long connections broken": after["broken"] - before["broken"],
            **start_times("in the window", in_window),
            **start_times("outside it", outside),
            "kubectl wait returned after (s)": round(waited, 2),
            "last new agent ready after (s)": round(max(agents, default=0) / 1000 - start_wall, 2),
            "nodes on the old version when wait returned": sum(1 for v in at_return.values() if v != self.to[1:]) + len(old_pods) + (len(c.nodes) - len(at_return)),
        }
        if self.serving_now:
            served = [at for changes in self.serving.values() for at, version in changes if version == self.to[1:] and start_wall <= at <= first_end]
            figures["wait returned after the last node served the new version by (s)"] = round(first_end - max(served, default=first_end), 2)
            figures["nodes that did not serve the new version when wait returned"] = sum(1 for version in self.serving_now.values() if version != self.to[1:])
        return figures


# What must be 0, and for which promise. How long after the last node `kubectl wait` returns is told in the figures; a machine
# that is busy may take its time.
PROMISES = {
    "pods without redirection rules": "U2",
    "sandbox failures": "U2",
    "failed deletions of sandboxes": "U3",
    "failed readiness probes": "U1",
    "requests failed": "U1",
    "requests outside the mesh": "U1",
    "long connections broken": "U1",
    "nodes on the old version when wait returned": "U4",
    "nodes that did not serve the new version when wait returned": "U4",
}


def broken_promises(figures):
    return [name for name in PROMISES if figures.get(name, 0) != 0]
