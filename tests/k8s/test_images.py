"""What is in the images."""
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

import build

OURS = ("fairlead-operator", "install-cni")


def blobs(archive):
    """(image configuration, {path: content}) of an OCI archive."""
    with tarfile.open(archive) as tar:
        read = lambda name: tar.extractfile(name).read()
        blob = lambda d: read("blobs/" + d["digest"].replace(":", "/"))
        manifest = json.loads(blob(json.loads(read("index.json"))["manifests"][0]))
        files = {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(blob(layer))) as inner:
                files.update({"/" + m.name: inner.extractfile(m).read() for m in inner.getmembers() if m.isfile()})
        return json.loads(blob(manifest["config"])), files


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        build.images()
        cls.built = {i["image"]: i for i in json.loads((build.IMAGES / "images.json").read_text())}

    def ours(self):
        return [i for name, i in self.built.items() if any(f"/{n}:" in name for n in OURS)]

    def test_they_are_small_and_have_no_shell(self):
        for image in self.ours():
            config, files = blobs(build.IMAGES / image["archive"])
            self.assertLess(image["bytes"], 25 << 20, image["image"])
            self.assertLess(sum(map(len, files.values())), 25 << 20, image["image"] + ", unpacked")
            self.assertEqual([f for f in files if pathlib.Path(f).name in ("sh", "bash", "dash", "busybox")], [])
            self.assertEqual(config["config"]["User"], "65532:65532" if "operator" in image["image"] else "0:0")

    def test_each_has_a_list_of_what_it_is_made_of(self):
        for image in self.ours():
            sbom = json.loads((build.IMAGES / image["archive"].replace(".tar", ".spdx.json")).read_text())
            _, files = blobs(build.IMAGES / image["archive"])
            listed = {f["fileName"]: next(c["checksumValue"] for c in f["checksums"] if c["algorithm"] == "SHA256") for f in sbom["files"]}
            self.assertEqual(listed, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
            packages = {p["name"] for p in sbom["packages"]}
            self.assertLessEqual({"libc6", "libssl3"}, packages)
            self.assertEqual(sbom["spdxVersion"], "SPDX-2.3")

    def test_the_same_sources_give_the_same_image(self):
        with tempfile.TemporaryDirectory() as tmp:
            done = subprocess.run([sys.executable, str(build.ROOT / "tools/build_images.py"), "--versions", "1.28.6", "--out", tmp], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            for again in json.loads((pathlib.Path(tmp) / "images.json").read_text()):
                first = self.built[again["image"]]
                self.assertEqual(again["digest"], first["digest"])
                self.assertEqual((pathlib.Path(tmp) / again["archive"]).read_bytes(), (build.IMAGES / first["archive"]).read_bytes())


if __name__ == "__main__":
    unittest.main()
