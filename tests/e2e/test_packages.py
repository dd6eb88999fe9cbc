"""What is installed works from where it is installed: the commands, as a kubectl plugin, completions, the manual page, the lab; and the
release archive is the same bytes each time."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from client import BUILD, ROOT


def run(*words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, **options)


@unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "this build cannot be installed from")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-install-"))
        done = run("cmake", "--install", BUILD, "--prefix", cls.dir)
        if done.returncode:
            raise RuntimeError(done.stderr)
        cls.env = dict(os.environ, PATH=f"{cls.dir}/bin:{os.environ['PATH']}")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def test_the_command_is_a_kubectl_plugin(self):
        kubectl = shutil.which("kubectl")
        if not kubectl:
            self.skipTest("no kubectl")
        done = run(kubectl, "fairlead", "--help", env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("update", done.stdout)

    def test_completions(self):
        def bash(*words):
            script = f"source {self.dir}/share/bash-completion/completions/fairlead; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _fairlead; echo ${{COMPREPLY[@]}}"
            return run("bash", "-c", script).stdout.split()
        self.assertEqual(bash("fairlead", "upd"), ["update"])
        self.assertEqual(bash("fairlead", "update", "--dry"), ["--dry-run"])
        self.assertIn("--kubeconfig", bash("fairlead", "status", "--"))
        self.assertEqual(bash("fairlead", "lab", "f"), ["fault"])
        self.assertEqual(bash("fairlead", "-n", "istio-cni", "lab", "up", "--sim"), ["--simulated-nodes"])
        self.assertNotIn("--client", bash("fairlead", "versions", "--"))
        for path, text in (("share/zsh/vendor-completions/_fairlead", "#compdef fairlead"), ("share/fish/vendor_completions.d/fairlead.fish", "-a update -d ")):
            self.assertIn(text, (self.dir / path).read_text())
        for shell in ("zsh", "fish"):
            if shutil.which(shell):
                self.assertEqual(run(shell, "-n", self.dir / ("share/zsh/vendor-completions/_fairlead" if shell == "zsh" else "share/fish/vendor_completions.d/fairlead.fish")).stderr, "")

    def test_the_manual_page_says_what_help_says(self):
        page = (self.dir / "share/man/man1/fairlead.1").read_text()
        self.assertTrue(page.startswith('.TH FAIRLEAD 1'))
        helped = run(self.dir / "bin/fairlead", "--help").stdout
        commands = [line.split()[0] for line in helped.split("Subcommands:")[-1].splitlines() if line.startswith("  ") and not line.startswith("   ") and line.strip()]
        self.assertGreater(len(commands), 12)
        for command in commands:
            self.assertIn(f"\n.SS {command}\n", page)

    def test_the_lab_finds_its_images(self):
        lab = subprocess.Popen([self.dir / "bin/fairlead-lab", "up", "--nodes", "1", "--state-dir", self.dir / "state", "--with-parent"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(lab.stdout.readline(), "ready\n")
            self.assertTrue((self.dir / "lib/fairlead/images/fairlead-operator/dev").is_dir())
        finally:
            lab.terminate()
            lab.wait(20)
            lab.stdout.close()


class Archive(unittest.TestCase):
    def test_it_is_the_same_bytes_each_time(self):
        if run("git", "-C", ROOT, "rev-parse", "HEAD").returncode:
            self.skipTest("not a git checkout")
        sums = set()
        for _ in range(2):
            with tempfile.TemporaryDirectory() as tmp:
                done = run("make", "-C", ROOT, "archive", f"ARCHIVE={tmp}/a.tar.gz")
                self.assertEqual(done.returncode, 0, done.stderr)
                sums.add(hashlib.sha256(pathlib.Path(tmp, "a.tar.gz").read_bytes()).hexdigest())
        self.assertEqual(len(sums), 1)


class Links(unittest.TestCase):
    def test_every_link_between_documents_leads_somewhere(self):
        import re
        missing = []
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
            text = page.read_text()
            for target in re.findall(r"\]\(([^)#\s]+)?(?:#([^)\s]+))?\)", text):
                path, anchor = target
                if path.startswith(("http:", "https:")):
                    continue
                file = (page.parent / path) if path else page
                if not file.exists():
                    missing.append(f"{page.relative_to(ROOT)}: {path}")
                elif anchor and file.suffix == ".md":
                    headings = {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)$", file.read_text())}
                    if anchor not in headings:
                        missing.append(f"{page.relative_to(ROOT)}: {path}#{anchor}")
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
