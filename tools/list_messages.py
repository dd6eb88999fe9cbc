#!/usr/bin/env python3
"""Writes docs/messages.md: every message that a person can meet, by module, taken from the code. --check says whether it is up to date.
`…` stands for what is filled in."""
import pathlib
import re

import generated

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/messages.md"
CALLS = [  # how a call begins, what it is, which of its arguments is the message
    (r"MakeError\(", "error", 1), (r"Invalid\(", "condition", 0), (r"Log\(Level::kWarn,", "log, warning", 0), (r"Log\(Level::kError,", "log, error", 0), (r"\bEmit\(", "Event", 3),
    (r"Problem\{", "condition", 1), (r"ErrnoError\(", "error", 0),
]
MODULES = {"agent": "The node agent", "cni": "The plugin", "cmd": "The programs", "mesh": "The operator", "chart": "Charts", "gotmpl": "Templates", "kube": "Kubernetes' API", "lab": "The lab", "kernel": "Namespaces and rules",
           "redirect": "Rules of pods", "value": "JSON and YAML", "http": "Connections", "controller": "Controllers", "util": "Files and processes", "zds": "ztunnel's protocol", "view": "The live view"}


def arguments(text, start):
    """The arguments of the call whose parenthesis is open at `start`."""
    depth, at, quoted, out, piece = 1, start, False, [], ""
    while depth and at < len(text):
        c = text[at]
        if quoted:
            piece += c
            if c == "\\":
                at += 1
                piece += text[at]
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
            piece += c
        elif c in "({[":
            depth += 1
            piece += c
        elif c in ")}]":
            depth -= 1
            piece += c if depth else ""
        elif c == "," and depth == 1:
            out.append(piece)
            piece = ""
        else:
            piece += c
        at += 1
    return [a.strip() for a in [*out, piece]]


def message(expression):
    """The text of an expression that joins literals and other things; "" when it has no text."""
    parts, last, depth, rest = [], 0, 0, re.sub(r'"\s*\n\s*"', "", expression)
    for m in re.finditer(r'"((?:[^"\\]|\\.)*)"', rest):
        between = rest[last:m.start()]
        if re.sub(r"[\s+]", "", between) and (parts or between.strip().endswith("+")):
            parts.append("…")
        parts.append(m.group(1).replace('\\"', '"').replace("\\n", " "))
        last = m.end()
    if not parts:
        return ""
    if re.sub(r"[\s+)]", "", rest[last:]):
        parts.append("…")
    text = re.sub(r"\s+", " ", re.sub(r"…+", "…", "".join(parts))).strip()
    return text if re.search(r"[a-z]{3}", text) else ""


def collect():
    found = {}
    for path in sorted((ROOT / "src").rglob("*.cc")):
        if re.search(r"_test\.cc$|_fuzz\.cc$", path.name):
            continue
        text = re.sub(r"(?m)^\s*//.*$", "", path.read_text())
        module = path.relative_to(ROOT / "src").parts[0]
        for pattern, kind, index in CALLS:
            for m in re.finditer(pattern, text):
                args = arguments(text, m.end())
                if kind.startswith("log"):
                    args = [a for a in args if a]
                if len(args) > index and (said := message(args[index])):
                    found.setdefault(module, set()).add((kind, said))
    return found


def page():
    found = collect()
    out = ["# Messages", "", "Every message that a person can meet, from the code (`tools/list_messages.py`; `make generate` writes this page again). `…` stands for what is filled in.", ""]
    for module, title in MODULES.items():
        if module not in found:
            continue
        out += [f"## {title}", "", "| where | message |", "|---|---|"]
        out += [f"| {kind} | {said.replace('|', chr(92) + '|').replace('<', '&lt;')} |" for kind, said in sorted(found[module])] + [""]
    return "\n".join(out)


if __name__ == "__main__":
    generated.write(PAGE, page())
