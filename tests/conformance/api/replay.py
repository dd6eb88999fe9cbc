#!/usr/bin/env python3
"""Sends the requests of cases.py to an API server and compares what two of them answer.

    replay.py record KUBECONFIG            writes recorded.json from a real API server
    replay.py compare KUBECONFIG           compares a server with recorded.json; prints what is not in differences.json

Masked: UIDs, versions, times, quotations of whole objects, and what says where or when a server was built."""
import base64
import fnmatch
import http.client
import json
import pathlib
import re
import ssl
import sys
import tempfile
import time
import urllib.parse

from cases import cases

HERE = pathlib.Path(__file__).resolve().parent
RECORDED, DIFFERENCES = HERE / "recorded.json", HERE / "differences.json"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MASKED = {"resourceVersion": "VERSION", "continue": "CONTINUE", "gitVersion": "BUILD", "gitCommit": "BUILD", "buildDate": "BUILD", "goVersion": "BUILD", "compiler": "BUILD", "platform": "BUILD",
          "gitTreeState": "BUILD", "major": "BUILD", "minor": "BUILD", "emulationMajor": "BUILD", "emulationMinor": "BUILD", "minCompatibilityMajor": "BUILD", "minCompatibilityMinor": "BUILD",
          "storageVersionHash": "HASH", "serverAddressByClientCIDRs": "ADDRESSES", "ca.crt": "CERTIFICATE", "remainingItemCount": "COUNT"}


class Server:
    def __init__(self, kubeconfig):
        config = json.loads(pathlib.Path(kubeconfig).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.address = urllib.parse.urlparse(cluster["server"]).netloc
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]).decode() + base64.b64decode(user["client-key-data"]).decode())
            pem.flush()
            self.context.load_cert_chain(pem.name)
        self.saved = {}

    def send(self, case):
        """(status, content type, body); a watch's body is the list of its events."""
        end = time.monotonic() + 30
        while True:
            answer = self.send_once(case)
            if not case["until"] or time.monotonic() > end or all(answer[0] == want if path == "code" else member(answer[2], path) == want for path, want in case["until"].items()):
                return answer
            time.sleep(0.1)

    def send_once(self, case):
        text = lambda s: re.sub(r"\$(rv|uid|continue)\.([a-z0-9]+)", lambda m: str(self.saved.get(m.group(2), {}).get(m.group(1), "0")), s)
        path = text(case["path"]).replace(" ", "%20")
        body = None if case["body"] is None else text(case["body"] if isinstance(case["body"], str) else json.dumps(case["body"]))
        connection = http.client.HTTPSConnection(self.address, context=self.context, timeout=30)
        try:
            headers = {"Accept": case["accept"], "User-Agent": "conformance"}
            if body is not None:
                headers["Content-Type"] = case["content_type"]
            connection.request(case["method"], path, body, headers)
            answer = connection.getresponse()
            raw = answer.read().decode(errors="replace")
            kind = (answer.getheader("Content-Type") or "").split(";")[0]
        except (OSError, http.client.HTTPException) as e:
            return 0, "", f"no answer: {type(e).__name__}"
        finally:
            connection.close()
        if "watch=1" in path and answer.status == 200:
            parsed = [json.loads(line) for line in raw.splitlines() if line]
        else:
            try:
                parsed = json.loads(raw)
            except ValueError:
                parsed = raw
        if case["save"] and isinstance(parsed, dict):
            meta = parsed.get("metadata", {})
            self.saved[case["save"]] = {"rv": meta.get("resourceVersion", "0"), "uid": meta.get("uid", ""), "continue": urllib.parse.quote(meta.get("continue", ""))}
        return answer.status, kind, mask(parsed)


def member(value, path):
    for key in path.split("."):
        value = value.get(key, 0) if isinstance(value, dict) else None  # Go leaves zeros out
    return value


def mask(value, key=""):
    if key in MASKED and not isinstance(value, (dict,)) and value not in ("", None):
        return MASKED[key]
    if isinstance(value, dict):
        return {UID.sub("UID", k): mask(v, k) for k, v in value.items()}
    if isinstance(value, list):
        if key == "managedFields":
            value = sorted(value, key=lambda e: (e.get("manager", ""), e.get("operation", ""), e.get("subresource", "")))
        if key == "resources":  # of discovery: in no order
            value = sorted(value, key=lambda e: e.get("name", "") if isinstance(e, dict) else str(e))
        return [mask(v) for v in value]
    if isinstance(value, str):
        value = UID.sub("UID", TIME.sub("TIME", value))
        value = re.sub(r"made-[a-z0-9]{5}", "made-RANDOM", value)
        value = re.sub(r'(in record \(|current: |"resourceVersion\\*":\\*")\d+', r"\1VERSION", value)
        value = re.sub(r'(?s)Invalid value: "\{.*\}": ', 'Invalid value: "OBJECT": ', value)  # the whole of it, with what controllers wrote meanwhile
        return "AGE" if re.fullmatch(r"\d+s", value) else value
    return value


def differences(a, b, path=""):
    """(path, in a, in b) of everything that differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(a.keys() | b.keys()):
            yield from differences(a.get(k, "<absent>"), b.get(k, "<absent>"), f"{path}.{k}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{path}[{i}]")
    elif a != b or type(a) is not type(b):
        yield path, a, b


def record(kubeconfig):
    """name -> [status, content type, body] for every case."""
    server = Server(kubeconfig)
    return {case["name"]: list(server.send(case)) for case in cases()}


def compare(want, have):
    """(case, path, real, other) of every difference."""
    for name, (status, kind, body) in want.items():
        other = have[name]
        if status != other[0]:
            yield name, "status", status, other[0]
        if kind != other[1]:
            yield name, "content-type", kind, other[1]
        yield from ((name, "body" + path, a, b) for path, a, b in differences(body, other[2]))


def explained(case, path, listed):
    return next((d for d in listed if fnmatch.fnmatchcase(case, d["case"]) and fnmatch.fnmatchcase(path.replace("[", "(").replace("]", ")"), d["path"].replace("[", "(").replace("]", ")"))), None)


def write(recorded):
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(answer, sort_keys=True)}" for name, answer in recorded.items())
    RECORDED.write_text("{\n" + lines + "\n}\n")


def main():
    what, kubeconfig = sys.argv[1:3]
    have = record(kubeconfig)
    if what == "record":
        return write(have)
    listed = json.loads(DIFFERENCES.read_text())["differences"]
    unexplained = [d for d in compare(json.loads(RECORDED.read_text()), have) if not explained(d[0], d[1], listed)]
    for name, path, real, other in unexplained:
        print(f"{name} {path}: {json.dumps(real)[:300]} | {json.dumps(other)[:300]}")
    print(f"{len(have)} requests, {len(unexplained)} unexplained differences")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
