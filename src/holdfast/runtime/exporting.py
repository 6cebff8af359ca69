"""Exporting a session: its stored events, or one of the seeds' file forms.

Reading needs no lease; a session may be led elsewhere and grow meanwhile: what
is written ends where the session stood when the export began. The file is plain
text: whoever has it can read the session, also after a wipe here. So every export is on
record in the session before anything of it is written.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from holdfast.core.errors import BlobNotFound, ChainBroken, InvalidInput, Unreadable
from holdfast.core.events import TYPE_OF, Opened
from holdfast.ports.store import SealedEvent, StreamRow
from holdfast.runtime.codec import decode_event
from holdfast.runtime.envelope import GENESIS, chain_hash, header_of
from holdfast.runtime.exported import note_export
from holdfast.runtime.journal import PART_BYTES, Journal, check_commitment
from holdfast.runtime.jsonl import SPILL_BYTES_MAX, ExportedEvent, ExportHead, LineWriter
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.seeds import to_serializable, to_session_data

ExportFormat = Literal["jsonl", "session_data", "serializable_session"]
FORMATS: tuple[ExportFormat, ...] = ("jsonl", "session_data", "serializable_session")
PAGE = 100
PARTS_MAX = SPILL_BYTES_MAX // PART_BYTES

_HANDLE = re.compile(rb"spill:([0-9a-f]{32})-([0-9]{1,4})(?![0-9])")


async def export_session(core: Core, session_id: str, out: IO[bytes] | str | Path) -> int:
    """Write a session as JSONL, lossless; returns the number of events.

    Args:
        out: a binary file, or a path; a file is put in its place when it is
            complete, readable by its owner only.

    Raises:
        SessionNotFound: there is no such session.
        KeyDestroyed, NotNow: it was wiped, or is being wiped.
        ChainBroken, Unreadable: it is damaged; a file at the path stays as it was.
    """
    await note_export(core, session_id, "jsonl")
    if not isinstance(out, (str, Path)):
        return await _write(core, session_id, out)
    with whole_file(Path(out)) as file:
        return await _write(core, session_id, file)


@contextmanager
def whole_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Write a file that is put in its place when it is complete, else stays as it was."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.unlink(missing_ok=True)  # of an earlier process with this number
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(fresh, flags, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


async def export_text(core: Core, session_id: str, format: str = "jsonl") -> str:
    """Return a session as text of one of `FORMATS`.

    The two forms of the seeds keep what they have a place for; see
    `holdfast.runtime.seedmessages`. JSONL keeps everything.

    Raises:
        InvalidInput: there is no such format.
        SessionNotFound, KeyDestroyed, NotNow, ChainBroken, Unreadable.
    """
    match format:
        case "jsonl":
            file = io.BytesIO()
            await export_session(core, session_id, file)
            return file.getvalue().decode()
        case "session_data":
            return (await to_session_data(core, session_id)).to_json() + "\n"
        case "serializable_session":
            return (await to_serializable(core, session_id)).to_json() + "\n"
        case _:
            raise InvalidInput(f"the formats are {', '.join(FORMATS)}")


async def _write(core: Core, session_id: str, out: IO[bytes]) -> int:
    where = await core.locate(session_id)
    journal = where.backend.journal(where.row)
    writer = LineWriter(out)
    handles: dict[tuple[bytes, int], None] = {}
    count = 0
    async for row, payload in _events(journal, where.row):
        count += 1
        if count == 1:
            writer.write("holdfast", _first(journal, where, row, payload).to_dict())
        writer.write("event", _line(row, payload).to_dict())
        for id, parts in _HANDLE.findall(payload):
            handles[bytes.fromhex(id.decode()), int(parts)] = None
    spills, missing = await _spills(journal, writer, handles)
    writer.write(
        "end",
        {
            "events": count,
            "spills": spills,
            "missing": missing,
            "version": count,
            "head": where.row.head.hex(),
        },
    )
    return count


def _line(row: SealedEvent, payload: bytes) -> ExportedEvent:
    known = TYPE_OF.get(row.kind)
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise Unreadable(f"event {row.version} is not text") from None
    return ExportedEvent(
        version=row.version,
        kind=row.kind,
        name=known.__name__ if known else "",
        time_ms=row.time_ms,
        actor=row.actor,
        key_id=row.key_id,
        epoch=row.epoch,
        hash=row.hash.hex(),
        payload=text,
    )


async def _events(journal: Journal, stood: StreamRow) -> AsyncIterator[tuple[SealedEvent, bytes]]:
    """Yield rows with their payloads to where it stood; the chain is verified on the way."""
    previous, version, until = GENESIS, 0, stood.version
    while version < until:
        rows = await journal.store.read(journal.stream, version, min(PAGE, until - version))
        if not rows:
            raise ChainBroken(f"event {version + 1} is missing")
        for row in rows:
            if row.version != version + 1:
                raise ChainBroken(f"event {version + 1} is missing")
            if chain_hash(previous, header_of(journal.stream, row), row.body) != row.hash:
                raise ChainBroken(f"event {row.version} does not fit the chain")
            yield row, await journal.payload(row)
            previous, version = row.hash, row.version
    if previous != stood.head:
        raise ChainBroken("the last event is not the one the session's row names")


def _first(journal: Journal, where: Located, row: SealedEvent, payload: bytes) -> ExportHead:
    opened = decode_event(row.kind, payload)
    if not isinstance(opened, Opened) or journal.crypto is None:
        raise ChainBroken("event 1 is not the session's birth")
    check_commitment(opened, journal.crypto, where.backend.keys.installation)
    return ExportHead(
        session_id=where.row.name or opened.session_id,
        stream=journal.stream,
        installation=opened.installation,
        commitment=opened.commitment,
        version=where.row.version,
        head=where.row.head.hex(),
    )


async def _spills(
    journal: Journal, writer: LineWriter, handles: dict[tuple[bytes, int], None]
) -> tuple[int, int]:
    """Write what handles in the log stand for; returns (lines written, handles without)."""
    lines, missing, size = 0, 0, 0
    done: set[bytes] = set()
    for id, parts in handles:
        if id in done or not 0 < parts <= PARTS_MAX:
            continue
        try:
            data = await journal.get_blob(id, parts)
        except BlobNotFound:
            missing += 1
            continue
        size += len(data)
        if size > SPILL_BYTES_MAX:
            missing += 1
            size -= len(data)
            continue
        done.add(id)
        for part in range(parts):
            piece = data[part * PART_BYTES : (part + 1) * PART_BYTES]
            text = base64.b64encode(piece).decode()
            writer.write("spill", {"id": id.hex(), "part": part, "parts": parts, "data": text})
            lines += 1
    return lines, missing
