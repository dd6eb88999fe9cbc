#!/usr/bin/env python3
"""The demo: a three-node cluster in which the Istio CNI is updated under traffic, and the figures of what that did."""
import json
import shutil
import sys
import time

from client import pod_ready
from cluster import Cluster
from scenario import PROMISES, Update, broken_promises, start_mesh

STARTED = time.monotonic()
BOLD, GREEN, RED, DIM, END = ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 5


def step(text):
    print(f"{DIM}[{time.monotonic() - STARTED:5.1f} s]{END} {text}", flush=True)


def main():
    with Cluster() as c:
        tool = "kubectl" if shutil.which("kubectl") and c.cli == "kubectl" else "fairlead"

        def show(args):
            words = [f"'{a}'" if "{" in a else a for a in args]
            print(f"\n{BOLD}$ {tool} {' '.join(words)}{END}", flush=True)
            out = c.kubectl(*args, timeout=320)
            print(out, end="", flush=True)
            return out

        step("a cluster of three nodes is up (network namespaces, real CNI plugins, an API server with TLS and RBAC)")
        c.install_operator()
        step("the operator runs in two replicas, one of them leads")
        c.install_cni("v1.28.5")
        c.wait_ready()
        step("IstioCNI v1.28.5 is Ready on all nodes")
        start_mesh(c)
        step("a mesh: three servers, three clients; nine long connections and sixty new ones a second, all through sidecars")
        step("the update, by the documented commands, while three mesh pods are created every 0.6 s")
        update = Update(c, "v1.28.6", say=step, show=show)
        figures = update.run()

        print(f"\n{BOLD}What the update did{END}")
        broken = broken_promises(figures)
        for name, value in figures.items():
            promise = PROMISES.get(name, "")
            mark = "" if not promise else f"{RED}BROKEN{END}" if name in broken else f"{GREEN}kept{END}"
            print(f"  {name:<46}{value:>9}   {promise:<3} {mark}")

        print(f"\n{BOLD}A version that does not fit{END}: a control plane two minors ahead")
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": {"name": "ahead"}, "spec": {"version": "v1.30.3", "namespace": "istio-system", "values": {"revision": "ahead", "global": {"istioNamespace": "istio-system"}}}})
        refusal = lambda: next((x for x in c.get("istiorevision", "ahead").get("status", {}).get("conditions", []) if x["reason"] == "VersionSkew"), None)
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
        c.wait_until(refusal, 10, "the skew is reported")
        print("  " + refusal()["message"])
        c.kubectl("delete", "istiorevision", "ahead")
        c.wait_ready()

        print(f"\n{BOLD}A version that cannot run{END}: v1.28.7, whose agent ends at once")
        before = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in c.agents()}
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": "v1.28.7"}}))
        c.wait_until(lambda: c.get("istiocni", "default")["status"]["rollout"]["failing"], 20, "the failing node is named")
        failing = c.get("istiocni", "default")["status"]["rollout"]["failing"]
        still = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in c.agents() if pod_ready(p)}
        print(show(["get", "istiocni", "default"]) and f"  {failing[0]['node']}: {failing[0]['reason']}: {failing[0]['message'][:100]}")
        serving = sum(1 for node in c.nodes if still.get(node) == before[node])
        print(f"  old agents that keep serving: {serving} of 3   U7  " + (f"{GREEN}kept{END}" if serving == 3 else f"{RED}BROKEN{END}"))
        if serving != 3:
            broken.append("old agents keep serving")
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"version": "v1.28.6"}}))
        c.wait_ready()
        step("back on v1.28.6, Ready")
    step("everything that the demo made is gone")
    if broken:
        print(f"\n{RED}Broken promises: {', '.join(broken)}{END}")
        return 1
    print(f"\n{GREEN}Every promise was kept.{END}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
