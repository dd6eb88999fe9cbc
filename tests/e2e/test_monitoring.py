"""Alert rules and dashboard: every alert fires when it should (promtool of Debian's package, unpacked and not installed), and every metric that
they name is one that the programs really have."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from client import ROOT, mesh_pod, pod_ready
from cluster import Cluster

MONITORING = ROOT / "config/monitoring"


def promtool(directory):
    """The program, or why there is none."""
    if have := shutil.which("promtool"):
        return have, ""
    done = subprocess.run(["apt-get", "download", "prometheus"], cwd=directory, capture_output=True, text=True)
    packages = list(pathlib.Path(directory).glob("prometheus_*.deb"))
    if not packages:
        return None, "the package prometheus cannot be had: " + (done.stderr.strip().splitlines() or ["apt-get failed"])[-1]
    subprocess.run(["dpkg-deb", "-x", str(packages[0]), directory], check=True)
    return directory + "/usr/bin/promtool", ""


class Alerts(unittest.TestCase):
    def test_each_fires_when_it_should(self):
        with tempfile.TemporaryDirectory(prefix="fairlead-promtool-") as tmp:
            tool, why = promtool(tmp)
            if not tool:
                self.skipTest(why)
            shutil.copy(MONITORING / "alerts.yaml", tmp)
            shutil.copy(ROOT / "tests/monitoring/alerts_test.yaml", tmp)
            queries = [t["expr"] for p in json.loads((MONITORING / "dashboard.json").read_text())["panels"] for t in p["targets"]]
            rules = {"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{i}", "expr": q} for i, q in enumerate(queries)]}]}
            pathlib.Path(tmp, "dashboard.yaml").write_text(json.dumps(rules))
            for words in (["check", "rules", "alerts.yaml", "dashboard.yaml"], ["test", "rules", "alerts_test.yaml"]):
                done = subprocess.run([tool, *words], cwd=tmp, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            tested = (ROOT / "tests/monitoring/alerts_test.yaml").read_text()
            for name in re.findall(r"alert: (\w+)", (MONITORING / "alerts.yaml").read_text()):
                self.assertIn(f'alertname="{name}"', tested)

    def test_the_dashboard_is_up_to_date(self):
        done = subprocess.run([sys.executable, str(ROOT / "tools/generate_dashboard.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Metrics(unittest.TestCase):
    def test_those_that_alerts_and_dashboard_name_are_there(self):
        text = (MONITORING / "alerts.yaml").read_text() + (MONITORING / "dashboard.json").read_text()
        named = set(re.findall(r"\b((?:fairlead|istio_cni|controller_runtime|rest_client|ztunnel)_[a-z_]+)", text))
        self.assertGreater(len(named), 12)
        with Cluster() as c:
            c.install_operator()
            c.install_cni("v1.28.6", {"cni": {"ambient": {"enabled": True}}})
            c.wait_ready()
            c.install_ztunnel()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, mesh_pod("a", node="node-1"))
            c.wait_until(lambda: pod_ready(c.get("pod", "a", "-n", "mesh")), 30, "a mesh pod runs")
            operators = [p["metadata"]["name"] for p in c.get("pods", "-n", "fairlead-system")["items"]]
            there = "".join(c.kubectl("get", "--raw", f"/api/v1/namespaces/fairlead-system/pods/{name}:8443/proxy/metrics") for name in operators)
            agents = {p["spec"]["nodeName"]: p["metadata"]["name"] for p in c.agents()}
            there += c.kubectl("get", "--raw", f"/api/v1/namespaces/istio-cni/pods/{agents['node-1']}:15014/proxy/metrics")
            families = set(re.findall(r"(?m)^([a-z_]+)[{ ]", there))
            # Those of what has not happened here.
            absent = {"fairlead_agent_drift_repaired_total", "fairlead_control_plane_skew"}
            self.assertEqual(sorted(m for m in named if m not in families and m not in absent), [])
            for what in ('fairlead_condition{kind="IstioCNI",name="default",type="Ready"} 1', 'fairlead_istiocni_nodes{state="ready"} 3', 'fairlead_agent_primary_cni{type="bridge"} 1', 'fairlead_agent_cni_directory_writable{directory="bin"} 1'):
                self.assertIn(what, there)


if __name__ == "__main__":
    unittest.main()
