"""The one cluster that the tests of a run share: starting it costs more than most tests."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
from kube_cluster import KubeCluster  # noqa: E402

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


def install(c, version="v1.28.5"):
    """Operator and CNI as they are when nothing was changed; does nothing where that is so."""
    c.install_operator()
    c.install_cni(version)
    c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"values":null,"version":"%s"}}' % version)
    c.wait_ready("120s")


def spec_version(c):
    return c.get("istiocni", "default")["spec"]["version"]
