"""What the live view costs the operator at 5,000 simulated nodes: memory and CPU with ten viewers and without, at rest and while every
node is updated."""
import http.client
import os
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import scale  # noqa: E402
from client import BUILD, ROOT  # noqa: E402
from cluster import Cluster  # noqa: E402

NODES, VIEWERS, PORT = 5000, 10, 18091


class Viewer(threading.Thread):
    """Reads the stream as a browser does, and counts."""

    def __init__(self, token):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        self.connection.request("GET", "/stream", headers={"Authorization": "Bearer " + token})
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise RuntimeError(f"{self.answer.status}: {self.answer.read(300)}")
        self.bytes = 0
        self.start()

    def run(self):
        try:
            while data := self.answer.read1(65536):
                self.bytes += len(data)
        except (http.client.IncompleteRead, OSError):  # this end was closed
            pass

    def close(self):
        self.connection.sock.shutdown(2)
        self.join(10)


def update(api, version):
    """Seconds that an update of every node takes."""
    began = time.monotonic()
    api.send("PATCH", scale.CNI, {"spec": {"version": version}})
    scale.wait("the update is complete", lambda: scale.ready(api, version), 600)
    return time.monotonic() - began


def main():
    with Cluster(nodes=0, args=["--simulated-nodes", str(NODES)]) as c:
        api = scale.Api(c.kubeconfig)
        c.apply_crds()
        c.kubectl("apply", "-f", str(ROOT / "config/manifests/operator.yaml"))
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
        c.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": "default"}})
        c.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "viewer"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fairlead-viewer"},
                 "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}]})
        token = scale.token_of(api, "default", "viewer")
        log = open(os.path.join(c.dir, "operator.log"), "w")
        process = subprocess.Popen([str(BUILD / "fairlead-operator"), "--kubeconfig", c.kubeconfig, "--leader-elect=false", "--namespace=fairlead-system", "--health-probe-bind-address=0", "--metrics-bind-address=0",
                                    f"--view-bind-address=127.0.0.1:{PORT}"], stdout=log, stderr=log)
        try:
            p = scale.Process(process.pid)
            scale.make_cni(api, "v1.28.5")
            scale.wait("the first version is ready", lambda: scale.ready(api, "v1.28.5"), 600)
            update(api, "v1.28.6")  # what an update costs in memory at all has been paid then
            rows = {}
            for viewers in (0, VIEWERS):
                looking = [Viewer(token) for _ in range(viewers)]
                scale.wait("every viewer has seen every node", lambda: all(v.bytes > NODES * 20 for v in looking), 60)
                time.sleep(3)
                cpu, began = p.cpu(), time.monotonic()
                time.sleep(20)
                idle = (p.cpu() - cpu) / (time.monotonic() - began) * 100
                memory = p.memory("VmRSS")
                cpu = p.cpu()
                took = update(api, "v1.28.5" if viewers == 0 else "v1.28.6")
                busy = p.cpu() - cpu
                rows[viewers] = {"idle": idle, "memory": memory, "cpu": busy, "took": took, "after": p.memory("VmRSS"), "sent": sum(v.bytes for v in looking) / 1e6}
                for v in looking:
                    v.close()
            none, ten = rows[0], rows[VIEWERS]
            print(f"The live view at {NODES} nodes, {VIEWERS} viewers beside none")
            print(f"  memory at rest     {none['memory']:6.1f} MB  {ten['memory']:6.1f} MB  {ten['memory'] - none['memory']:+5.1f} MB")
            print(f"  memory afterwards  {none['after']:6.1f} MB  {ten['after']:6.1f} MB  {ten['after'] - none['after']:+5.1f} MB")
            print(f"  CPU at rest        {none['idle']:6.2f} %   {ten['idle']:6.2f} %   {ten['idle'] - none['idle']:+5.2f} % of a core")
            print(f"  CPU of an update   {none['cpu']:6.2f} s   {ten['cpu']:6.2f} s   {(ten['cpu'] - none['cpu']) / ten['took'] * 100:+5.2f} % of a core over {ten['took']:.0f} s; {ten['sent']:.1f} MB sent")
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    main()
