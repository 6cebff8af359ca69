"""Making signed checkpoints in a directory, and reading them back (contract 2.9).

The directory is outside of the store's, best on another machine's disk. It holds
the whole chain of checkpoints, so whoever makes the next one reads there how far
the last one went:

    000000000001.checkpoint            the signed note
    000000000001-<16 hex>.leaves       the sessions its root is over, named after the root

Rules
- Files are only added. The leaves are durable before the note is, and the note
  appears whole under its name or not at all, so a crash leaves nothing half said.
- One number is signed once: the name is taken by a hard link, which fails where
  it exists. Who comes second reads on and signs what changed since.
- A store that ends before what was signed is refused: it was cut or set back.
- Whether the newest files of the directory were removed cannot be seen there.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.checkpoints import (
    START,
    Checkpoint,
    Leaf,
    read_leaves,
    read_note,
    root_of,
    write_leaves,
    write_note,
)
from holdfast.core.errors import Busy, ChainBroken, InvalidInput
from holdfast.runtime.audit_chain import Finding, Kind
from holdfast.runtime.backend import Backend

FEED_PAGE = 1000
TRIES_MAX = 20
NOTE_BYTES_MAX = 4096

_NAME = re.compile(r"([0-9]{12})\.checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One verified checkpoint.

    Args:
        checkpoint: what it says.
        note: the bytes of its file.
    """

    checkpoint: Checkpoint
    note: bytes

    @property
    def hash(self) -> bytes:
        """What the next checkpoint names as the one before."""
        return hashlib.sha256(self.note).digest()


def check_outside(directory: Path, store: Path) -> None:
    """Refuse a place for checkpoints that goes where the store goes.

    Args:
        directory: where checkpoints are to be kept.
        store: the store's file.

    Raises:
        InvalidInput: it is the store's directory, or inside of it.
    """
    if directory.resolve().is_relative_to(store.resolve().parent):
        raise InvalidInput(
            "checkpoints are kept outside of the store's directory: who can alter the one "
            "must not be able to alter the other"
        )


def verify_note(note: bytes, public_key: bytes) -> Checkpoint:
    """Read a signed checkpoint and verify its signature.

    Args:
        public_key: of the audit key, 32 bytes.

    Raises:
        ChainBroken: it is no checkpoint, or not signed by this key.
    """
    checkpoint, signature = read_note(note, public_key)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, checkpoint.body())
    except InvalidSignature:
        raise ChainBroken(f"checkpoint {checkpoint.number} has a wrong signature") from None
    return checkpoint


def read_chain(directory: Path, public_key: bytes) -> list[Signed]:
    """Read all checkpoints of a directory and verify that each signs the one before.

    Args:
        public_key: of the audit key, 32 bytes.

    Returns:
        the checkpoints in order; none if the directory is empty or not there.

    Raises:
        ChainBroken: one is missing, altered, or of another installation.
    """
    numbers = sorted(
        int(found[1])
        for name in (os.listdir(directory) if directory.is_dir() else [])
        if (found := _NAME.fullmatch(name))
    )
    chain: list[Signed] = []
    for due, number in enumerate(numbers, 1):
        if number != due:
            raise ChainBroken(f"checkpoint {due} is missing")
        with (directory / f"{number:012}.checkpoint").open("rb") as file:
            note = file.read(NOTE_BYTES_MAX + 1)
        signed = Signed(checkpoint=verify_note(note, public_key), note=note)
        _check_follows(chain[-1] if chain else None, signed.checkpoint, due)
        chain.append(signed)
    return chain


def _check_follows(last: Signed | None, one: Checkpoint, due: int) -> None:
    if one.number != due or one.previous != (last.hash if last else START):
        raise ChainBroken(f"checkpoint {due} does not follow the one before")
    if last is not None and (
        one.installation != last.checkpoint.installation or one.feed < last.checkpoint.feed
    ):
        raise ChainBroken(f"checkpoint {due} is of another log than the one before")


def leaves_of(directory: Path, checkpoint: Checkpoint) -> list[Leaf]:
    """Read the sessions a checkpoint is over.

    Raises:
        ChainBroken: the file is not there, or not what was signed.
    """
    try:
        leaves = read_leaves((directory / _leaves_name(checkpoint)).read_bytes())
    except FileNotFoundError:
        raise ChainBroken(f"the leaves of checkpoint {checkpoint.number} are missing") from None
    if len(leaves) != checkpoint.leaves or root_of(leaves) != checkpoint.root:
        raise ChainBroken(f"the leaves of checkpoint {checkpoint.number} are not what was signed")
    return leaves


def _leaves_name(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.number:012}-{checkpoint.root.hex()[:16]}.leaves"


async def make_checkpoint(backend: Backend, directory: Path) -> Checkpoint | None:
    """Sign where the sessions stand that changed since the last checkpoint.

    Returns:
        the checkpoint, which is durable; None if nothing changed.

    Raises:
        ChainBroken: the directory's checkpoints do not verify, or the store ends
            before what they signed.
        Busy: others kept signing in between.
    """
    _make_directory(directory)
    keys = backend.keys
    for _ in range(TRIES_MAX):
        chain = read_chain(directory, keys.audit_public_key)
        last = chain[-1] if chain else None
        installation = keys.installation.hex()
        if last is not None and last.checkpoint.installation != installation:
            raise ChainBroken("the directory holds the checkpoints of another installation")
        after = last.checkpoint.feed if last else 0
        leaves, feed = await changed_since(backend, after)
        if not leaves:
            return None
        checkpoint = Checkpoint(
            installation=installation,
            leaves=len(leaves),
            root=root_of(leaves),
            number=last.checkpoint.number + 1 if last else 1,
            previous=last.hash if last else START,
            feed=feed,
            time_ms=backend.clock.now_ms(),
        )
        note = write_note(checkpoint, keys.audit_public_key, keys.sign(checkpoint.body()))
        _put(directory, _leaves_name(checkpoint), write_leaves(leaves), backend)
        if _put(directory, f"{checkpoint.number:012}.checkpoint", note, backend):
            return checkpoint
    raise Busy("other checkpoints were signed at the same time; try again")


async def changed_since(backend: Backend, after: int) -> tuple[list[Leaf], int]:
    """Where those sessions stand that have events in the feed after a cursor.

    Costs as much as there are events after it, however many sessions there are.

    Returns:
        the leaves by stream, and the cursor up to which they hold.

    Raises:
        ChainBroken: the feed ends before the cursor.
    """
    end = await backend.store.feed_end()
    if end < after:
        raise ChainBroken("the store ends before the last checkpoint: it was cut or set back")
    newest: dict[int, Leaf] = {}
    cursor = after
    while cursor < end:
        rows = await backend.store.events_since(cursor, FEED_PAGE)
        if not rows:
            break
        for row in rows:
            newest[row.stream] = Leaf(
                stream=row.stream, version=row.event.version, head=row.event.hash
            )
        cursor = rows[-1].cursor
    return [newest[stream] for stream in sorted(newest)], cursor


def _put(directory: Path, name: str, data: bytes, backend: Backend) -> bool:
    """Add a file, durably and whole; False if there is one of that name."""
    fresh = directory / f".{name}.{os.getpid()}.{backend.random_number():016x}.tmp"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, directory / name)
        except FileExistsError:
            return False
    finally:
        fresh.unlink(missing_ok=True)
    _sync(directory)
    return True


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        _sync(directory.parent)


def _sync(directory: Path) -> None:
    """Make a directory's names durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def compare_checkpoints(backend: Backend, directory: Path) -> list[Finding]:
    """Compare a store with the checkpoints that were exported from it.

    Returns:
        what is missing or different from what was signed; an empty list is good.

    Raises:
        ChainBroken: there are no checkpoints, or they do not verify.
    """
    chain = read_chain(directory, backend.keys.audit_public_key)
    if not chain:
        raise ChainBroken("there are no checkpoints in that directory")
    if chain[0].checkpoint.installation != backend.keys.installation.hex():
        raise ChainBroken("the directory holds the checkpoints of another installation")
    findings: list[Finding] = []
    for signed in chain:
        number = signed.checkpoint.number
        for leaf in leaves_of(directory, signed.checkpoint):
            rows = await backend.store.read(leaf.stream, leaf.version - 1, 1)
            if not rows or rows[0].version != leaf.version:
                findings.append(_finding(leaf, f"checkpoint {number} names it, and it is gone"))
            elif rows[0].hash != leaf.head:
                findings.append(_finding(leaf, f"it is not what checkpoint {number} names"))
    return findings


def _finding(leaf: Leaf, text: str) -> Finding:
    return Finding(
        session=f"stream-{leaf.stream:016x}",
        stream=leaf.stream,
        version=leaf.version,
        kind=Kind.CHECKPOINT,
        text=text,
    )
