"""The update contract in ambient mode: long connections, twenty new ones a second from each node, a new pod on each node every
second, and probes that fail as soon as the node's exemption for them is away: the sample's ztunnel takes no plain text."""
import fixture
import report
from scenario import Update, broken_promises, client_counts

PACE = {"period": 1.0, "pods_per_node": 20, "ambient": True}


class Ambient(fixture.MeshTest):
    ambient = True

    def test_1_the_load_without_an_update(self):
        Update(self.c, None, pods_per_node=2, ambient=True).run()  # the first pods fill caches
        self.clear_load()
        report.add("the same load in ambient mode, no update", [Update(self.c, None, **PACE).run()])
        self.clear_load()

    def under_load(self, mode):
        say = lambda line: print("      " + line.strip(), flush=True)
        row = Update(self.c, self.other_version(), say=say, there_and_back=fixture.spec_version(self.c), updates=5, **PACE).run()
        report.add(f"five updates in a row under load, ambient mode, {mode}", [row])
        self.clear_load()
        self.assertEqual(broken_promises(row), [])
        self.assertGreaterEqual(row["updates"], 5)

    def test_2_updates_under_load_with_surge(self):
        self.under_load("with surge")

    def test_3_updates_under_load_without_surge(self):
        self.patch({"values": self.values(rollingMaxUnavailable=1)})
        self.c.wait_ready()
        self.under_load("without surge")

    def test_4_a_ztunnel_update_in_the_middle_of_a_cni_update(self):
        """Connections of the ztunnel that ends are its own to drain, and the sample's does not drain: what must hold is that every
        pod is served by the next one."""
        c = self.c
        before = client_counts(c)
        self.patch({"version": self.other_version(), "values": self.values()})
        c.kubectl("rollout", "restart", "-n", "istio-system", "daemonset/ztunnel")
        c.kubectl("rollout", "status", "-n", "istio-system", "daemonset/ztunnel", "--timeout=120s", timeout=130)
        c.wait_ready("120s")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        c.create_pods(*[c.mesh_pod(f"after-{node[-1]}", namespace="load", node=node, ambient=True) for node in c.nodes])
        c.wait_until(lambda: all(fixture.pod_ready(p) for p in c.get("pods", "-n", "load")["items"]), 60, "new pods are served")
        asked = client_counts(c)["requests"]
        c.wait_until(lambda: client_counts(c)["requests"] > asked + 100, 30, "the mesh talks")
        after = client_counts(c)
        self.assertEqual(after["unmarked"], before["unmarked"])
        self.clear_load()
