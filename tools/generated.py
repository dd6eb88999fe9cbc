"""What the tools here write: a file that follows from others, or with --check whether it does still."""
import sys


def write(path, text):
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if path.exists() and path.read_text() == text else f"{path.name} is not up to date: run make generate")
    path.write_text(text)
