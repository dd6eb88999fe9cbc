"""Checks of the tree itself: layers, generated files."""
import os
import re
import subprocess
import sys
import unittest

from client import BUILD, ROOT


class Tree(unittest.TestCase):
    def test_generated_manifests_are_up_to_date(self):
        done = subprocess.run([sys.executable, str(ROOT / "tools/generate_manifests.py"), "--check"], env=dict(os.environ, FAIRLEAD_BUILD=str(BUILD)), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_sources_include_only_what_their_module_declares(self):
        modules = {}
        for line in (BUILD / "modules.txt").read_text().splitlines():
            name, layer, deps = line.split(":", 2)
            modules[name] = (int(layer), set(filter(None, deps.split(";"))))
        wrong = []
        for name, (layer, deps) in modules.items():
            allowed = set(deps)
            for dep in deps:
                self.assertLess(modules[dep][0], layer, f"{name} depends on {dep} of its own or a higher layer")
                allowed |= modules[dep][1]
            for path in (ROOT / "src" / name).iterdir():
                for included in re.findall(r'^#include "([a-z_]+)/', path.read_text(), re.M):
                    if included in modules and included != name and included not in deps and not path.name.endswith(("_test.cc", "_test.h")):
                        wrong.append(f"{path.relative_to(ROOT)} includes {included}, which {name} does not declare")
        self.assertEqual(wrong, [])

    def test_generated_crds_are_up_to_date(self):
        done = subprocess.run([sys.executable, str(ROOT / "tools/generate_crds.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_list_of_messages_is_up_to_date(self):
        done = subprocess.run([sys.executable, str(ROOT / "tools/list_messages.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_reference_is_up_to_date_and_explains_every_name(self):
        done = subprocess.run([sys.executable, str(ROOT / "tools/list_reference.py"), "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_plugin_is_small_static_and_has_no_credentials(self):
        plugin = BUILD / "istio-cni-1.28.6"
        linked = subprocess.run(["ldd", str(plugin)], capture_output=True, text=True)
        if "asan" in linked.stdout or "tsan" in linked.stdout:
            self.skipTest("a sanitizer build is not static")
        self.assertLess(plugin.stat().st_size, 4 << 20)
        self.assertNotIn("=>", linked.stdout)
        text = plugin.read_bytes()
        for word in (b"kubeconfig", b"KUBERNETES_SERVICE_HOST", b"Bearer"):
            self.assertNotIn(word, text)


if __name__ == "__main__":
    unittest.main()
