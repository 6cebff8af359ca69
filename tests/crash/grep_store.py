"""Runs as a process of its own: says which needles stand in which files of a folder."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Print `<file> <needle>` for every find, in UTF-8, UTF-16 or hexadecimal."""
    folder, *needles = sys.argv[1:]
    for path in sorted(Path(folder).rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        for needle in needles:
            forms = (needle.encode(), needle.encode("utf-16-le"), needle.encode().hex().encode())
            if any(form in data for form in forms):
                print(path.name, needle)
    print("looked")


if __name__ == "__main__":
    main()
