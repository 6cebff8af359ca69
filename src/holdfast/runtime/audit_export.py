"""Exporting the audit log for outsiders, and verifying such a file without the store.

A file is JSON, one object a line: a head, the events session by session, an end.
An event is its readable header, its sealed body and its chain hash, which is all
that the chain is computed from. The content stays sealed: no key is in the file,
and none is needed to verify it. With the format `cloudevents` each of these
objects is the `data` of a CloudEvents 1.0 envelope.

Rules
- The end is signed with the audit key over the hash of all lines before it.
- Sessions stand in rising order of their streams, events without a gap from 1.
- Of a store that was altered before the export a signature says nothing; there
  the chain tells, and the checkpoints that were signed earlier.
- A checkpoint that is older than the export binds it: every event it names is there.
- One that was asked for says in its first line which question it answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import IO, Literal

from holdfast.core.errors import InvalidInput
from holdfast.core.events import TYPE_OF
from holdfast.ports.store import SealedEvent
from holdfast.runtime.audit import all_streams, find_stream
from holdfast.runtime.backend import Backend
from holdfast.runtime.boxes import framed
from holdfast.runtime.manager import Core

AuditFormat = Literal["jsonl", "cloudevents"]
FORMATS: tuple[AuditFormat, ...] = ("jsonl", "cloudevents")
HEAD, EVENT, END = "holdfast-audit", "event", "end"
VERSION = 1
PAGE = 100

_DOMAIN = b"holdfast/audit-export/1"

Line = dict[str, object]


def signed_message(digest: bytes) -> bytes:
    """What the end of an export signs: the hash of all lines before it."""
    return framed(_DOMAIN, digest)


def encode(line: Line) -> bytes:
    """Write an object as one line."""
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def event_line(stream: int, row: SealedEvent) -> Line:
    """An event as outsiders may see it: header, sealed body and chain hash."""
    known = TYPE_OF.get(row.kind)
    return {
        "type": EVENT,
        "stream": f"{stream:016x}",
        "version": row.version,
        "kind": row.kind,
        "name": known.__name__ if known else "",
        "time_ms": row.time_ms,
        "actor": row.actor,
        "key_id": row.key_id,
        "epoch": row.epoch,
        "body": base64.b64encode(row.body).decode(),
        "hash": row.hash.hex(),
    }


class _Writer:
    """Writes lines and keeps their hash."""

    def __init__(self, form: AuditFormat, installation: str, now_ms: int) -> None:
        self._form = form
        self._source = f"urn:holdfast:{installation}"
        self._now_ms = now_ms
        self._digest = hashlib.sha256()

    def write(self, line: Line) -> bytes:
        """Write one object."""
        data = encode(line if self._form == "jsonl" else self._enveloped(line))
        self._digest.update(data)
        return data

    def digest(self) -> bytes:
        """The hash of all lines so far."""
        return self._digest.digest()

    def _enveloped(self, line: Line) -> Line:
        kind = str(line.get("name") or line["type"])
        time_ms = line.get("time_ms", self._now_ms)
        assert isinstance(time_ms, int), "times are whole milliseconds"
        where = f"{line['stream']}/{line['version']}" if line["type"] == EVENT else line["type"]
        return {
            "specversion": "1.0",
            "id": f"{where}",
            "source": self._source,
            "type": f"holdfast.audit.{kind}",
            **_moment(time_ms),
            "datacontenttype": "application/json",
            "data": line,
        }


def _moment(time_ms: int) -> Line:
    """The envelope's time; none where an altered store holds what is no time."""
    try:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return {}
    return {"time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


async def export_audit(
    core: Core, out: IO[bytes], sessions: Sequence[str] = (), *, form: str = "jsonl"
) -> int:
    """Write the audit log of all sessions, or of some; returns the number of events.

    Args:
        out: a binary file.
        sessions: their ids; a wiped one is "stream-<16 hex>". None stands for all.
        form: one of `FORMATS`.

    Raises:
        InvalidInput: there is no such form, or the sessions are of several stores.
        SessionNotFound: there is no such session.
    """
    count = -2  # the first line and the last
    async with aclosing(audit_lines(core, sessions, form=form)) as lines:
        async for line in lines:
            out.write(line)
            count += 1
    return count


async def audit_lines(
    core: Core, sessions: Sequence[str] = (), *, form: str = "jsonl", answers: str = ""
) -> AsyncGenerator[bytes]:
    """The lines of an export, one after the other; a page of events is held at a time.

    Args:
        sessions, form: as of `export_audit`.
        answers: the digest of the question that this was asked for by; "" for none.

    Raises:
        InvalidInput, SessionNotFound: as of `export_audit`, before the first line.
    """
    if form not in FORMATS:
        raise InvalidInput(f"the formats are {', '.join(FORMATS)}")
    chosen: AuditFormat = "cloudevents" if form == "cloudevents" else "jsonl"
    await core.ready()
    now_ms = core.clock.now_ms()
    backend, streams = await _streams(core, sessions)
    installation = backend.keys.installation.hex()
    writer = _Writer(chosen, installation, now_ms)
    head: Line = {
        "type": HEAD,
        "format": VERSION,
        "installation": installation,
        "time_ms": now_ms,
        "sessions": [f"{stream:016x}" for stream in streams] if sessions else None,
    }
    yield writer.write({**head, "answers": answers} if answers else head)
    count = 0
    for stream in streams:
        version = 0
        while page := await backend.store.read(stream, version, PAGE):
            for event in page:
                yield writer.write(event_line(stream, event))
            count += len(page)
            version = page[-1].version
    digest = writer.digest()
    end: Line = {
        "type": END,
        "events": count,
        "sessions": len(streams),
        "digest": digest.hex(),
        "signature": base64.b64encode(backend.keys.sign(signed_message(digest))).decode(),
    }
    yield writer.write(end)


async def _streams(core: Core, sessions: Iterable[str]) -> tuple[Backend, list[int]]:
    """The sessions to write, in order, and the store they are in."""
    found = [await find_stream(core, one) for one in sessions]
    backend = found[0][0] if found else core.distinct_backends()[0][1]
    if any(other is not backend for other, _ in found):
        raise InvalidInput("the sessions of an export are all of one store")
    if found:
        return backend, sorted({row.stream for _, row in found})
    return backend, sorted({row.stream async for row in all_streams(backend)})
