"""`fairlead update`, `status` and `versions` as a person sees them: in a terminal of 80 columns (tmux), in a pipe, interrupted."""
import json
import os
import re
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

from client import BUILD, ROOT, condition
from cluster import Cluster
from test_mesh import istio

FAIRLEAD = str(BUILD / "fairlead")


class Terminal:
    """A terminal of 80 columns and 24 lines in which one command runs."""

    def __init__(self, env, *words, columns=80):
        self.socket = tempfile.mktemp(prefix="fairlead-tmux-")
        self.env = {k: v for k, v in env.items() if k not in ("TMUX", "NO_COLOR")}
        self.tmux("new-session", "-d", "-x", str(columns), "-y", "24", "sh", "-c", "trap : INT; " + " ".join(words) + "; echo \"exit status $?\"; sleep 600")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], env=self.env, capture_output=True, text=True, timeout=20).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def wait(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.screen():
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} does not come:\n{self.screen()}")
            time.sleep(0.1)
        return self.screen()

    def close(self):
        self.tmux("kill-server")
        if os.path.exists(self.socket):
            os.unlink(self.socket)


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.c = c = Cluster()
        try:
            c.install_operator()
            c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}, istio("v1.28.6", values={"pilot": {"cni": {"enabled": False}}}))
            c.kubectl("wait", "--for=condition=Ready", "istio/default", "--timeout=40s")
            c.install_cni("v1.28.5")
            c.wait_ready()
        except BaseException:
            c.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.c.stop()

    def setUp(self):
        c = self.c
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.5","values":null,"rollout":null}}')
        c.wait_ready()
        c.wait_until(lambda: len(c.agents()) == 3, 20, "one agent a node")

    def fairlead(self, *words, timeout=90):
        return subprocess.run([FAIRLEAD, *words], env=self.c.env, text=True, capture_output=True, timeout=timeout)

    def terminal(self, *words):
        t = Terminal(self.c.env, FAIRLEAD, *words)
        self.addCleanup(t.close)
        return t

    def test_update_in_a_terminal(self):
        t = self.terminal("update", "v1.28.6")
        seen = []
        while "exit status" not in (screen := t.screen()):
            if not seen or seen[-1] != screen:
                seen.append(screen)
            self.assertLess(len(seen), 500)
            time.sleep(0.05)
        last = [line.rstrip() for line in screen.splitlines() if line.strip()]
        self.assertRegex(last[0], r"^preflight: \d+ checks, 0 to look at$")
        self.assertEqual(last[1], "istiocni/default: v1.28.5 -> v1.28.6")
        self.assertRegex(last[2], r"^istiocni/default  v1\.28\.6  \[##########\] 3 of 3 nodes  \d\d:\d\d$")
        self.assertEqual(last[3:6], [f"node-{n}  [##########]  v1.28.6  ready" for n in (1, 2, 3)])
        self.assertRegex("\n".join(last[6:8]), r"^NAME +NAMESPACE +PROFILE +READY +STATUS +VERSION +AGE\ndefault +istio-cni +True +Healthy +v1.28.6 +\S+$")
        self.assertEqual(last[8:], ["exit status 0"])
        between = "\n".join(seen)
        self.assertRegex(between, r"istiocni/default  v1\.28\.5 -> v1\.28\.6  \[[#-]{10}\] [012] of 3 nodes")
        self.assertRegex(between, r"node-\d  \[-{10}\]  v1\.28\.5")
        self.assertTrue(all(len(line) <= 80 for line in between.splitlines()))

    def test_update_in_a_pipe(self):
        done = self.fairlead("update", "v1.28.6")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("\x1b", done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(sorted(line.split(" (")[0] for line in lines if " runs " in line), [f"node-{n} runs v1.28.6" for n in (1, 2, 3)])
        self.assertIn("(3 of 3)", done.stdout)
        self.assertRegex(lines[-1], r"^default +istio-cni +True +Healthy +v1.28.6")

    def test_without_a_version_the_newest_that_fits(self):
        done = self.fairlead("update", "--dry-run")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("v1.28.10 is the newest version that fits", done.stdout)
        self.assertEqual(self.c.get("istiocni", "default")["spec"]["version"], "v1.28.5", "a dry run changes nothing")

    def test_an_interrupted_update_goes_on(self):
        t = self.terminal("update", "v1.28.6")
        t.wait("istiocni/default: v1.28.5 -> v1.28.6")
        t.tmux("send-keys", "C-c")
        screen = t.wait("exit status 130")
        self.assertIn("the update goes on by itself. See it with: fairlead status", screen.replace("\n", ""))
        self.c.wait_ready()
        self.assertEqual(self.c.get("istiocni", "default")["status"]["runningVersion"], "v1.28.6")

    def test_what_is_refused_is_not_begun(self):
        done = self.fairlead("update", "v1.29.6")
        self.assertEqual(done.returncode, 2)
        self.assertIn("Update the control plane to 1.29 first", done.stdout)
        self.assertEqual(self.c.get("istiocni", "default")["spec"]["version"], "v1.28.5")
        for words, message in ((("update", "v1.28.6", "--timeout", "soon"), '"soon" is not a duration'), (("update", "--kubeconfig", "/nowhere"), "/nowhere")):
            done = self.fairlead(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)

    def test_an_update_that_does_not_go_on_says_where(self):
        c = self.c
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"values":{"cni":{"image":"nowhere.example/install-cni:1"}},"rollout":{"progressDeadlineSeconds":4}}}')
        done = self.fairlead("update", "v1.28.6")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r"node-\d: failing: (ErrImagePull|ImagePullBackOff)")
        self.assertIn("stopped: no further node was updated since", done.stderr)
        self.assertIn("go back with: fairlead rollback", done.stderr)
        status = self.fairlead("status")
        self.assertEqual(status.returncode, 3)
        self.assertIn("Progressing: ProgressDeadlineExceeded", status.stdout)

    def test_every_form_of_output(self):
        agent = next(r["root"] for r in self.c.records() if r["netns"]) + "/var/run/istio-cni"
        for words in (["status"], ["version"], ["versions"], ["history"], ["pods"], ["preflight", "v1.28.6"], ["node", "--run-dir", agent]):
            as_json, as_yaml = (self.fairlead(*words, "-o", form) for form in ("json", "yaml"))
            self.assertEqual((as_json.returncode, as_yaml.returncode), (0, 0), as_json.stderr + as_yaml.stderr)
            json.loads(as_json.stdout)
            self.assertNotIn("{", as_yaml.stdout.splitlines()[0].replace("{}", ""))
            self.assertEqual(self.fairlead(*words, "-o", "table").stdout.splitlines()[0], self.fairlead(*words).stdout.splitlines()[0])
        wide = self.fairlead("status", "-o", "wide").stdout
        self.assertRegex(wide, r"NODE +VERSION +POD +IP +MADE")
        for pod in self.c.agents():
            self.assertIn(pod["metadata"]["name"], wide)
        self.assertIn("WHY NOT", self.fairlead("versions", "-o", "wide").stdout.splitlines()[0])
        refused = self.fairlead("status", "-o", "xml")
        self.assertIn("xml", refused.stderr + refused.stdout)
        self.assertNotEqual(refused.returncode, 0)

    def test_version_tells_every_part(self):
        printed = self.fairlead("version").stdout
        rows = [line.split(maxsplit=2) for line in printed.splitlines()]
        self.assertEqual(rows[0], ["COMPONENT", "VERSION", "WHERE"])
        own = (ROOT / "VERSION").read_text().strip()
        self.assertIn(["fairlead", own], rows)
        self.assertIn(["CNI", "v1.28.5", "3 nodes"], rows)
        self.assertIn("control plane   v1.28.6", printed)
        alone = self.fairlead("version", "--client", "--kubeconfig", "/nowhere")
        self.assertEqual((alone.returncode, alone.stdout.splitlines()[-1].split()), (0, ["fairlead", own]))

    def test_a_command_line_that_is_wrong_is_explained(self):
        for words, message, where in (
                (["updat"], 'unknown command "updat"; did you mean update?', "fairlead"),
                (["lab", "fualt"], 'unknown command "fualt"; did you mean fault?', "fairlead lab"),
                (["elsewhere"], 'unknown command "elsewhere"', "fairlead"),
                ([], "a command is required", "fairlead"),
                (["update", "--now"], "unknown flag --now", "fairlead update"),
                (["update", "v1.28.6", "v1.28.7"], 'unexpected argument "v1.28.7"', "fairlead update"),
                (["preflight"], "version is required", "fairlead preflight")):
            done = self.fairlead(*words)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", f"error: {message}\nSee {where} --help\n"))
        done = self.fairlead("get", "istiocni", "elsewhere")
        self.assertEqual((done.returncode, done.stderr), (1, 'Error from server (NotFound): istiocnis.sailoperator.io "elsewhere" not found\n'))

    def test_diff_shows_what_an_update_would_change_and_changes_nothing(self):
        before = self.c.get("daemonset", "istio-cni-node", "-n", "istio-cni")["metadata"]["resourceVersion"]
        self.assertIn("Nothing changes.", self.fairlead("diff").stdout)
        same = self.fairlead("diff", "--detailed-exitcode")
        self.assertEqual(same.returncode, 0)
        other = self.fairlead("diff", "v1.28.6", "--detailed-exitcode")
        self.assertEqual(other.returncode, 2, other.stderr)
        self.assertRegex(other.stdout, r"-\s+image: \S+:1\.28\.5\n\+\s+image: \S+:1\.28\.6\n")
        self.assertEqual(self.c.get("daemonset", "istio-cni-node", "-n", "istio-cni")["metadata"]["resourceVersion"], before)

    def test_bundle(self):
        c = self.c
        c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"values":{"cni":{"env":{"API_TOKEN":"very-secret"}}}}}')
        c.wait_ready()
        with tempfile.TemporaryDirectory() as tmp:
            done = self.fairlead("bundle", "-f", tmp + "/b.tar.gz")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(os.stat(tmp + "/b.tar.gz").st_mode & 0o777, 0o600)
            with tarfile.open(tmp + "/b.tar.gz") as archive:
                texts = {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}
        self.assertTrue({"istiocnis.yaml", "istiorevisions.yaml", "nodes.yaml", "events.yaml", "agents/pods.yaml"} <= set(texts), sorted(texts))
        self.assertEqual(sum(name.startswith("agents/") and name.endswith(".install-cni.log") for name in texts), 3)
        self.assertIn("fairlead_agent_pods", next(t for name, t in texts.items() if name.startswith("agents/") and name.endswith(".metrics")))
        self.assertIn("v1.28.5", texts["istiocnis.yaml"])
        self.assertNotIn("very-secret", "".join(texts.values()))

    def test_status_and_versions(self):
        done = self.fairlead("status")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^IstioRevision/default +v1.28.6 +yes$")
        self.assertEqual(len(re.findall(r"(?m)^node-\d  \[##########\]  v1.28.5  ready$", done.stdout)), 3)
        as_json = json.loads(self.fairlead("status", "-o", "json").stdout)
        self.assertEqual((as_json["runningVersion"], as_json["state"], len(as_json["nodes"])), ("v1.28.5", "Healthy", 3))
        rows = [line.split() for line in self.fairlead("versions").stdout.splitlines()[1:]]
        self.assertIn(["v1.28.5", "yes", "*"], rows)
        self.assertIn(["v1.29.6", "no"], rows)
        numbers = [[int(n) for n in row[0][1:].split("-")[0].split(".")] for row in rows]
        self.assertEqual(numbers, sorted(numbers, reverse=True), "the newest first")
        self.assertNotIn("v1.26.3", self.fairlead("versions").stdout)


class Lab(unittest.TestCase):
    """`fairlead lab`: a cluster of one's own from the first command to the last."""

    def test_up_load_fault_down(self):
        directory = tempfile.mkdtemp(prefix="fairlead-lab-test-")
        state = directory + "/state"

        def fairlead(*words, **more):
            return subprocess.run([FAIRLEAD, *words], text=True, capture_output=True, timeout=120, **more)

        up = fairlead("lab", "up", "--state-dir", state)
        try:
            self.assertEqual(up.returncode, 0, up.stderr)
            kubeconfig = re.search(r"^export KUBECONFIG=(\S+)$", up.stdout, re.M)[1]
            again = fairlead("lab", "up", "--state-dir", state)
            self.assertEqual(again.returncode, 1)
            self.assertIn("a lab runs already", again.stderr)
            env = dict(os.environ, KUBECONFIG=kubeconfig)
            for file in ("config/manifests/fairlead.yaml", "docs/guides/mesh-in-place.yaml"):
                applied = fairlead("apply", "-f", str(ROOT / file), env=env)
                self.assertEqual(applied.returncode, 0, applied.stderr)
            self.assertEqual(fairlead("wait", "--for=condition=Ready", "istiocnis/default", "--timeout=60s", env=env).returncode, 0)
            self.assertRegex(fairlead("version", env=env).stdout, r"(?m)^operator +\d+\.\d+\.\d+ +fairlead-system/fairlead-operator$")
            load = subprocess.Popen([FAIRLEAD, "lab", "load"], env=env, stdout=subprocess.PIPE, text=True)
            lines = [load.stdout.readline()]
            killed = fairlead("lab", "fault", "agent", "--node", "node-2", env=env)
            self.assertRegex(killed.stdout, r"^killed container install-cni of pod istio-cni/istio-cni-node-\w+\n$")
            self.assertEqual(fairlead("lab", "fault", "operator", env=env).stdout.count("killed container operator"), 2)
            self.assertIn("no agent runs on node \"elsewhere\"", fairlead("lab", "fault", "agent", "--node", "elsewhere", env=env).stderr)
            while not lines[-1].startswith("requests ") or int(lines[-1].split()[1].rstrip(",")) < 50:
                lines.append(load.stdout.readline())
                self.assertTrue(lines[-1], lines)
            load.send_signal(signal.SIGINT)
            load.communicate(timeout=30)
            self.assertEqual(load.returncode, 0)
            self.assertRegex(lines[-1], r"^requests \d+, failed 0, outside the mesh 0, connections broken 0\n$")
            self.assertEqual(fairlead("lab", "fault", "api", "--seconds", "1", env=env).stdout, "the API server is away for 1 s\n")
        finally:
            down = fairlead("lab", "down", "--state-dir", state)
        self.assertEqual((down.returncode, down.stderr), (0, ""))
        self.assertEqual(os.listdir(directory), [], "nothing is left")
        os.rmdir(directory)
        self.assertIn("no lab runs", fairlead("lab", "down", "--state-dir", state).stderr)


if __name__ == "__main__":
    unittest.main()
