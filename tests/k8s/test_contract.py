"""The update contract on three real nodes: the documented commands, and updates under load, with surge and without."""
import json
import time
import unittest

import fixture
import report
from scenario import Update, broken_promises, client_counts, start_mesh

VERSIONS = ("v1.28.6", "v1.28.5")


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = fixture.cluster()
        fixture.install(cls.c)
        start_mesh(cls.c)

    @classmethod
    def tearDownClass(cls):
        cls.c.kubectl("delete", "namespace", "mesh", "load", "--ignore-not-found", "--wait=false")

    def patch(self, spec):
        return self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": spec}))

    def clear_load(self):
        self.c.kubectl("delete", "pods", "--all", "-n", "load", "--grace-period=1", "--ignore-not-found")

    def under_load(self, title):
        rows = []
        for i in range(5):
            self.clear_load()
            to = VERSIONS[i % 2]
            if fixture.spec_version(self.c) == to:
                to = VERSIONS[(i + 1) % 2]
            update = Update(self.c, to, say=lambda line: print("      " + line.strip(), flush=True))
            rows.append(update.run())
            print(f"    update {i + 1} to {to}: done after {rows[-1]['kubectl wait returned after (s)']} s", flush=True)
        self.clear_load()
        report.add(title, rows)
        self.assertEqual([broken_promises(f) for f in rows], [[]] * 5)
        return rows

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
            to = VERSIONS[1] if fixture.spec_version(self.c) == VERSIONS[0] else VERSIONS[0]
            began, wall = time.monotonic(), time.time()
            self.patch({"version": to})
            self.c.wait_ready()
            returned = time.time()
            took.append(time.monotonic() - began)
            served = self.c.serving()
            self.assertEqual({changes[-1][1] for changes in served.values()}, {to[1:]}, "every node serves the new version")
            after.append(returned - max(at for changes in served.values() for at, version in changes if version == to[1:] and at >= wall))
        report.add("ten updates without load", [{"kubectl wait returned after (s)": round(t, 2), "wait returned after the last node served the new version by (s)": round(a, 2)}
                                                for t, a in zip(took, after)])
        self.assertGreaterEqual(min(after), 0)
        self.assertLess(sorted(after)[5], 2)

    def test_3_the_load_without_an_update(self):
        Update(self.c, None, pods_per_node=2).run()  # the first pods fill caches
        self.clear_load()
        report.add("the same load, no update", [Update(self.c, None).run()])
        self.clear_load()

    def test_4_five_updates_under_load_with_surge(self):
        self.under_load("five updates under load, sidecar mode, with surge")

    def test_5_five_updates_under_load_without_surge(self):
        self.patch({"values": {"cni": {"rollingMaxUnavailable": 1}}})
        self.c.wait_ready()
        try:
            self.under_load("five updates under load, sidecar mode, without surge")
        finally:
            self.patch({"values": None})
            self.c.wait_ready()

    def test_6_the_mesh_kept_working_all_the_time(self):
        counts = client_counts(self.c)
        report.add("the clients' counts over all of it", [counts])
        self.assertEqual((counts["failed"], counts["unmarked"], counts["broken"]), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
