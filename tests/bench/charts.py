"""How long a chart takes to render: whole processes beside `helm template` in one run, and inside of a process."""
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE.parent / "k8s"))
import build  # noqa: E402
from client import BUILD, ROOT  # noqa: E402

ROUNDS = 30
KUBE = ("--kube-version", "v1.34.0")


def median(values):
    return sorted(values)[len(values) // 2]


def process(command):
    """Median in ms of whole processes; the first one, which reads the files, does not count."""
    took = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - began) * 1000)
    return median(took[1:])


def inside(chart):
    runs = [json.loads(subprocess.run([str(BUILD / "chart-bench"), str(chart)], capture_output=True, check=True).stdout) for _ in range(ROUNDS)]
    return {name: median([r[name] for r in runs]) for name in runs[0]}


def main():
    print("== charts: rendering with the default values")
    helm = build.helm()
    for chart in sorted(path.parent for path in (ROOT / "charts").glob("*/Chart.yaml")):
        ours = process([BUILD / "fairlead", "render", chart, *KUBE])
        theirs = process([helm, "template", "rel", chart, *KUBE])
        ms = inside(chart)
        print(f"  {chart.name:<18} fairlead render {ours:6.1f} ms   helm template {theirs:6.1f} ms   ratio {ours / theirs:.2f}   "
              f"in a process: loaded in {ms['load']:.2f} ms, rendered in {ms['first']:.2f} ms at first and {ms['median']:.2f} ms then")


if __name__ == "__main__":
    main()
