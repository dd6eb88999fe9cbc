"""What runs inside the namespaces of a test cluster: the control plane, and nodes as namespaces of their own.

Process 1 of the PID namespace reaps; its child builds the cluster from STATE/settings.json, writes STATE/ready, and then does
what it is asked on STATE/control.sock, one JSON line a request: signal, start, exec, add-node, remove-node. When process 1 dies,
everything here dies with it, mounts and network included."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

from pki import Pki

SERVICE_IP = "10.96.0.1"
FABRIC = "10.10.0.1"
PLUGINS = "/usr/lib/cni"


def run(*command, check=True, input=None, timeout=120):
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, input=input, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(" ".join(map(str, command)) + ": " + (done.stderr or done.stdout).strip())
    return done.stdout


def wait_until(check, seconds, what):
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            if check():
                return
        except Exception as e:
            last = e
        time.sleep(0.1)
    raise RuntimeError(f"not within {seconds} s: {what}" + (f" ({last})" if last else ""))


class Process:
    """A program of the cluster: can be started again with the same arguments after it ended."""

    def __init__(self, cluster, name, command):
        self.cluster, self.name, self.command, self.child = cluster, name, [str(c) for c in command], None

    def start(self):
        with open(self.cluster.state / "logs" / (self.name + ".log"), "a") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def signal(self, number):
        """Sends it and, where the signal ends the program, waits for that."""
        self.child.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.child.wait(30)


class Node:
    def __init__(self, cluster, index):
        self.cluster, self.index, self.name = cluster, index, f"node-{index}"
        self.ip, self.pods = f"10.10.0.{10 + index}", f"10.244.{index}.0/24"
        self.dir = cluster.state / "nodes" / self.name
        self.cgroup = f"/{cluster.settings['id']}/{self.name}"
        self.socket = self.dir / "containerd.sock"

    def enter(self, *command):
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, command)]

    def start(self):
        c = self.cluster
        for d in ("cni-bin", "cni-conf", "kubelet", "containerd", "etc-upper", "etc-work", "manifests"):
            (self.dir / d).mkdir(parents=True, exist_ok=True)
        self.start_namespaces()
        self.make_cgroups()
        for plugin in ("bridge", "host-local", "loopback", "portmap"):
            shutil.copy(f"{PLUGINS}/{plugin}", self.dir / "cni-bin")
        (self.dir / "cni-conf/10-bridge.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "pods",
            "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": True,
                         "ipam": {"type": "host-local", "ranges": [[{"subnet": self.pods}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": str(self.dir / "ipam")}},
                        {"type": "portmap", "capabilities": {"portMappings": True}}]}, indent=2) + "\n")
        (self.dir / "containerd.toml").write_text(f"""version = 2
root = "{self.dir}/containerd"
state = "/run/containerd"
[grpc]
  address = "{self.socket}"
[metrics]
  address = "127.0.0.1:1338"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{c.settings['pause']}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
""")
        c.pki.certificate(self.name, f"system:node:{self.name}", "system:nodes")
        kubeconfig = c.pki.kubeconfig(self.name, f"https://{SERVICE_IP}:443")
        (self.dir / "kubelet.json").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "failCgroupV1": False, "cgroupDriver": "cgroupfs", "cgroupRoot": self.cgroup, "enforceNodeAllocatable": [], "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False, "resolvConf": "/dev/null", "clusterDNS": ["10.96.0.10"], "failSwapOn": False, "oomScoreAdj": 0, "maxPods": 250, "serializeImagePulls": False,
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": c.pki.path("ca.crt")}},
            "authorization": {"mode": "Webhook"}, "containerRuntimeEndpoint": f"unix://{self.socket}", "imageServiceEndpoint": f"unix://{self.socket}",
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100, "podLogsDir": "/var/log/pods", "volumePluginDir": str(self.dir / "volumes"), "logging": {"verbosity": 2}}))
        c.process(f"containerd-{self.index}", self.enter("containerd", "-c", self.dir / "containerd.toml")).start()
        wait_until(lambda: self.ctr("version"), 30, f"containerd of {self.name} answers")
        for archive in c.settings["archives"]:
            self.ctr("-n", "k8s.io", "images", "import", archive)
        c.process(f"kubelet-{self.index}", self.enter(
            c.settings["kubernetes"], "kubelet", f"--config={self.dir}/kubelet.json", f"--kubeconfig={kubeconfig}", f"--hostname-override={self.name}", f"--node-ip={self.ip}",
            f"--root-dir={self.dir}/kubelet", f"--cert-dir={self.dir}/pki")).start()

    def ctr(self, *args):
        return run(*self.enter("ctr", "-a", self.socket, *args))

    def start_namespaces(self):
        """A process that does nothing but hold the node's network and mount namespace."""
        link = f"node{self.index}"
        setup = f"""set -e
mount --make-rprivate / && mount --make-rshared /
mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/istio-cni /run/ztunnel /run/lock
mount --bind /run/netns /run/netns && mount --make-shared /run/netns
mount -t tmpfs tmpfs /opt && mkdir -p /opt/cni/bin && mount --bind {self.dir}/cni-bin /opt/cni/bin
mount -t overlay overlay -o lowerdir=/etc,upperdir={self.dir}/etc-upper,workdir={self.dir}/etc-work /etc
mkdir -p /etc/cni/net.d && mount --bind {self.dir}/cni-conf /etc/cni/net.d
mount -t tmpfs tmpfs /var/log && mkdir -p /var/log/pods
mount -t tmpfs tmpfs /proc/1/ns && touch /proc/1/ns/net && mount --bind /proc/self/ns/net /proc/1/ns/net
echo held; exec sleep infinity"""
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "--propagation", "unchanged", "sh", "-c", setup], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       stdin=subprocess.DEVNULL, text=True, start_new_session=True)
        if self.holder.stdout.readline().strip() != "held":
            raise RuntimeError(f"{self.name}: {self.holder.stderr.read()}")
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", link, "master", "fabric", "up")
        net = lambda *args: run("nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *args)
        net("ip", "link", "set", "lo", "up")
        net("ip", "addr", "add", self.ip + "/24", "dev", "eth0")
        net("ip", "link", "set", "eth0", "up")
        net("ip", "route", "add", "default", "via", FABRIC)
        net("sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "route", "replace", self.pods, "via", self.ip)
        self.dir.joinpath("hostname").write_text(self.name)

    def make_cgroups(self):
        for hierarchy in pathlib.Path("/sys/fs/cgroup").iterdir():
            if not hierarchy.is_dir() or hierarchy.is_symlink():
                continue
            path = hierarchy
            for part in self.cgroup.strip("/").split("/"):
                above, path = path, path / part
                path.mkdir(exist_ok=True)
                for file in ("cpuset.cpus", "cpuset.mems"):
                    if (path / file).exists() and not (path / file).read_text().strip():
                        (path / file).write_text((above / file).read_text())

    def remove(self):
        for program in ("kubelet", "containerd"):
            process = self.cluster.processes.pop(f"{program}-{self.index}")
            if process.child.poll() is None:
                process.signal(signal.SIGKILL)
        for _ in range(100):  # shims and containers
            pids = [int(p) for f in pathlib.Path("/sys/fs/cgroup/pids" + self.cgroup).rglob("cgroup.procs") for p in f.read_text().split() if p != "0"]
            mount_ns = os.readlink(f"/proc/{self.holder.pid}/ns/mnt")
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if int(pid) != self.holder.pid and os.readlink(f"/proc/{pid}/ns/mnt") == mount_ns:
                        pids.append(int(pid))
                except OSError:
                    pass
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.05)
        self.holder.kill()
        self.holder.wait()
        run("ip", "route", "del", self.pods, check=False)
        run("ip", "link", "del", f"node{self.index}", check=False)


class ClusterInside:
    def __init__(self, state):
        self.state = state
        self.settings = json.loads((state / "settings.json").read_text())
        self.pki = Pki(state / "pki")
        self.processes, self.nodes, self.lock = {}, {}, threading.Lock()
        (state / "logs").mkdir(exist_ok=True)

    def process(self, name, command):
        self.processes[name] = Process(self, name, command)
        return self.processes[name]

    def start(self):
        s = self.settings
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("ip", "link", "set", "lo", "up")
        # An address of its own: a bridge without one takes its lowest port's, which changes as nodes come and go, and every
        # neighbour would send to the old one until it asks again.
        run("ip", "link", "add", "fabric", "address", "02:00:00:00:00:01", "type", "bridge")
        for address in (FABRIC + "/24", SERVICE_IP + "/32"):
            run("ip", "addr", "add", address, "dev", "fabric")
        run("ip", "link", "set", "fabric", "up")
        wait_until(lambda: "host0" in run("ip", "-o", "link"), 10, "the link to the outside exists")
        run("ip", "addr", "add", s["address"] + "/30", "dev", "host0")
        run("ip", "link", "set", "host0", "up")
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.start_control_plane()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.add_node, range(1, s["nodes"] + 1)))
        wait_until(self.nodes_ready, 60, "every node is Ready")

    def start_control_plane(self):
        s, pki = self.settings, self.pki
        sans = ["DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc", "DNS:localhost", "IP:127.0.0.1"] + [f"IP:{ip}" for ip in (SERVICE_IP, FABRIC, s["address"])]
        pki.certificate("apiserver", "kube-apiserver", sans=sans)
        for name, cn, org in (("admin", "admin", "system:masters"), ("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
                              ("controller-manager", "system:kube-controller-manager", ""), ("scheduler", "system:kube-scheduler", ""), ("aggregator", "aggregator", "")):
            pki.certificate(name, cn, org)
        pki.service_account_key("sa")
        local = f"https://{SERVICE_IP}:443"
        pki.kubeconfig("admin", f"https://{s['address']}:443")
        etcd = self.process("etcd", ["etcd", "--data-dir", self.state / "etcd", "--unsafe-no-fsync", "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
                                     "--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap"])
        etcd.start()
        (self.state / "audit.yaml").write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules: [{level: Metadata}]\n")
        self.process("kube-apiserver", self.api_server_command("sa.key", ["sa.pub"])).start()
        self.process("kube-controller-manager", [
            s["kubernetes"], "kube-controller-manager", "--kubeconfig", pki.kubeconfig("controller-manager", local), "--leader-elect=false", "--use-service-account-credentials", "--root-ca-file",
            pki.path("ca.crt"), "--service-account-private-key-file", pki.path("sa.key"), "--node-monitor-grace-period=20s"])
        self.process("kube-scheduler", [s["kubernetes"], "kube-scheduler", "--kubeconfig", pki.kubeconfig("scheduler", local), "--leader-elect=false"])
        wait_until(self.api_ready, 60, "the API server is ready")
        self.processes["kube-controller-manager"].start()
        self.processes["kube-scheduler"].start()

    def api_server_command(self, signing_key, verifying_keys):
        p = self.pki.path
        command = [self.settings["kubernetes"], "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--secure-port=443", "--advertise-address=" + FABRIC, "--service-cluster-ip-range=10.96.0.0/16",
                   "--client-ca-file=" + p("ca.crt"), "--tls-cert-file=" + p("apiserver.crt"), "--tls-private-key-file=" + p("apiserver.key"),
                   "--kubelet-client-certificate=" + p("kubelet-client.crt"), "--kubelet-client-key=" + p("kubelet-client.key"), "--service-account-issuer=https://kubernetes.default.svc",
                   "--service-account-signing-key-file=" + p(signing_key), "--service-account-extend-token-expiration=false", "--authorization-mode=Node,RBAC",
                   "--enable-admission-plugins=NodeRestriction", "--requestheader-client-ca-file=" + p("ca.crt"), "--requestheader-allowed-names=aggregator",
                   "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                   "--proxy-client-cert-file=" + p("aggregator.crt"), "--proxy-client-key-file=" + p("aggregator.key"),
                   "--audit-policy-file=" + str(self.state / "audit.yaml"), "--audit-log-path=" + str(self.state / "logs/audit.log"), "--shutdown-delay-duration=0s", "--kubelet-preferred-address-types=InternalIP"]
        return command + ["--service-account-key-file=" + p(k) for k in verifying_keys]

    def api(self, path):
        import ssl
        context = ssl.create_default_context(cafile=self.pki.path("ca.crt"))
        context.load_cert_chain(self.pki.path("admin.crt"), self.pki.path("admin.key"))
        with urllib.request.urlopen(f"https://{SERVICE_IP}:443{path}", context=context, timeout=5) as answer:
            return answer.read()

    def api_ready(self):
        return self.api("/readyz") == b"ok"

    def nodes_ready(self):
        items = json.loads(self.api("/api/v1/nodes"))["items"]
        ready = [n for n in items if any(c["type"] == "Ready" and c["status"] == "True" for c in n["status"]["conditions"])]
        return len(ready) == len(self.nodes)

    def add_node(self, index):
        node = Node(self, index)
        with self.lock:
            self.nodes[index] = node
        node.start()

    # -- requests on the control socket

    def handle(self, r):
        what = r["do"]
        if what == "signal":
            self.processes[r["process"]].signal(r["signal"])
        elif what == "start":
            self.processes[r["process"]].start()
        elif what == "alive":
            return self.processes[r["process"]].child.poll() is None
        elif what == "service-account-keys":  # from the next start of the API server on
            for name in r["verify"]:
                if not os.path.exists(self.pki.path(name)):
                    self.pki.service_account_key(name.removesuffix(".pub"))
            self.processes["kube-apiserver"].command = [str(a) for a in self.api_server_command(r["sign"], r["verify"])]
        elif what == "exec":
            done = subprocess.run(self.nodes[r["node"]].enter(*r["command"]), text=True, capture_output=True, timeout=60, input=r.get("input"))
            return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        elif what == "import":
            for node in list(self.nodes.values()):
                node.ctr("-n", "k8s.io", "images", "import", r["archive"])
        elif what == "add-node":
            self.add_node(r["node"])
        elif what == "remove-node":
            self.nodes.pop(r["node"]).remove()
        elif what == "end":
            os._exit(0)
        else:
            raise ValueError("unknown request " + what)
        return None

    def serve(self):
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o077)
        listener.bind(str(self.state / "control.sock"))
        os.umask(before)  # programs that are started later inherit it
        listener.listen(8)
        (self.state / "ready").write_text("ready\n")
        while True:
            connection = listener.accept()[0]
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, connection.makefile("rw") as stream:
            try:
                reply = {"result": self.handle(json.loads(stream.readline()))}
            except Exception as e:
                reply = {"error": f"{type(e).__name__}: {e}"}
            stream.write(json.dumps(reply) + "\n")


def main():
    child = os.fork()
    if child:  # process 1: reaps what others leave; ends when the cluster's process ends
        while True:
            pid, _ = os.wait()
            if pid == child:
                os._exit(1)
    cluster = ClusterInside(pathlib.Path(sys.argv[1]))
    try:
        cluster.start()
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    cluster.serve()


if __name__ == "__main__":
    main()
