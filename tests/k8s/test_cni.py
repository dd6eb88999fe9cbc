"""The CNI specification as the CNI project's own tool and library see it: every command in every version, with the bridge
plugin before ours, against an agent of the lab."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import build
from client import BUILD, mesh_pod, pod_ready
from cluster import Cluster
from scenario import has_redirection
from test_dataplane import agent_report, node_root

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tool = build.cnitool()
        cls.c = c = Cluster(nodes=1)
        cls.addClassCleanup(c.stop)
        c.install_operator()
        c.install_cni("v1.28.6")
        c.wait_ready()
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}, mesh_pod("pod", node="node-1"))
        c.wait_until(lambda: pod_ready(c.get("pod", "pod", "-n", "mesh")), 30, "the pod runs")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        (self.dir / "istio-cni").symlink_to(BUILD / "istio-cni-1.28.6")
        # The node's network, with a place of its own for what library and plugins remember, and the pod's.
        self.node = self.holder("mkdir -p /var/lib/cni && mount -t tmpfs cni /var/lib/cni && ", "--net", "--mount")
        self.pod = self.holder("", "--net")

    def holder(self, setup, *namespaces):
        process = subprocess.Popen(["unshare", *namespaces, "sh", "-c", setup + "ip link set lo up && echo ready && exec sleep infinity"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.stdout.close()
        return process.pid

    def configure(self, version):
        root = node_root(self.c, "node-1")
        plugins = [{"type": "istio-cni", "cni_agent_run_dir": str(root / "var/run/istio-cni")}]
        if version != "1.1.0":  # Debian's bridge ends at 1.0.0
            plugins.insert(0, {"type": "bridge", "bridge": "br-test", "isGateway": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}})
        (self.dir / "10-net.conflist").write_text(json.dumps({"cniVersion": version, "name": "conformance", "plugins": plugins}))

    def call(self, command, check=True):
        env = dict(os.environ, NETCONFPATH=str(self.dir), CNI_PATH=f"/usr/lib/cni:{self.dir}", CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=mesh;K8S_POD_NAME=pod")
        done = subprocess.run(["nsenter", "-t", str(self.node), "--net", "--mount", self.tool, command, "conformance", f"/proc/{self.pod}/ns/net"], env=env, text=True, capture_output=True)
        if check:
            self.assertEqual(done.returncode, 0, command + ": " + done.stderr)
        return done

    def rules(self):
        return json.loads(subprocess.run(["nsenter", f"--net=/proc/{self.pod}/ns/net", "nft", "-j", "list", "ruleset"], text=True, capture_output=True).stdout)

    def networks(self):
        return [p for p in agent_report(self.c, "node-1")["pods"]]

    def test_every_command_in_every_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.configure(version)
                result = json.loads(self.call("add").stdout)
                self.assertEqual(result["cniVersion"], version)
                if version != "1.1.0":
                    self.assertTrue(result["ips"][0]["address"].startswith("10.77.0."), "the result of the plugin before")
                self.assertTrue(has_redirection(self.rules()))
                if version != "0.3.1":
                    self.call("check")
                    subprocess.run(["nsenter", f"--net=/proc/{self.pod}/ns/net", "nft", "delete", "table", "inet", "istio-proxy-nat"], check=True)
                    broken = self.call("check", check=False)
                    self.assertNotEqual(broken.returncode, 0)
                    self.assertIn("mesh/pod", broken.stderr)
                    self.call("add", check=False)
                if version == "1.1.0":
                    self.call("status")
                self.call("del")
                self.call("del")
                self.assertEqual([p["pod"] for p in self.networks() if p["netns"].endswith(str(os.stat(f"/proc/{self.pod}/ns/net").st_ino))], [])

    def test_garbage_is_collected(self):
        self.configure("1.1.0")
        self.call("add")
        inode = str(os.stat(f"/proc/{self.pod}/ns/net").st_ino)
        self.assertEqual([p["pod"] for p in self.networks() if p["netns"].endswith(inode)], ["mesh/pod"])
        self.call("gc")  # the tool knows of no attachment that is valid
        self.assertEqual([p["pod"] for p in self.networks() if p["netns"].endswith(inode)], [])


if __name__ == "__main__":
    unittest.main()
