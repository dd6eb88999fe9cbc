#!/usr/bin/env python3
"""make bench: one table of what Fairlead costs on a real three-node cluster on this machine, in one run: pod start and ADD with
the plugin and without, memory, and the API requests of one update."""
import collections
import json
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "k8s"), str(HERE.parent / "e2e")]
import build  # noqa: E402
import fixture  # noqa: E402
from client import pod_ready  # noqa: E402

PODS = 20


def start_times(c, label):
    """Seconds from a mesh pod's creation to Ready, one pod after the other, on one node."""
    c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
    seconds = []
    for i in range(PODS):
        began = time.monotonic()
        c.create_pods(c.mesh_pod(f"{label}-{i}", namespace="bench", node="node-1", probe=False, grace=0))
        while not pod_ready(json.loads(c.api.get(f"/api/v1/namespaces/bench/pods/{label}-{i}"))):
            time.sleep(0.01)
        seconds.append(time.monotonic() - began)
        c.delete_pod("bench", f"{label}-{i}")
    c.kubectl("delete", "namespace", "bench")
    return seconds


def network_setup(c):
    """(count, seconds) of containerd's set-ups of pod networks on node-1, as its own metrics count them."""
    text = c.on_node("node-1", sys.executable, "-c", "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:1338/v1/metrics').read().decode())")
    totals = {}
    for line in text.splitlines():
        for part in ("count", "sum"):
            if f"network_plugin_operations_duration_seconds_seconds_{part}" in line and 'operation_type="set_up_pod"' in line:
                totals[part] = float(line.rsplit(" ", 1)[1])
    return totals.get("count", 0), totals.get("sum", 0)


def set_up_ms(c, work):
    """What `work` returns, and the milliseconds that containerd took to set up a pod's network meanwhile, on average."""
    count, total = network_setup(c)
    result = work()
    more, longer = network_setup(c)
    return result, (longer - total) / max(1, more - count) * 1000


def memory(c, namespace, program):
    """MB of the largest of the namespace's processes of that program: what Kubernetes counts (the working set of its cgroup, as
    `kubectl top` shows it), what is resident (libraries that other processes share included), what is its own alone."""
    found = []
    for pod in c.get("pods", "-n", namespace)["items"]:
        for pid in c.pids(pod["metadata"]["uid"]):
            if program in open(f"/proc/{pid}/cmdline").read():
                status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":" in line)
                path = next(line.split(":", 2)[2] for line in open(f"/proc/{pid}/cgroup").read().splitlines() if ":memory:" in line)
                cgroup = pathlib.Path("/sys/fs/cgroup/memory" + path)
                stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
                counted = int((cgroup / "memory.usage_in_bytes").read_text()) - int(stat["total_inactive_file"])
                found.append((counted / 2**20, *(int(status[k].split()[0]) / 1024 for k in ("VmRSS", "RssAnon"))))
    return [max(column) for column in zip(*found)]


def requests_between(c, begin, end):
    """Requests in the API server's audit log, by who sent them: "operator list", ..."""
    counts = collections.Counter()
    for line in open(c.state / "logs/audit.log"):
        e = json.loads(line)
        user = e["user"]["username"]
        who = {"system:serviceaccount:fairlead-system:fairlead-operator": "operator", "system:serviceaccount:istio-cni:istio-cni": "agents"}.get(user)
        if who and begin <= e["requestReceivedTimestamp"] <= end:
            lease = e.get("objectRef", {}).get("resource") == "leases"
            counts[who, "lease" if lease else e["verb"]] += 1
    return counts


def stamp():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000000Z"


def main():
    why = build.missing()
    if why:
        sys.exit("no cluster: " + why)
    c = fixture.cluster()
    try:
        start_times(c, "warm")
        without, without_ms = set_up_ms(c, lambda: start_times(c, "without"))
        fixture.install(c)
        with_plugin, with_ms = set_up_ms(c, lambda: start_times(c, "with"))
        time.sleep(3)
        begin = stamp()
        time.sleep(1)
        seconds = time.monotonic()
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        c.wait_ready()
        seconds = time.monotonic() - seconds
        time.sleep(3)
        counts = requests_between(c, begin, stamp())
        agent, operator = memory(c, "istio-cni", "install-cni"), memory(c, "fairlead-system", "fairlead-operator")
        median = lambda rows: statistics.median(rows)
        rows = [("median pod start without the plugin", f"{median(without):.2f} s"), ("median pod start with it", f"{median(with_plugin):.2f} s"),
                ("ratio", f"{median(with_plugin) / median(without):.2f}"),
                ("containerd's set-up of a pod's network without it", f"{without_ms:.1f} ms"), ("with it", f"{with_ms:.1f} ms"), ("so an ADD takes", f"{with_ms - without_ms:.1f} ms"),
                ("agent's memory: counted / resident / private", "{:.1f} / {:.1f} / {:.1f} MB".format(*agent)),
                ("operator's memory: counted / resident / private", "{:.1f} / {:.1f} / {:.1f} MB".format(*operator)),
                ("one update of three nodes", f"{seconds:.1f} s")]
        rows += [(f"requests of the {who} in it: {verb}", str(n)) for (who, verb), n in sorted(counts.items())]
        for name, value in rows:
            print(f"{name:<52}{value:>22}")
        (build.BUILD / "bench.json").write_text(json.dumps(dict(rows), indent=1) + "\n")
    finally:
        fixture.stop()


if __name__ == "__main__":
    main()
