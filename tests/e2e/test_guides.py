"""Every command of the guides is carried out on the lab, in order, and what it prints is compared. In the text: `...` stands for any lines, AGE for
an age, ID for the random end of a name; how many spaces are between columns does not matter."""
import pathlib
import re
import subprocess
import unittest

from client import BUILD, ROOT
from cluster import Cluster

GUIDES = ROOT / "docs/guides"


def steps(page):
    """(command, expected lines) of the console blocks."""
    found = []
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", page.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def matches(expected, printed):
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        text = re.escape(re.sub(r" +", " ", line.rstrip())).replace(r"\ ", " ")
        text = re.sub(r"\bAGE\b(?=$)", r"(?:AGE|[0-9dhms]+)", text).replace(" AGE ", r" (?:AGE|[0-9dhms]+) ")
        text = re.sub(r"-ID\b", r"-[a-z0-9-]+", text).replace("\\-ID", r"-[a-z0-9-]+")
        pattern += text + r" *\n"
    printed = "".join(re.sub(r" +", " ", line.rstrip()) + "\n" for line in printed.splitlines())
    return re.fullmatch(pattern, printed) is not None


class Guides(unittest.TestCase):
    def carry_out(self, name, prepare=lambda c: None):
        page = GUIDES / name
        todo = steps(page)
        self.assertGreater(len(todo), 2)
        with Cluster() as c:
            prepare(c)
            env = dict(c.env, PATH=f"{BUILD}:{c.env['PATH']}")
            for command, expected in todo:
                done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=180)
                self.assertEqual(done.returncode, 0, f"{name}: {command}\n{done.stdout}{done.stderr}")
                if expected and not matches(expected, done.stdout):
                    # A state that is about to come: what was just made is looked at a moment later.
                    c.wait_until(lambda: command.split()[1] in ("get", "wait") or command.startswith("fairlead status"), 1, "a command that may be repeated")
                    seen = []

                    def again():
                        seen[:] = [subprocess.run(["sh", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=180).stdout]
                        return matches(expected, seen[0])
                    try:
                        c.wait_until(again, 20, command)
                    except AssertionError:
                        self.fail(f"{name}: {command}\nprints\n{seen[0]}\nand the guide says\n" + "\n".join(expected))

    def test_update_in_place(self):
        self.carry_out("update-in-place.md")

    def test_update_with_revisions(self):
        self.carry_out("update-with-revisions.md")

    def test_ambient(self):
        self.carry_out("ambient.md")

    def test_air_gapped(self):
        self.carry_out("air-gapped.md")

    def test_move_from_the_sail_operator(self):
        import base64
        import gzip
        import json

        def prepare(c):
            """What the sail-operator leaves: its Deployment, what its Helm release made, and the release's Secret."""
            helm = lambda kind, name, api, **more: {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "Helm"},
                                                    "annotations": {"meta.helm.sh/release-name": "istio-cni", "meta.helm.sh/release-namespace": "istio-cni"}}, **more}
            pod = lambda name: {"metadata": {"labels": {"k8s-app": name, "app.kubernetes.io/version": "1.28.5"}}, "spec": {"containers": [{"name": "a", "image": "mesh-sample:dev", "command": ["mesh-sample", "server"]}]}}
            agent = helm("DaemonSet", "istio-cni-node", "apps/v1", spec={"selector": {"matchLabels": {"k8s-app": "istio-cni-node"}}, "template": pod("istio-cni-node")})
            agent["metadata"]["namespace"] = "istio-cni"
            role = helm("ClusterRole", "istio-cni-repair-role", "rbac.authorization.k8s.io/v1", rules=[])
            release = {"name": "istio-cni", "version": 1, "info": {"status": "deployed"}, "manifest": "".join("---\n" + json.dumps(o) + "\n" for o in (agent, role))}
            packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
            sail = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "sail-operator", "namespace": "sail-operator"}, "spec": {"selector": {"matchLabels": {"k8s-app": "sail"}}, "template": pod("sail")}}
            c.apply_crds()
            c.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in ("istio-cni", "sail-operator")), sail,
                    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sh.helm.release.v1.istio-cni.v1", "namespace": "istio-cni", "labels": {"owner": "helm", "name": "istio-cni", "version": "1", "status": "deployed"}},
                     "type": "helm.sh/release.v1", "data": {"release": packed}})
            c.kubectl("create", "--field-manager=helm", "-f", "-", input="".join("---\n" + json.dumps(o) + "\n" for o in (agent, role)))
            c.wait_until(lambda: len(c.agents()) == 3, 20, "the old agents are there")
        self.carry_out("move-from-sail-operator.md", prepare)

    def test_every_message_of_the_page_for_trouble_is_one_that_the_programs_say(self):
        code = "".join(p.read_text() for p in (ROOT / "src").rglob("*.cc") if not p.name.endswith("_test.cc"))
        code = re.sub(r'"\s*\n\s*"', "", code).replace('\\"', '"')
        ours = {"ErrImagePull", "ImagePullBackOff"}
        for line in (GUIDES / "troubleshooting.md").read_text().splitlines():
            if not line.startswith("| ") or line.startswith("| message") or line.startswith("| what"):
                continue
            for message in re.findall(r"`([^`]+)`", line.split("|")[1]):
                parts = [p for p in re.split(r' ?"x" ?', message) if p]
                for part in parts:
                    if part not in ours and part != "PodsNotRedirected":
                        self.assertTrue(part in code, f"no program says {part!r}: {line}")


if __name__ == "__main__":
    unittest.main()
