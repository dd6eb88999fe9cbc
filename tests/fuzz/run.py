#!/usr/bin/env python3
"""Runs the fuzzers of build/fuzz: parsers, the template engine and the chart loader under ASan and UBSan, guided by coverage.

    tests/fuzz/run.py [--seconds 60] [--keep] [yaml parser ...]     all of them by default, two at a time

Each starts from the inputs of the conformance cases and from those kept in tests/fuzz/corpus, one file a fuzzer with an input in
base64 a line. --keep adds what this run found to cover more. A finding ends the run with status 1 and names the input's file.
"""
import argparse
import base64
import concurrent.futures
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/fuzz"
CORPUS = HERE / "corpus"
KEPT_BYTES = 60_000  # of a fuzzer's inputs, the shortest first


def cases(path):
    """Name, options or data, and text of each case of a conformance table."""
    for block in ("\n" + path.read_text()).split("\n== ")[1:]:
        lines = (block + "\n\n").split("\n", 2)
        yield lines[0], json.loads(lines[1] or "{}"), lines[2].rstrip("\n") + "\n"


def gotmpl_templates():
    return [text for path in sorted((ROOT / "tests/conformance/gotmpl").glob("*.cases")) for _, _, text in cases(path)]


def helm_charts():
    for path in sorted((ROOT / "tests/conformance/helm").glob("*.cases")):
        for _, options, text in cases(path):
            if not text.startswith("-- "):
                text = "-- templates/t.yaml --\n" + text
            if "-- Chart.yaml --" not in text:
                text = "-- Chart.yaml --\napiVersion: v2\nname: c\nversion: 0.1.0\n" + text
            if "values" in options and "-- values.yaml --" not in text:
                text += "-- values.yaml --\n" + json.dumps(options["values"]) + "\n"
            yield text


def archives():
    for files in ({"a/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n", "a/templates/t.yaml": "x: y"}, {"../x": "y"}, {"a/.helmignore": "*.txt\n", "a/b.txt": "", "a/Chart.yaml": "name: a"}):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
        yield out.getvalue()


def seeds(name):
    helm = ROOT / "tests/conformance/helm"
    if name == "yaml":
        yield from (options["values"]["t"] for _, options, _ in cases(helm / "yaml.cases") if isinstance(options.get("values", {}).get("t"), str))
        yield from (path.read_text() for path in sorted(ROOT.glob("charts/*/values.yaml")))
    elif name in ("parser", "executor"):
        yield from gotmpl_templates()
        yield from (path.read_text() for path in sorted(ROOT.glob("charts/*/templates/*.yaml")))
    elif name == "chart":
        yield from helm_charts()
    elif name == "archive":
        yield from archives()
    elif name == "settings":
        yield from (text for _, options, _ in cases(helm / "set.cases") for kind in ("set", "setString", "setJson") for text in options.get(kind, []))
    elif name in ("conflist", "plugin"):
        plugin = {"type": "istio-cni", "cniVersion": "1.1.0", "name": "n", "log_level": "info", "plugin_log_level": "x", "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}}
        yield from (json.dumps(plugin), json.dumps({"cniVersion": "0.3.1", "name": "k8s", "plugins": [{"type": "bridge", "bridge": "cni0"}, plugin]}), json.dumps({"type": "bridge", "name": "x"}))
    elif name == "messages":
        yield from (b"\x08\x01", b"\x0a\x02\x08\x01", b"\x12\x04\x0a\x02ok")
    elif name == "rule":
        yield from re.findall(r"rule: ['\"]?(.*)", "\n".join(path.read_text() for path in sorted(ROOT.glob("charts/*/crds/*.yaml"))))
        yield "!has(self.a) || self.a.b == 'x' && size(self.l) > 1 ? true : self.n in ['a', \"b\"]"


def unpack(directory, inputs):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for i, data in enumerate(inputs):
        (directory / f"{i:05}").write_bytes(data.encode() if isinstance(data, str) else data)


def kept(name):
    path = CORPUS / (name + ".txt")
    return [base64.b64decode(line) for line in path.read_text().split()] if path.exists() else []


def fuzz(name, seconds):
    work = BUILD / "runs" / name
    unpack(work / "seeds", [*seeds(name), *kept(name)])
    (work / "found").mkdir(exist_ok=True)
    done = subprocess.run([str(BUILD / ("fuzz_" + name)), f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=3000", "-max_len=4096", "-print_final_stats=1", "-seed=1", f"-artifact_prefix={work}/",
                           str(work / "found"), str(work / "seeds")], capture_output=True, text=True, errors="replace", cwd=ROOT, timeout=seconds * 2 + 600)
    runs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    coverage = re.findall(r"cov: (\d+)", done.stderr)
    return name, done.returncode, runs.group(1) if runs else "?", coverage[-1] if coverage else "?", done.stderr


def keep(name):
    """The inputs that together cover what all of them do, the shortest first."""
    work = BUILD / "runs" / name
    shutil.rmtree(work / "merged", ignore_errors=True)
    (work / "merged").mkdir()
    subprocess.run([str(BUILD / ("fuzz_" + name)), "-merge=1", "-timeout=30", "-rss_limit_mb=3000", str(work / "merged"), str(work / "seeds"), str(work / "found")], check=True, capture_output=True, cwd=ROOT)
    given = {data.encode() if isinstance(data, str) else data for data in seeds(name)}
    inputs = sorted({path.read_bytes() for path in (work / "merged").iterdir()} - given, key=lambda data: (len(data), data))
    lines, size = [], 0
    for data in inputs:
        line = base64.b64encode(data).decode()
        size += len(line) + 1
        if size > KEPT_BYTES:
            break
        lines.append(line)
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / (name + ".txt")).write_text("".join(line + "\n" for line in sorted(lines)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60, help="for each fuzzer")
    parser.add_argument("--keep", action="store_true", help="write what was found into tests/fuzz/corpus")
    parser.add_argument("names", nargs="*")
    o = parser.parse_args()
    names = o.names or sorted(path.name.removeprefix("fuzz_") for path in BUILD.glob("fuzz_*") if path.is_file() and path.suffix == "")
    print(f"== fuzzing for {o.seconds} s each: {' '.join(names)}", flush=True)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, code, runs, coverage, log in pool.map(lambda n: fuzz(n, o.seconds), names):
            print(f"  {name:<10} {runs:>9} runs   {coverage:>6} edges   {'ok' if code == 0 else 'FOUND SOMETHING'}", flush=True)
            if code != 0:
                failed.append(name)
                print(log[-5000:])
    if o.keep:
        for name in names:
            keep(name)
    if failed:
        print("the inputs are in build/fuzz/runs/NAME/; try one again with build/fuzz/fuzz_NAME FILE")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
