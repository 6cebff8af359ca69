"""Walking one session's chain from its birth, opening every event on the way.

What is wrong is noted with its version and the walk goes on; the fold stops at
the first event that is missing or unreadable (contract 2.5).

Unreadable events are accepted only below a signed `Wiped`; a key that is
missing without one is an alarm (contract 1.8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from holdfast.core.accounts import unit_of
from holdfast.core.errors import (
    BlobNotFound,
    HoldfastError,
    KeyDestroyed,
    KeyMissing,
    NewerProgram,
    SessionSealed,
    Unreadable,
)
from holdfast.core.events import (
    EffectEnded,
    EffectStarted,
    Ended,
    Event,
    Granted,
    Opened,
    Revoked,
    Wiped,
    WipeStarted,
)
from holdfast.core.session import evolve
from holdfast.core.view import FOLD_ID, Recorded, SessionView
from holdfast.ports.store import SealedEvent, Snapshot, StreamRow
from holdfast.runtime.backend import Backend
from holdfast.runtime.codec import decode_event, load
from holdfast.runtime.envelope import GENESIS, Crypto, chain_hash, header_of
from holdfast.runtime.journal import Journal, check_commitment
from holdfast.runtime.packing import unpack
from holdfast.runtime.snapshot import Packed

PAGE = 200
CATCH_UP_MAX = 20


class Kind(StrEnum):
    """What a finding is about."""

    ALTERED = "altered"
    HASH = "hash"
    MISSING = "missing"
    OUT_OF_PLACE = "out_of_place"
    BEYOND_HEAD = "beyond_head"
    HEAD = "head"
    COMMITMENT = "commitment"
    KEY_MISSING = "key_missing"
    KEY_PRESENT = "key_present"
    BLOB = "blob"
    UNDECODABLE = "undecodable"
    NEWER = "newer"
    SNAPSHOT = "snapshot"
    INDEX = "index"
    NAME = "name"
    PENDING = "pending"
    GRANT = "grant"
    BEARER = "bearer"
    CONFIG = "config"
    FEED = "feed"
    STREAM = "stream"
    UNPROVED = "unproved"
    CHECKPOINT = "checkpoint"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written; a note is worth knowing, no damage.

    Args:
        session: the session's id, or "stream-<hex>" when it has no name.
        stream: its stream, or 0 for the whole store.
        version: which event, or 0 for none in particular.
    """

    session: str
    stream: int
    version: int
    kind: Kind
    text: str
    severity: Literal["finding", "note"] = "finding"


@dataclass(slots=True)
class Walk:
    """One session on the way through its chain."""

    backend: Backend
    row: StreamRow
    findings: list[Finding] = field(default_factory=list)
    journal: Journal | None = None
    view: SessionView = field(default_factory=SessionView)
    snapshot: Snapshot | None = None
    events: int = 0
    version: int = 0
    stored: bytes = GENESIS
    computed: bytes = GENESIS
    folding: bool = True
    first_actor: int = 0
    last_epoch: int = 0
    wiped_at: int = 0
    wipe_started: bool = False
    ended: bool = False
    complete: bool = False
    dark: list[int] = field(default_factory=list)
    key_error: KeyMissing | None = None
    revoked: set[tuple[str, str]] = field(default_factory=set)
    drawn: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The session's id, as far as it has one."""
        return self.row.name or f"stream-{self.row.stream:016x}"

    def find(self, kind: Kind, text: str, version: int = 0, *, note: bool = False) -> None:
        """Note a finding."""
        self.findings.append(
            Finding(
                session=self.name,
                stream=self.row.stream,
                version=version,
                kind=kind,
                text=text,
                severity="note" if note else "finding",
            )
        )


async def walk_session(backend: Backend, row: StreamRow) -> Walk:
    """Walk a session's chain to where it stands, and fold it as far as it is readable."""
    walk = Walk(backend, row)
    walk.journal = _journal(walk)
    walk.snapshot = await backend.store.get_snapshot(row.stream)
    for _ in range(CATCH_UP_MAX):
        await _walk_on(walk)
        fresh = await backend.store.stream_row(row.stream)
        if fresh is None:
            walk.find(Kind.STREAM, "the session's row is gone while it was read")
            return walk
        walk.row = fresh
        if walk.version >= fresh.version or not await _more(walk):
            break
    walk.complete = True
    _check_end(walk)
    _check_wipe(walk)
    return walk


async def _more(walk: Walk) -> bool:
    rows = await walk.backend.store.read(walk.row.stream, walk.version, 1)
    return any(row.version > walk.version for row in rows)


def _journal(walk: Walk) -> Journal:
    backend = walk.backend
    crypto: Crypto | None = None
    try:
        key = backend.keys.session_key(walk.row.stream)
        crypto = Crypto(key, backend.clock.random_bytes)
    except KeyMissing as error:
        walk.key_error = error
    except SessionSealed:
        text = "it is sealed: its chain and signatures are verified, its content is not opened"
        walk.find(Kind.SEALED, text, note=True)
    return Journal(
        store=backend.store,
        keys=backend.keys,
        clock=backend.clock,
        stream=walk.row.stream,
        crypto=crypto,
    )


async def _walk_on(walk: Walk) -> None:
    """Read all that follows, page by page."""
    store = walk.backend.store
    while rows := await store.read(walk.row.stream, walk.version, PAGE):
        before = walk.version
        for row in rows:
            await _step(walk, row)
        if walk.version <= before:
            return


async def _step(walk: Walk, row: SealedEvent) -> None:
    due = walk.version + 1
    walk.events += 1
    if row.version < due:
        text = f"event {row.version} stands where event {due} is due"
        walk.find(Kind.OUT_OF_PLACE, text, row.version)
        return
    if row.version > due:
        last = row.version - 1
        which = f"event {due} is" if last == due else f"events {due} to {last} are"
        walk.find(Kind.MISSING, f"{which} missing", due)
        walk.folding = False
    if not walk.first_actor and row.version == 1:
        walk.first_actor = row.actor
    recorded = await _open(walk, row, gap=row.version > due)
    walk.version = row.version
    walk.last_epoch = max(walk.last_epoch, row.epoch)
    if recorded is None:
        return
    _note_special(walk, recorded)
    _note_grants(walk, recorded.event)
    if walk.folding:
        walk.view = evolve(walk.view, recorded)
        _check_snapshot(walk, row)


async def _open(walk: Walk, row: SealedEvent, *, gap: bool) -> Recorded | None:
    """Check one row against the chain and open it; None stops the folding."""
    journal = walk.journal
    assert journal is not None, "the walk has begun"
    try:
        header = header_of(walk.row.stream, row)
        links = [chain_hash(link, header, row.body) for link in {walk.stored, walk.computed}]
    except Unreadable as error:
        walk.find(Kind.ALTERED, error.message, row.version)
        walk.folding = False
        return None
    fits = row.hash in links
    computed = row.hash if fits else chain_hash(walk.computed, header, row.body)
    walk.stored, walk.computed = row.hash, computed
    payload: bytes | None = None
    if row.key_id != 0 and journal.crypto is None:
        walk.dark.append(row.version)
        walk.folding = False
    else:
        payload = await _payload(walk, row)
    if not fits and not gap and payload is not None:
        text = "its hash is not of it and what stands before it: the hash was altered, or"
        walk.find(Kind.HASH, f"{text} an event before it was exchanged", row.version)
    elif not fits and not gap and row.version in walk.dark:
        text = "it does not fit the chain: header, body or hash were altered"
        walk.find(Kind.ALTERED, text, row.version)
    return None if payload is None else _decode(walk, row, payload)


async def _payload(walk: Walk, row: SealedEvent) -> bytes | None:
    journal = walk.journal
    assert journal is not None, "the walk has begun"
    try:
        return await journal.payload(row)
    except BlobNotFound:
        walk.find(Kind.BLOB, "a part of its large payload is missing", row.version)
    except Unreadable as error:
        if error.message.startswith(("the sealed blob", "a large payload")):
            text = "its large payload was altered"
            walk.find(Kind.BLOB, text, row.version)
        else:
            text = "header, nonce or body were altered, or it was moved here from elsewhere"
            walk.find(Kind.ALTERED, text, row.version)
    except (ValueError, KeyError, TypeError):
        walk.find(Kind.UNDECODABLE, "its reference to a large payload is malformed", row.version)
    walk.folding = False
    return None


def _decode(walk: Walk, row: SealedEvent, payload: bytes) -> Recorded | None:
    try:
        event = decode_event(row.kind, payload)
    except NewerProgram as error:
        walk.find(Kind.NEWER, error.message, row.version, note=True)
        walk.folding = False
        return None
    except Unreadable as error:
        walk.find(Kind.UNDECODABLE, error.message, row.version)
        walk.folding = False
        return None
    return Recorded(
        version=row.version, time_ms=row.time_ms, event=event, actor=row.actor, epoch=row.epoch
    )


def _note_special(walk: Walk, recorded: Recorded) -> None:
    """Look at a birth and at a wipe more closely."""
    match recorded.event:
        case Opened() as opened:
            _check_birth(walk, recorded.version, opened)
        case WipeStarted():
            walk.wipe_started = True
        case Wiped():
            walk.wiped_at = recorded.version
        case Ended():
            walk.ended = True
        case _:
            return


def _note_grants(walk: Walk, event: Event) -> None:
    """Keep what the log says of grants: which are taken back, what was drawn on counters."""
    if isinstance(event, Granted):
        walk.revoked.discard((event.grant.holder, event.grant.id))  # a token may come again
    elif isinstance(event, Revoked):
        walk.revoked.add((event.holder, event.id))
    elif isinstance(event, (EffectStarted, EffectEnded)):
        taken = event.takes if isinstance(event, EffectStarted) else ()
        settled = [(id, used - held) for id, held, used in event.settles]
        for id, amount in (*taken, *settled):
            if unit_of(id) is not None:  # an account of a budget
                continue
            walk.drawn[id] = walk.drawn.get(id, 0) + amount


def _check_birth(walk: Walk, version: int, opened: Opened) -> None:
    if version != 1:
        walk.find(Kind.OUT_OF_PLACE, "a session is born once, at event 1", version)
        return
    assert walk.journal is not None and walk.journal.crypto is not None, "it was opened"
    try:
        check_commitment(opened, walk.journal.crypto, walk.backend.keys.installation)
    except HoldfastError as error:
        walk.find(Kind.COMMITMENT, error.message, version)


def _check_snapshot(walk: Walk, row: SealedEvent) -> None:
    """A cached fold is a cache: another one than ours is only worth a note."""
    snapshot, journal = walk.snapshot, walk.journal
    if snapshot is None or snapshot.version != row.version:
        return
    if snapshot.fold_id != FOLD_ID or snapshot.head != row.hash:
        walk.find(Kind.SNAPSHOT, "the cached fold is of another log", row.version, note=True)
        return
    assert journal is not None and journal.crypto is not None, "it was folded"
    ids = (journal.stream, snapshot.version, snapshot.head, snapshot.fold_id)
    try:
        packed = load(Packed, unpack(journal.crypto.open_box("snapshot", ids, snapshot.body)))
    except Unreadable:
        walk.find(Kind.SNAPSHOT, "the cached fold cannot be read", row.version, note=True)
        return
    if packed.view != walk.view:
        walk.find(Kind.SNAPSHOT, "the cached fold is not what the log says", row.version)


def _check_end(walk: Walk) -> None:
    row = walk.row
    if walk.version < row.version:
        first = walk.version + 1
        which = (
            f"event {first} is" if first == row.version else f"events {first} to {row.version} are"
        )
        walk.find(Kind.MISSING, f"{which} missing at the end; the session's row names them", first)
        walk.folding = False
    elif walk.version > row.version:
        text = f"events stand beyond version {row.version}, where the session's row says it ends"
        walk.find(Kind.BEYOND_HEAD, text, row.version + 1)
    elif row.head not in (walk.stored, walk.computed):
        walk.find(Kind.HEAD, "the session's row names another last event", row.version)
    if walk.version and row.epoch < walk.last_epoch:
        walk.find(Kind.INDEX, "the row's lease epoch is older than the log's")


def _check_wipe(walk: Walk) -> None:
    """Decide what an unreadable session means."""
    if walk.key_error is None:
        if walk.wiped_at:
            text = "the log attests a wipe, but the key is there: an old key store was put back"
            walk.find(Kind.KEY_PRESENT, text, walk.wiped_at)
        return
    above = [version for version in walk.dark if version > walk.wiped_at]
    if walk.wiped_at and above:
        walk.find(Kind.ALTERED, "unreadable events stand above the attested wipe", above[0])
    elif not walk.wiped_at and walk.wipe_started and isinstance(walk.key_error, KeyDestroyed):
        text = "a wipe was cut off behind the key's destruction; it is attested when it is led"
        walk.find(Kind.KEY_MISSING, text, note=True)
    elif not walk.wiped_at:
        destroyed = isinstance(walk.key_error, KeyDestroyed)
        what = "was destroyed" if destroyed else "is missing"
        text = f"ALARM: its key {what} and no signed wipe is on record; nothing can be read"
        walk.find(Kind.KEY_MISSING, text)
