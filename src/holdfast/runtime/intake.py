"""Taking in the session files of a directory, once (seed B1, D16).

Every `*.json` and `*.jsonl` in the directory and in `sessions/` below it is
read; files stay where they are and as they are. What cannot be taken in is
reported with the reason, every time; what was taken in is remembered by a keyed
digest of its bytes, so that a session wiped since does not come back from its
old file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.core.errors import HoldfastError, ImportRefused, SessionExists
from holdfast.core.events import Imported
from holdfast.ports.store import Grant
from holdfast.runtime.envelope import keyed_digest
from holdfast.runtime.importing import plan_of_file, read_file
from holdfast.runtime.manager import Core
from holdfast.runtime.takeover import take_over

SUFFIXES = (".json", ".jsonl")
LEFT_OVER = (".tmp", ".part", ".bak")
FOLDERS = ("", "sessions")
FILE_MARK = "file_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportNote:
    """What became of a file.

    Args:
        path: the file, relative to the directory.
        ok: a session was made from it.
        session_id: its id.
        reason: why none was made, or "".
        notes: what a person should know of the new session.
    """

    path: str
    ok: bool
    session_id: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()


async def take_in_directory(core: Core, directory: str | os.PathLike[str]) -> list[ImportNote]:
    """Take in a directory's session files that were not taken in before.

    Returns:
        a note for each file taken in and for each that could not be; files of
        earlier times have none.
    """
    _, backend = core.distinct_backends()[0]
    scope = f"intake:{core.tenant}"
    key = backend.keys.blind_key(core.tenant)
    _, rows = await backend.store.grants(scope)
    known = {row.id for row in rows}
    notes: list[ImportNote] = []
    for path, name in _files(Path(directory), notes):
        if name.endswith(LEFT_OVER):
            notes.append(_refused(name, "left behind by a write that was cut off; look at it"))
            continue
        try:
            data = read_file(path)
            digest = keyed_digest(key, b"intake", hashlib.sha256(data).digest())
            if digest in known:
                continue
            note = await _take_in(core, name, data)
        except HoldfastError as error:
            notes.append(_refused(name, error.message))
            continue
        known.add(digest)
        await backend.store.put_grant(Grant(scope=scope, id=digest, body=b""))
        if note is not None:
            notes.append(note)
    return notes


async def _take_in(core: Core, name: str, data: bytes) -> ImportNote | None:
    """Take in one file; None if a session was made from it before."""
    if not data.strip():
        raise ImportRefused("the file is empty")
    plan = plan_of_file(data)
    mark = hashlib.sha256(data).hexdigest()
    plan = replace(plan, inert={**plan.inert, FILE_MARK: mark})
    try:
        done = await take_over(core, plan, rename=False)
    except SessionExists as error:
        if await _made_from(core, plan.session_id, mark):
            return None
        raise ImportRefused(f"{error.message}; import it under another id") from None
    return ImportNote(path=name, ok=True, session_id=done.id, notes=done.notes)


async def _made_from(core: Core, session_id: str, mark: str) -> bool:
    """Whether a session was made from a file, by what it says itself.

    The process may have died between making it and remembering the file.
    """
    for _, backend in core.distinct_backends():
        row = await backend.store.find(core.tenant, session_id)
        if row is None:
            continue
        loaded = await backend.load(row)
        if loaded.view.inert_at:
            event = (await loaded.journal.event_at(loaded.view.inert_at)).event
            if isinstance(event, Imported):
                return bool(json.loads(event.inert).get(FILE_MARK) == mark)
    return False


def _refused(path: str, reason: str) -> ImportNote:
    return ImportNote(path=path, ok=False, reason=reason)


def _files(directory: Path, notes: list[ImportNote]) -> Iterator[tuple[Path, str]]:
    """Yield files that may hold a session, in order of their names."""
    for folder in FOLDERS:
        try:
            entries = sorted(os.scandir(directory / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            notes.append(_refused(folder or ".", f"it cannot be listed: {error.strerror}"))
            continue
        for entry in entries:
            if entry.name.endswith((*SUFFIXES, *LEFT_OVER)) and not entry.is_dir():
                name = f"{folder}/{entry.name}" if folder else entry.name
                yield Path(entry.path), name
