#!/usr/bin/env python3
"""Runs the test binaries and the end-to-end tests, and sums up: how many ran, failed, were skipped, and why.

    tests/run.py [unit] [netns] [e2e]     all of them by default
    tests/run.py browser                  of the live view, in Chromium; with FAIRLEAD_REQUIRE_BROWSER=1 it fails where there is none
    tests/run.py k8s                      on real Kubernetes; with FAIRLEAD_REQUIRE_K8S=1 it fails where there can be none
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("FAIRLEAD_BUILD", ROOT / "build/release"))
sys.path.insert(0, str(ROOT / "tests/e2e"))


class Sum:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []


SHARDS = {"operator_test": 3}  # processes, each with a part of the tests: these mostly wait


def run_shard(path, index, shards):
    env = dict(os.environ, GTEST_TOTAL_SHARDS=str(shards), GTEST_SHARD_INDEX=str(index))
    return subprocess.run([str(path)], cwd=ROOT, env=env, text=True, capture_output=True, timeout=900)


def run_binary(path, total):
    """A GoogleTest binary: its own counts, and the reasons of its skips."""
    started = time.monotonic()
    shards = SHARDS.get(path.name, 1)
    with concurrent.futures.ThreadPoolExecutor(shards) as pool:
        done = list(pool.map(lambda i: run_shard(path, i, shards), range(shards)))
    out = "\n".join(d.stdout + d.stderr for d in done)
    passed = len(re.findall(r"^\[       OK \]", out, re.M))
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (\S+?)(?: \(|,|$)", out, re.M)))
    failed = [f for f in failed if "." in f]
    for name in sorted(set(re.findall(r"^\[  SKIPPED \] (\S+?) \(", out, re.M))):
        reason = re.search(r"([^\n]*)\n\[  SKIPPED \] " + re.escape(name), out)
        total.skipped.append(f"{path.name}: {name}: {reason.group(1).strip() if reason else ''}")
    bad = [d for d in done if d.returncode != 0]
    if bad and not failed:
        failed = [f"ended with status {bad[0].returncode}"]
    total.passed += passed
    total.failed += [f"{path.name}: {f}" for f in failed]
    print(f"  {path.name:<20} {passed:>4} passed {len(failed):>3} failed   {time.monotonic() - started:5.1f} s", flush=True)
    for d in bad:
        print(d.stdout[-8000:] + d.stderr[-2000:])


def run_python(pattern, total, directory="e2e"):
    """unittest cases of tests/DIRECTORY."""
    class Result(unittest.TextTestResult):
        def startTest(self, test):
            super().startTest(test)
            self.started = time.monotonic()

        def stopTest(self, test):
            print(f"    {time.monotonic() - self.started:5.1f} s  {test.id()}", flush=True)
            super().stopTest(test)

        def addSuccess(self, test):
            super().addSuccess(test)
            total.passed += 1

    suite = unittest.defaultTestLoader.discover(str(ROOT / "tests" / directory), pattern=pattern)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Result).run(suite)
    bad = result.failures + result.errors
    total.failed += [t.id() for t, _ in bad]
    total.skipped += [f"{t.id()}: {why}" for t, why in result.skipped]


def run_kubernetes(total):
    """The tier on a real cluster, one cluster for all of it."""
    sys.path.insert(0, str(ROOT / "tests/k8s"))
    import build
    import fixture
    import report
    why = build.missing()
    if why and os.environ.get("FAIRLEAD_REQUIRE_K8S"):
        total.failed.append("k8s: " + why)
    elif why:
        total.skipped.append("k8s: every test on real Kubernetes: " + why)
    if why:
        return
    report.reset()
    try:
        for name in os.environ.get("FAIRLEAD_K8S", "images contract ambient faults clients charts cni installation mesh api").split():
            print(f"  {name}", flush=True)
            run_python(f"test_{name}.py", total, "k8s")
    finally:
        fixture.stop()
        print(report.table())


def main():
    wanted = sys.argv[1:] or ["unit", "netns", "e2e"]
    total = Sum()
    if "unit" in wanted or "netns" in wanted:
        print("Unit and namespace tests", flush=True)
        modules = os.environ.get("FAIRLEAD_UNIT", "").split()  # all by default
        for path in sorted(BUILD.glob("*_test")):
            if os.access(path, os.X_OK) and (not modules or path.name.removesuffix("_test") in modules):
                run_binary(path, total)
    if "unit" in wanted:
        print("Checks of the tree", flush=True)
        run_python("check_*.py", total)
    if "e2e" in wanted:
        print("End-to-end tests on the lab", flush=True)
        run_python(os.environ.get("FAIRLEAD_E2E", "test_*.py"), total)
    if "browser" in wanted:
        print("Tests of the live view in a browser", flush=True)
        run_python("test_*.py", total, "browser")
    if "k8s" in wanted:
        print("Tests on real Kubernetes", flush=True)
        run_kubernetes(total)
    for line in total.skipped:
        print("skipped: " + line)
    for line in total.failed:
        print("FAILED: " + line)
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
