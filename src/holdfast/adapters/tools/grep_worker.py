"""A process that searches text it is handed; killed when a pattern runs wild.

Python's regular expressions cannot be interrupted and hold the interpreter, so
they run here and never in the session's process. It reads no file: the
workspace stays with the parent. Standard library only, run by path with -I -S.

Frames on standard input: a line of JSON, then as many bytes as it says.
Answers on standard output: one line of JSON for each frame.
"""

from __future__ import annotations

import json
import re
import resource
import sys

CPU_SECONDS_MAX = 30
MEMORY_BYTES_MAX = 1024**3
LINE_CHARS_MAX = 500

Row = tuple[int, bool, str]


def search(expression: re.Pattern[str], text: str, context: int, limit: int) -> list[Row]:
    """Return (line number, matches, text) of matching lines and their neighbours."""
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    hits = [number for number, line in enumerate(lines) if expression.search(line.rstrip("\r"))]
    matching = set(hits[:limit])
    shown: set[int] = set()
    for hit in matching:
        shown.update(range(max(0, hit - context), min(len(lines), hit + context + 1)))
    return [(number + 1, number in matching, _cut(lines[number])) for number in sorted(shown)]


def _cut(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= LINE_CHARS_MAX else line[:LINE_CHARS_MAX] + " [line cut]"


def main() -> None:
    """Serve frames until the input ends."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    settings = json.loads(source.readline())
    try:
        expression = re.compile(
            settings["pattern"], re.IGNORECASE if settings["ignore_case"] else 0
        )
    except (re.error, OverflowError, RecursionError) as error:
        sink.write(json.dumps({"error": str(error)}).encode() + b"\n")
        return
    while header := source.readline():
        answer = []
        for size in json.loads(header):
            text = source.read(size).decode("utf-8", "replace")
            answer.append(search(expression, text, settings["context"], settings["limit"]))
        sink.write(json.dumps({"files": answer}).encode() + b"\n")
        sink.flush()


if __name__ == "__main__":
    main()
