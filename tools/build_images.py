#!/usr/bin/env python3
"""Builds the container images with buildah, without a daemon, and an SPDX list of what is in each.

    tools/build_images.py [--versions 1.28.5,1.28.6] [--hub localhost/fairlead] [--out build/images-oci] [--tests]

OUT/NAME-TAG.tar is an OCI archive that `ctr images import`, `skopeo` and `podman load` take; OUT/NAME-TAG.spdx.json lists what
it is made of; OUT/images.json lists the images with digest and size. The same sources and packages give the same digests."""
import argparse
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 25 << 20  # bytes of an archive


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, **kwargs)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def libraries(program):
    """The shared libraries and the loader that a program needs: path -> file. Empty for a static one."""
    done = subprocess.run(["ldd", str(program)], text=True, capture_output=True)
    if "not a dynamic executable" in done.stdout + done.stderr:
        return {}
    found = {}
    for line in done.stdout.splitlines():
        m = re.search(r"(/\S+) \(0x", line)
        if "not found" in line:
            sys.exit(f"{program}: {line.strip()}")
        if m:
            found[m.group(1)] = os.path.realpath(m.group(1))
    return found


def owner(path):
    """The Debian package that a file comes from: (name, version, architecture)."""
    for candidate in (path, path.removeprefix("/usr"), "/usr" + path):
        done = subprocess.run(["dpkg", "-S", candidate], text=True, capture_output=True)
        if done.returncode == 0:
            name = done.stdout.split(": ")[0].split(",")[0]
            version, arch = run("dpkg-query", "-W", "-f", "${Version} ${Architecture}", name).split()
            return name.split(":")[0], version, arch
    return None


class Image:
    """What goes into an image: its programs (path in the image -> file), all with the libraries that they need."""

    def __init__(self, name, tag, programs):
        self.name, self.tag, self.programs = name, tag, programs

    def inputs(self):
        """A digest over everything that the image is made from."""
        files = sorted(p for p in (ROOT / "images" / self.name).rglob("*") if p.is_file()) + [pathlib.Path(__file__)]
        for source in self.programs.values():
            files += [source, *libraries(source).values()]
        return hashlib.sha256(b"".join(hashlib.sha256(pathlib.Path(f).read_bytes()).digest() for f in files)).hexdigest()

    def build(self, hub, out, store):
        reference = f"{hub}/{self.name}:{self.tag}"
        with tempfile.TemporaryDirectory() as tmp:
            context = pathlib.Path(tmp) / "context"
            shutil.copytree(ROOT / "images" / self.name, context)
            packages = self.fill(context / "rootfs")
            storage = ["--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "vfs"]
            run("buildah", *storage, "bud", "--isolation", "chroot", "--timestamp", "0", "--layers=false", "--format", "oci",
                "--label", f"org.opencontainers.image.title={self.name}", "--label", f"org.opencontainers.image.version={self.tag}",
                "--identity-label=false", "-t", reference, context)
            run("buildah", *storage, "push", reference, f"oci:{tmp}/oci:{reference}")
            run("buildah", *storage, "rmi", "--force", reference)
            digest = json.loads((pathlib.Path(tmp) / "oci/index.json").read_text())["manifests"][0]["digest"]
            archive = out / f"{self.name}-{self.tag}.tar"
            write_archive(pathlib.Path(tmp) / "oci", archive)
            sbom = spdx(reference, digest, packages, context / "rootfs", self.tag)
            (out / f"{self.name}-{self.tag}.spdx.json").write_text(json.dumps(sbom, indent=1) + "\n")
        return {"image": reference, "digest": digest, "archive": archive.name, "bytes": archive.stat().st_size, "inputs": self.inputs()}

    def fill(self, rootfs):
        """Copies everything in, stripped; returns the Debian packages that contribute."""
        packages = set()
        for path, source in self.programs.items():
            target = rootfs / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            subprocess.run(["strip", str(target)], capture_output=True)
            target.chmod(0o755)
            if not str(source).startswith(str(ROOT)):
                packages.add(owner(str(source)))
            needed = libraries(source)
            for lib, file in needed.items():
                place = rootfs / lib.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
                place.chmod(0o755)
                packages.add(owner(file))
            if not needed:  # linked statically: the compiler's and the C library's code is in it
                packages |= {owner(run("g++", "-print-file-name=" + lib).strip()) for lib in ("libc.a", "libstdc++.a")}
        for d in ("tmp", "etc"):
            (rootfs / d).mkdir(parents=True, exist_ok=True)
        (rootfs / "etc/passwd").write_text("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")
        (rootfs / "etc/group").write_text("root:x:0:\nnonroot:x:65532:\n")
        return packages - {None}


def iptables():
    """Both iptables by the names that the agent calls, and all of their extensions: one that is missing makes a listing fail."""
    found = {f"/usr/sbin/{family}-{kind}-{what}": f"/usr/sbin/xtables-{kind}-multi"
             for family in ("iptables", "ip6tables") for kind in ("nft", "legacy") for what in ("save", "restore")}
    extensions = next(pathlib.Path("/usr/lib").glob("*-linux-gnu/xtables"))
    return found | {str(f): os.path.realpath(f) for f in sorted(extensions.glob("*.so"))}


def write_archive(directory, path):
    """A tar whose bytes depend on the contents alone."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(p for p in directory.rglob("*") if p.is_file()):
            info = tarfile.TarInfo(str(file.relative_to(directory)))
            data = file.read_bytes()
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def spdx(reference, digest, packages, rootfs, version):
    entries = [{"SPDXID": "SPDXRef-image", "name": reference, "versionInfo": digest, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
                "licenseDeclared": "Apache-2.0", "supplier": "Organization: Fairlead"}]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"}]
    for name, ver, arch in sorted(packages):
        ref = "SPDXRef-deb-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)
        entries.append({"SPDXID": ref, "name": name, "versionInfo": ver, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
                        "supplier": "Organization: Debian", "licenseDeclared": "NOASSERTION",
                        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:deb/debian/{name}@{ver}?arch={arch}"}]})
        relations.append({"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": ref})
    files = []
    for i, file in enumerate(sorted(p for p in rootfs.rglob("*") if p.is_file())):
        data = file.read_bytes()
        files.append({"SPDXID": f"SPDXRef-file-{i}", "fileName": "/" + str(file.relative_to(rootfs)),
                      "checksums": [{"algorithm": a.upper(), "checksumValue": hashlib.new(a, data).hexdigest()} for a in ("sha1", "sha256")]})
        relations.append({"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": f"SPDXRef-file-{i}"})
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": reference,
            "documentNamespace": f"https://fairlead.dev/spdx/{digest.replace(':', '-')}", "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: fairlead-build-images"]},
            "packages": entries, "files": files, "relationships": relations}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--versions", default="1.28.5,1.28.6", help="versions of install-cni, with commas")
    arguments.add_argument("--hub", default="localhost/fairlead")
    arguments.add_argument("--out", type=pathlib.Path, default=ROOT / "build/images-oci")
    arguments.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    arguments.add_argument("--tests", action="store_true", help="the images that the tests use, too")
    options = arguments.parse_args()
    versions = [v for v in re.split(r"[, ]+", options.versions) if v]
    for v in versions:
        if not re.fullmatch(r"\d+\.\d+\.\d+(-[a-z]+\.\d+)?", v):
            sys.exit(f"--versions: {v!r} is not a version such as 1.28.6")
    own = (ROOT / "VERSION").read_text().strip()
    run("cmake", "--preset", options.build.name, "-DFAIRLEAD_IMAGE_VERSIONS=" + ";".join(versions), cwd=ROOT)
    targets = [f"{p}-{v}" for v in versions for p in ("install-cni", "istio-cni")] + ["fairlead-operator", "mesh-sample", "pause"]
    run("ninja", "-C", options.build, "-j2", *targets)

    build = options.build
    images = [Image("fairlead-operator", own, {"/usr/local/bin/fairlead-operator": build / "fairlead-operator"})]
    images += [Image("install-cni", v, {"/usr/local/bin/install-cni": build / f"install-cni-{v}", "/opt/cni/bin/istio-cni": build / f"istio-cni-{v}",
                                        "/usr/sbin/nft": "/usr/sbin/nft", **iptables()}) for v in versions]
    if options.tests:
        images += [Image("mesh-sample", own, {"/usr/local/bin/mesh-sample": build / "mesh-sample"}), Image("pause", own, {"/pause": build / "pause"})]
    for i in build_all(images, options.hub, options.out):
        print(f"{i['image']:<50} {i['bytes'] / 1e6:6.1f} MB  {i['digest']}")
        if i["bytes"] > LIMIT:
            sys.exit(f"{i['image']} is over {LIMIT >> 20} MiB")


def build_all(images, hub, out):
    """Builds what changed; returns an entry for each image and writes OUT/images.json."""
    out.mkdir(parents=True, exist_ok=True)
    known = {}
    if (out / "images.json").exists():
        known = {i["image"]: i for i in json.loads((out / "images.json").read_text()) if (out / i["archive"]).exists()}

    def build_or_keep(image, store):
        old = known.get(f"{hub}/{image.name}:{image.tag}")
        return old if old and old.get("inputs") == image.inputs() else image.build(hub, out, store)

    with tempfile.TemporaryDirectory(prefix="fairlead-buildah-") as store:
        built = [build_or_keep(image, store) for image in images]
    known.update({i["image"]: i for i in built})
    (out / "images.json").write_text(json.dumps(sorted(known.values(), key=lambda i: i["image"]), indent=1) + "\n")
    return built


if __name__ == "__main__":
    main()
