"""What a run on the real cluster measured: build/k8s/report.json, and a table for people."""
import json
import pathlib

PATH = pathlib.Path(__file__).resolve().parent.parent.parent / "build/k8s/report.json"
AMBIENT = ("five updates in a row under load, ambient mode, with surge", "five updates in a row under load, ambient mode, without surge")
PENDING = "the data plane has no ambient mode yet"


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


def table():
    data = load()
    lines = []
    for title, rows in data.items():
        names = list(dict.fromkeys(k for r in rows for k in r))
        lines += ["", title]
        width = max(len(n) for n in names)
        lines += [f"  {n:<{width}}  " + "".join(f"{r.get(n, '-')!s:>9}" for r in rows) for n in names]
    if data:
        lines += [line for t in AMBIENT if t not in data for line in ("", t, "  " + PENDING)]
    return "\n".join(lines).lstrip("\n")


if __name__ == "__main__":
    print(table())
