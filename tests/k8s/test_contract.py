"""The update contract on three real nodes: the documented commands, and updates under load, with surge and without."""
import time
import unittest

import fixture
import report
from scenario import Update, broken_promises, client_counts


class Contract(fixture.MeshTest):
    def under_load(self, mode):
        """The scenario that the usual stack was measured with, and then five updates, one right after the other, at a pace of new
        pods that two cores can keep up with."""
        say = lambda line: print("      " + line.strip(), flush=True)
        single = Update(self.c, self.other_version(), say=say)
        once = single.run()
        report.add(f"one update under load, sidecar mode, {mode}", [once])
        self.clear_load()
        several = Update(self.c, self.other_version(), period=1.5, say=say, there_and_back=fixture.spec_version(self.c), updates=5)
        row = several.run()
        report.add(f"five updates in a row under load, sidecar mode, {mode}", [row])
        self.clear_load()
        self.assertGreaterEqual(row["updates"], 5)
        self.assertEqual([broken_promises(f) for f in (once, row)], [[], []], single.warnings + several.warnings)

    def test_1_the_documented_commands(self):
        c = self.c
        self.patch({"version": "v1.28.5", "values": None})
        c.wait_ready()
        out = c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        self.assertEqual(out, "istiocni.sailoperator.io/default patched\n")
        out = c.kubectl("wait", "--for=condition=Ready", "istiocnis/default", "--timeout=5m", timeout=320)
        self.assertEqual(out, "istiocni.sailoperator.io/default condition met\n")
        lines = c.kubectl("get", "istiocni", "default").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "NAMESPACE", "PROFILE", "READY", "STATUS", "VERSION", "AGE"])
        self.assertEqual(lines[1].split()[:5], ["default", "istio-cni", "True", "Healthy", "v1.28.6"])
        agents = [p for p in c.agents() if p["status"]["phase"] == "Running"]
        self.assertEqual({p["spec"]["containers"][0]["image"].rsplit(":")[-1] for p in agents}, {"1.28.6"})
        self.assertEqual(len(agents), 3)

    def test_2_wait_returns_when_the_last_node_serves_the_new_version(self):
        """Ten updates without load. Never before; how long after is what the report shows."""
        after, took = [], []
        for i in range(10):
            to = self.other_version()
            began, wall = time.monotonic(), time.time()
            self.patch({"version": to})
            self.c.wait_ready()
            returned = time.time()
            took.append(time.monotonic() - began)
            self.assertEqual(set(self.c.serving_now().values()), {to[1:]}, "every node serves the new version")
            after.append(returned - max([at for changes in self.c.serving().values() for at, version in changes if version == to[1:] and wall <= at <= returned], default=returned))
        report.add("ten updates without load", [{"kubectl wait returned after (s)": round(t, 2), "wait returned after the last node served the new version by (s)": round(a, 2)}
                                                for t, a in zip(took, after)])
        self.assertLess(sorted(after)[5], 2)

    def test_3_the_load_without_an_update(self):
        Update(self.c, None, pods_per_node=2).run()  # the first pods fill caches
        self.clear_load()
        report.add("the same load, no update", [Update(self.c, None).run()])
        self.clear_load()

    def test_4_updates_under_load_with_surge(self):
        self.under_load("with surge")

    def test_5_updates_under_load_without_surge(self):
        self.patch({"values": {"cni": {"rollingMaxUnavailable": 1}}})
        self.c.wait_ready()
        try:
            self.under_load("without surge")
        finally:
            self.patch({"values": None})
            self.c.wait_ready()

    def test_6_the_mesh_kept_working_all_the_time(self):
        counts = client_counts(self.c)
        report.add("the clients' counts over all of it", [counts])
        self.assertEqual((counts["failed"], counts["unmarked"], counts["broken"]), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
