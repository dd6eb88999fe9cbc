"""The one cluster that the tests of a run share: starting it costs more than most tests."""
import json
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from kube_cluster import KubeCluster  # noqa: E402
from client import pod_ready  # noqa: E402, F401
from scenario import start_mesh  # noqa: E402

VERSIONS = ("v1.28.5", "v1.28.6")

_cluster = None


def cluster():
    """FAIRLEAD_K8S_STATE: one that is up already (make k8s-up)."""
    global _cluster
    if _cluster is None:
        state = os.environ.get("FAIRLEAD_K8S_STATE")
        _cluster = KubeCluster(state=state)
    return _cluster


def stop():
    global _cluster
    if _cluster is not None:
        _cluster.stop()
        _cluster = None


def install(c, version=VERSIONS[0], values=None):
    """Operator and CNI as they are when nothing but `values` was changed; does nothing where that is so."""
    c.install_operator()
    c.install_cni(version)
    c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"values": None, "version": version}}))
    if values:
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": {"values": values}}))
    c.wait_ready("120s")


def spec_version(c):
    return c.get("istiocni", "default")["spec"]["version"]


def other_version(c):
    return VERSIONS[0] if spec_version(c) == VERSIONS[1] else VERSIONS[1]


class MeshTest(unittest.TestCase):
    """Tests on the shared cluster `c` with the CNI installed and a mesh that talks all the time."""
    ambient = False

    @classmethod
    def values(cls, **cni):
        """spec.values with these of the chart, in the mode of the class."""
        if cls.ambient:
            cni["ambient"] = {"enabled": True}
        return {"cni": cni} if cni else None

    @classmethod
    def setUpClass(cls):
        cls.c = cluster()
        install(cls.c, values=cls.values())
        if cls.ambient:
            cls.c.install_ztunnel()
        start_mesh(cls.c, ambient=cls.ambient)

    @classmethod
    def tearDownClass(cls):
        cls.c.kubectl("delete", "namespace", "mesh", "load", "istio-system", "--ignore-not-found")

    def patch(self, spec):
        return self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", json.dumps({"spec": spec}))

    def other_version(self):
        return other_version(self.c)

    def clear_load(self):
        self.c.kubectl("delete", "pods", "--all", "-n", "load", "--grace-period=1", "--ignore-not-found")
