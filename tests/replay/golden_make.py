"""Write the golden logs: real ones, kept for ever, that every later fold must read.

    python tests/replay/golden_make.py NAME      add a log; never replaces one
    python tests/replay/golden_make.py --expect  write what today's fold makes of all

A log that is in the repository is never written again: it is what an installation
somewhere has on its disk. After a change of what `evolve` means, raise `FOLD_ID`
and run `--expect`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from holdfast.core.events import Event
from holdfast.core.session import evolve
from holdfast.core.view import FOLD_ID, Recorded, SessionView
from holdfast.runtime.codec import decode_event, encode_event, encode_view

PLACE = Path(__file__).parent / "golden"
EXPECTED = PLACE / "expected.json"


def read_log(text: str) -> Iterator[tuple[int, Recorded]]:
    """Yield (kind, event) of a log's lines."""
    for version, line in enumerate(text.splitlines(), start=1):
        row = json.loads(line)
        payload = json.dumps(row["payload"], ensure_ascii=False).encode()
        event = decode_event(row["kind"], payload)
        yield row["kind"], Recorded(version=version, time_ms=row["time_ms"], event=event)


def digest_of(text: str) -> str:
    """SHA-256 over the written views after each event of a log."""
    digest = hashlib.sha256()
    view = SessionView()
    for _, recorded in read_log(text):
        view = evolve(view, recorded)
        digest.update(encode_view(view) + b"\n")
    return digest.hexdigest()


def write_log(events: list[tuple[int, Event]]) -> str:
    """The lines of a log of (time, event) pairs."""
    lines = []
    for time_ms, event in events:
        kind, payload = encode_event(event)
        row = {"kind": kind, "time_ms": time_ms, "payload": json.loads(payload)}
        lines.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
    return "\n".join(lines) + "\n"


def expected() -> dict[str, dict[str, str]]:
    """Digests by fold id and file name."""
    known: dict[str, dict[str, str]] = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    return known


def main(name: str) -> None:
    """Add a log or the expectations of today's fold."""
    if name != "--expect":
        sys.path.insert(0, str(Path(__file__).parent.parent))
        from golden_logs import LOGS

        text = write_log(LOGS[name]())
        with (PLACE / f"{name}.jsonl").open("x") as file:
            file.write(text)
    known = expected()
    today = known.setdefault(str(FOLD_ID), {})
    for path in sorted(PLACE.glob("*.jsonl")):
        today.setdefault(path.stem, digest_of(path.read_text()))
    EXPECTED.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
