"""`fairlead render --diff`: what a change of values or of the chart would do."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from client import BUILD, ROOT
from cluster import Cluster

CHART = ROOT / "charts/istio-cni"


def render(*args, kubeconfig="/nonexistent"):
    done = subprocess.run([str(BUILD / "fairlead"), "render", *map(str, args), "--kubeconfig", kubeconfig], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


class BetweenCharts(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.other = shutil.copytree(CHART, self.dir / "chart")

    def test_nothing_differs(self):
        self.assertEqual(render(CHART, "--diff", self.other, "--detailed-exitcode"), (0, "", ""))

    def test_changed_added_and_removed_objects(self):
        values = self.other / "values.yaml"
        values.write_text(values.read_text().replace("level: info", "level: debug"))
        (self.other / "templates/serviceaccount.yaml").unlink()
        (self.other / "templates/extra.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n")
        code, out, err = render(self.other, "--diff", CHART, "-n", "istio-cni", "--detailed-exitcode")
        self.assertEqual((code, err), (2, ""))
        self.assertIn("istio-cni, istio-cni-node, DaemonSet (apps) has changed:\n...\n", out)
        self.assertIn("info\n+", out)
        self.assertIn("istio-cni, extra, ConfigMap (v1) has been added:\n+ # Source: cni/templates/extra.yaml\n+ apiVersion: v1\n", out)
        self.assertIn("istio-cni, istio-cni, ServiceAccount (v1) has been removed:\n- # Source: cni/templates/serviceaccount.yaml\n", out)


class AgainstACluster(unittest.TestCase):
    def test_only_what_would_change_is_shown_and_nothing_is_changed(self):
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.6")
            c.wait_ready()
            before = c.get("ds", "istio-cni-node", "-n", "istio-cni")
            chart = (CHART, "--name", "default", "-n", "istio-cni", "--diff", "live")
            code, out, err = render(*chart, "--set", "cni.tag=1.28.6", "--set", "cni.podAnnotations.example=new", kubeconfig=c.kubeconfig)
            self.assertEqual((code, err), (0, ""))
            self.assertIn("istio-cni, istio-cni-node, DaemonSet (apps) has changed:\n...\n", out)
            self.assertIn("+         example: new\n", out)
            self.assertEqual(c.get("ds", "istio-cni-node", "-n", "istio-cni")["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])
            code, out, err = render(*chart, "--set", "cni.resourceQuotas.enabled=true", kubeconfig=c.kubeconfig)
            self.assertEqual(code, 0, err)
            self.assertIn("istio-cni, istio-cni-resource-quota, ResourceQuota (v1) has been added:\n+ apiVersion: v1\n", out)
            code, _, err = render(*chart, kubeconfig="/nonexistent")
            self.assertEqual(code, 1)
            self.assertIn("/nonexistent", err)


if __name__ == "__main__":
    unittest.main()
