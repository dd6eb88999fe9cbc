#!/usr/bin/env python3
"""What the README says, carried out on a Debian 12 that has nothing but its base system, in a directory of its own: git and
make, a clone, the tour, the demo. Prints how long each took. What is not committed is not in it.

    tests/bare.py [COMMAND...]    what to carry out afterwards, for instance `make test`

Needs root, debootstrap and Debian's packages. The directory and every process in it are gone at the end.
"""
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
from readme import tour  # noqa: E402

# As the first process of its own PID namespace, so that nothing in it outlives it. The lab makes mounts private, which takes a
# root that is a mount point: pivot_root, where chroot would not do.
ENTER = """set -e
mount --bind "$1" "$1"; cd "$1"; mkdir -p src old
mount --bind "$2" src; mount -o remount,ro,bind src
mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
pivot_root . old; umount -l /old
exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb bash /root/newcomer.sh"""

NEWCOMER = """set -e
shopt -s expand_aliases
step() { echo "== $SECONDS s: $*"; }
step "git and make"
apt-get update -qq
apt-get install -y -qq git make >/dev/null 2>&1
git config --global --add safe.directory '*'
git clone -q /src /root/fairlead
cd /root/fairlead
alias kubectl=fairlead
"""


def script(commands):
    lines = [f"step {shlex.quote(c)}\n{c}" for c in [*tour(), "make demo", *commands]]
    return NEWCOMER + "\n".join(lines) + '\nstep "done"\n'


def main():
    if os.geteuid() != 0:
        sys.exit("tests/bare.py: needs root")
    with tempfile.TemporaryDirectory(prefix="fairlead-bare-", dir="/var/tmp") as root:
        os.chmod(root, 0o755)  # it becomes /, for every user
        print("making a bare Debian 12", flush=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0:
            sys.exit("tests/bare.py: debootstrap failed:\n" + made.stdout[-2000:])
        inside = pathlib.Path(root)
        for name in ("resolv.conf", "hosts"):
            (inside / "etc" / name).write_text(pathlib.Path("/etc", name).read_text())
        (inside / "root/newcomer.sh").write_text(script(sys.argv[1:]))
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "bash", "-c", ENTER, "bare", root, str(ROOT)])
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
