"""Snapshots: a cached fold with the visible window packed beside it.

A cache, never a truth: a wrong fold id, version or head hash and it is ignored
(contract 1.12).
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.context import Entry
from holdfast.core.errors import (
    Damaged,
    HoldfastError,
    NewerProgram,
    Unavailable,
    Unreadable,
)
from holdfast.core.messages import Message
from holdfast.core.session import evolve
from holdfast.core.view import FOLD_ID, SessionView
from holdfast.ports.store import Snapshot
from holdfast.runtime.codec import dump, load
from holdfast.runtime.envelope import GENESIS
from holdfast.runtime.journal import Journal
from holdfast.runtime.packing import pack, unpack
from holdfast.runtime.window import Bodies

EVENTS_MIN = 500
BYTES_MIN = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What a snapshot holds."""

    view: SessionView
    entries: tuple[Entry, ...]
    prompt: str = ""
    summary: Message | None = None


async def write_snapshot(journal: Journal, view: SessionView, bodies: Bodies) -> None:
    """Keep a snapshot of where the journal stands."""
    assert journal.version == view.version, "a snapshot is of the head"
    if journal.crypto is None:
        return
    packed = Packed(
        view=view, entries=tuple(bodies.entries), prompt=bodies.prompt, summary=bodies.summary
    )
    ids = (journal.stream, view.version, journal.head, FOLD_ID)
    body = journal.crypto.seal_box("snapshot", ids, pack(dump(packed)))
    snapshot = Snapshot(version=view.version, head=journal.head, fold_id=FOLD_ID, body=body)
    try:
        await journal.store.put_snapshot(journal.stream, snapshot)
    except Unavailable:
        return  # a cache: no room or no lock now, then at the end of a later turn


class Snapshots:
    """When a session's snapshot is due: after enough events or bytes since the last."""

    def __init__(self, journal: Journal, version: int) -> None:
        self._journal = journal
        self._version = version

    async def keep(self, view: SessionView, bodies: Bodies) -> None:
        """Write one if it is due; called at a turn's end."""
        grown = view.version - self._version
        if grown >= EVENTS_MIN or self._journal.bytes_written >= BYTES_MIN:
            self._version, self._journal.bytes_written = view.version, 0
            await write_snapshot(self._journal, view, bodies)


async def load_state(
    journal: Journal, *, use_snapshot: bool = True, until: int | None = None
) -> tuple[SessionView, Bodies]:
    """Fold a session from its newest good snapshot, or from the beginning.

    Args:
        until: the last version to fold; None means all.

    Raises:
        ChainBroken, Unreadable: the log is damaged.
        NewerProgram: it needs a newer program.
    """
    view, bodies, stopped_by = await load_readable(journal, use_snapshot=use_snapshot, until=until)
    if stopped_by is not None:
        raise stopped_by
    return view, bodies


async def load_readable(
    journal: Journal, *, use_snapshot: bool = True, until: int | None = None
) -> tuple[SessionView, Bodies, HoldfastError | None]:
    """Fold up to the first event that cannot be read, and say what stopped it.

    It never folds past a gap: what is missing may be a revocation (contract 2.5).
    """
    view, bodies, after, head = SessionView(), Bodies(), 0, GENESIS
    found = await _good_snapshot(journal) if use_snapshot else None
    if found is not None and (until is None or found[0].view.version <= until):
        packed, head = found
        view, after = packed.view, packed.view.version
        bodies = Bodies(list(packed.entries), packed.prompt, packed.summary)
    try:
        async for recorded in journal.replay(after, head, until=until):
            view = evolve(view, recorded)
            bodies.take(recorded, view.window)
    except (Damaged, NewerProgram) as error:
        return view, bodies, error
    return view, bodies, None


async def _good_snapshot(journal: Journal) -> tuple[Packed, bytes] | None:
    snapshot = await journal.store.get_snapshot(journal.stream)
    if snapshot is None or snapshot.fold_id != FOLD_ID or journal.crypto is None:
        return None
    rows = await journal.store.read(journal.stream, snapshot.version - 1, 1)
    if not rows or rows[0].version != snapshot.version or rows[0].hash != snapshot.head:
        return None
    ids = (journal.stream, snapshot.version, snapshot.head, snapshot.fold_id)
    try:
        packed = load(Packed, unpack(journal.crypto.open_box("snapshot", ids, snapshot.body)))
    except Unreadable:
        return None
    return packed, snapshot.head
