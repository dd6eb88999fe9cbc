"""The documented procedure from an empty cluster to the updated CNI, with kubectl alone, in both strategies: what each step prints, and
the traffic of the workloads all the way. No connection of a pod ends before the pod does, and no request goes around its proxy."""
import json
import re
import time
import unittest

from client import mesh_pod, pod_ready
from test_mesh import Mesh, istio


class Workloads:
    """A server and a client on every node, of one revision; each client talks to all the servers."""

    def __init__(self, cluster, name, revision):
        self.c, self.name, self.revision = cluster, name, revision

    def pod(self, kind, node, **options):
        pod = mesh_pod(f"{kind}-{self.name}-{node[-1]}", node=node, **options)
        pod["metadata"]["annotations"]["istio.io/rev"] = self.revision  # as the injector leaves it
        return pod

    def start(self):
        c = self.c
        mine = lambda kind: [p for p in c.get("pods", "-n", "mesh")["items"] if p["metadata"]["name"].startswith(f"{kind}-{self.name}-")]
        c.apply(*(self.pod("server", n) for n in c.nodes))
        c.wait_until(lambda: len(mine("server")) == len(c.nodes) and all(pod_ready(p) for p in mine("server")), 40, f"the servers of {self.name} are ready")
        targets = ",".join(p["status"]["podIP"] + ":8080" for p in mine("server"))
        c.apply(*(self.pod("client", n, app=("mesh-sample", "client", targets), probe=False) for n in c.nodes))
        c.wait_until(lambda: all(self.line(n) for n in c.nodes), 40, f"the clients of {self.name} have answers")

    def line(self, node):
        return self.c.log("mesh", f"client-{self.name}-{node[-1]}", "app").strip()

    def bad(self):
        """What went wrong since the clients started."""
        counts = [json.loads(self.line(n)) for n in self.c.nodes]
        return {k: sum(c[k] for c in counts) for k in ("failed", "unmarked", "broken")}

    def requests(self):
        return sum(json.loads(self.line(n))["requests"] for n in self.c.nodes)

    def talks(self):
        before = self.requests()
        self.c.wait_until(lambda: self.requests() > before + 50, 20, f"{self.name} talks")

    def stop(self):
        names = [f"{kind}-{self.name}-{n[-1]}" for kind in ("client", "server") for n in self.c.nodes]
        for name in names:  # clients first
            self.c.kubectl("delete", "pod", "-n", "mesh", name)


FINE = {"failed": 0, "unmarked": 0, "broken": 0}


class Procedure(Mesh):
    def columns(self, c, kind, name, seconds=20):
        """kubectl get, as a map from column to value; waits until the state is Healthy."""
        def row():
            header, line = c.kubectl("get", kind, name).splitlines()
            starts = [m.start() for m in re.finditer(r"\S+( \S+)*", header)]  # a column's name may hold single spaces
            return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, [*starts[1:], None])}

        c.wait_until(lambda: row().get("STATUS") == "Healthy", seconds, f"{kind} {name} is healthy")
        shown = row()
        shown.pop("AGE")
        return shown

    def test_in_place(self):
        c = self.start()
        c.apply(istio("v1.27.9"))
        self.ready(c, "istio", "default")
        c.install_cni("v1.27.9")
        c.wait_ready()
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio-injection": "enabled"}}})
        load = Workloads(c, "a", "default")
        load.start()
        c.wait_until(lambda: self.columns(c, "istio", "default") == {"NAME": "default", "NAMESPACE": "istio-system", "PROFILE": "", "REVISIONS": "1", "READY": "1", "IN USE": "1", "ACTIVE REVISION": "default", "STATUS": "Healthy",
                                                                      "VERSION": "v1.27.9"}, 20, "the columns of the Istio")
        self.patch(c, "istio", "default", {"version": "v1.28.6"})
        self.ready(c, "istio", "default")
        c.wait_until(lambda: self.columns(c, "istio", "default")["VERSION"] == "v1.28.6", 20, "the control plane first")
        self.assertEqual(self.istiod_versions(c), ["1.28.6"])
        load.talks()
        self.patch(c, "istiocni", "default", {"version": "v1.28.6"})
        c.wait_ready()
        self.assertEqual(self.columns(c, "istiocni", "default"), {"NAME": "default", "NAMESPACE": "istio-cni", "PROFILE": "", "READY": "True", "STATUS": "Healthy", "VERSION": "v1.28.6"})
        self.assertEqual({p["metadata"]["labels"]["app.kubernetes.io/version"] for p in c.agents()}, {"1.28.6"})
        load.talks()
        self.assertEqual(load.bad(), FINE)

    def test_revision_based(self):
        c = self.start()
        old, new = "default-v1-27-9", "default-v1-28-6"
        c.apply(istio("v1.27.9", "RevisionBased"))
        c.install_cni("v1.27.9")
        self.ready(c, "istio", "default")
        c.wait_ready()
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh", "labels": {"istio.io/rev": old}}})
        first = Workloads(c, "a", old)
        first.start()

        self.patch(c, "istio", "default", {"version": "v1.28.6"})
        self.ready(c, "istio", "default")
        c.wait_until(lambda: self.columns(c, "istio", "default") == {"NAME": "default", "NAMESPACE": "istio-system", "PROFILE": "", "REVISIONS": "2", "READY": "2", "IN USE": "1", "ACTIVE REVISION": new, "STATUS": "Healthy",
                                                                      "VERSION": "v1.28.6"}, 20, "both revisions are there")
        c.kubectl("label", "namespace", "mesh", "istio.io/rev=" + new, "--overwrite")
        second = Workloads(c, "b", new)
        second.start()
        for name in (old, new):
            c.wait_until(lambda: self.columns(c, "istiorevision", name)["IN USE"] == "True", 20, f"{name} is used")
        self.assertEqual([(p["name"], p["allowed"]) for p in c.get("istiocni", "default")["status"]["controlPlanes"]], [(old, True), (new, True)])

        # While one CNI serves both, its agents are replaced.
        self.patch(c, "istiocni", "default", {"values": {"cni": {"podLabels": {"stage": "both"}}}})
        c.wait_ready()
        self.assertEqual({p["metadata"]["labels"].get("stage") for p in c.agents()}, {"both"})
        for load in (first, second):
            load.talks()
            self.assertEqual(load.bad(), FINE, f"with both revisions: {load.name}")

        # The last workloads leave the old revision, and only then it goes.
        time.sleep(3)
        self.assertEqual(self.columns(c, "istiorevision", old)["READY"], "True")
        first.stop()
        c.wait_until(lambda: [r["metadata"]["name"] for r in c.get("istiorevision")["items"]] == [new], 30, "the old revision is pruned")
        c.wait_until(lambda: self.istiod_versions(c) == ["1.28.6"], 20, "its control plane is gone")
        second.talks()

        self.patch(c, "istiocni", "default", {"version": "v1.28.6"})
        c.wait_ready()
        self.assertEqual(self.columns(c, "istiocni", "default")["VERSION"], "v1.28.6")
        self.assertEqual([(p["name"], p["version"]) for p in c.get("istiocni", "default")["status"]["controlPlanes"]], [(new, "v1.28.6")])
        second.talks()
        self.assertEqual(second.bad(), FINE)


if __name__ == "__main__":
    unittest.main()
