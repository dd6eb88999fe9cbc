"""What a run on the real cluster measured: build/k8s/report.json, and a table for people."""
import json
import pathlib

PATH = pathlib.Path(__file__).resolve().parent.parent.parent / "build/k8s/report.json"


def load():
    return json.loads(PATH.read_text()) if PATH.exists() else {}


def reset():
    PATH.unlink(missing_ok=True)


def add(title, rows):
    """`rows`: one dictionary of figures a run."""
    data = load()
    data[title] = rows
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(data, indent=1) + "\n")


def markdown(header, rows):
    """A Markdown table that is readable as text, too."""
    rows = [[str(c) for c in r] for r in [header, *rows]]
    widths = [max(len(r[i]) for r in rows) for i in range(len(header))]
    line = lambda r: "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))) + " |"
    return [line(rows[0]), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, rows[1:])]


def table():
    """Updates beside each other, faults below each other, then the rest."""
    data = load()
    if not data:
        return ""
    updates = {t: r[0] for t, r in data.items() if "pods created under load" in r[0]}
    faults = {t.removeprefix("fault: "): r[0] for t, r in data.items() if t.startswith("fault: ")}
    controls = {t: r[0] for t, r in data.items() if t.endswith("no update")}
    idle = data.get("ten updates without load", [])
    lines = []
    if updates:
        columns = {f"{i + 1}": f for i, f in enumerate(updates.values())}
        lines += ["Updates under load", ""] + [f"{i + 1}. {title}" for i, title in enumerate(updates)]
        names = list(dict.fromkeys(k for f in updates.values() for k in f))
        lines += [""] + markdown(["", *columns], [[n, *(f.get(n, "") for f in columns.values())] for n in names])
    for title, control in controls.items():
        lines += ["", title + ": " + ", ".join(f"{name} {value}" for name, value in control.items())]
    if idle:
        lines += ["", "Ten updates without load, one after the other", ""]
        lines += markdown(["", *range(1, len(idle) + 1)], [[n, *(r[n] for r in idle)] for n in idle[0]])
    if faults:
        names = list(next(iter(faults.values())))
        lines += ["", "Faults during an update under load", ""] + markdown(["", *names], [[title, *(f[n] for n in names)] for title, f in faults.items()])
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
