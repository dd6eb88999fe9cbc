"""The README's tour, line by line as it stands there, and how long it takes."""
import os
import pathlib
import shutil
import subprocess
import time
import unittest

from client import BUILD, ROOT
from readme import tour

STATE = pathlib.Path("/var/lib/fairlead-lab")  # where `fairlead lab up` puts it


class Tour(unittest.TestCase):
    def test_it_ends_with_a_finished_update(self):
        if STATE.exists():
            self.skipTest(f"a lab runs on this machine ({STATE})")
        # it is built, and PATH is set below
        script = "\n".join(["set -e"] + [line for line in tour() if not line.startswith("make build && export PATH=")])
        kubectl = "" if shutil.which("kubectl") else f"kubectl() {{ {BUILD}/fairlead \"$@\"; }}\n"
        began = time.monotonic()
        try:
            done = subprocess.run(["bash", "-c", kubectl + script], cwd=ROOT, env=dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}"), text=True, capture_output=True, timeout=180)
        finally:
            subprocess.run([str(BUILD / "fairlead"), "lab", "down"], capture_output=True)
        print(f"      the README's tour took {time.monotonic() - began:.1f} s after the build")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"node-3 runs v1\.28\.6 \(3 of 3\)\n")
        self.assertRegex(done.stdout, r"default +istio-cni +True +Healthy +v1\.28\.6")
        self.assertRegex(done.stdout, r"The live view is at http://127\.0\.0\.1:\d+/\?token=")
        self.assertFalse(STATE.exists(), "nothing is left")


if __name__ == "__main__":
    unittest.main()
