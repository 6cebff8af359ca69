"""Checkpoints of the audit log: what is signed, and how it is written down.

Rules
- Checkpoint k names the hash of checkpoint k-1 and the root of a Merkle tree
  (RFC 6962) over stream, version and head of the sessions that changed since, and of
  the log of tokens, which is among them as soon as there is one.
- It is a signed note (C2SP signed-note) with the body of a C2SP tlog-checkpoint:
  origin, number of leaves, root, extension lines. Each checkpoint has a tree of
  its own, so the number of leaves is no size of a growing log.
- Only numbers, hexadecimal and base64 stand in it: nothing a person typed.
- There is one way to write a checkpoint; whatever is written otherwise is refused.

Layouts (numbers big-endian)

    leaf   stream:64 version:64 head(32)
    line   stream, 16 hexadecimal digits; version; head, 64 hexadecimal digits
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.core.errors import ChainBroken

ORIGIN = "holdfast/audit/"
TOKENS = 0
"""The stream that stands for the log of tokens among the leaves; no session has it."""

START = bytes(32)
"""What checkpoint 1 names as the hash of the one before."""

ED25519 = b"\x01"
KEY_HASH_BYTES = 4
SIGNATURE_BYTES = 64
NUMBER_MAX = 2**63 - 1

_DIGITS = r"(0|[1-9][0-9]{0,18})"
_HASH = r"([A-Za-z0-9+/]{43}=)"
_BODY = re.compile(
    rf"{ORIGIN}([0-9a-f]{{32}})\n{_DIGITS}\n{_HASH}\n"
    rf"number {_DIGITS}\nprevious {_HASH}\nfeed {_DIGITS}\ntime_ms {_DIGITS}\n"
)
_LEAF = re.compile(rf"([0-9a-f]{{16}}) {_DIGITS} ([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Where a session stood, or the log of tokens.

    Args:
        stream: the session's random number, 64 bits; `TOKENS` for the tokens.
        version: its newest event.
        head: that event's chain hash, 32 bytes.
    """

    stream: int
    version: int
    head: bytes

    def hash(self) -> bytes:
        """Hash it as a leaf of the tree."""
        data = self.stream.to_bytes(8, "big") + self.version.to_bytes(8, "big") + self.head
        return hashlib.sha256(b"\x00" + data).digest()

    def line(self) -> str:
        """Write it as one line, without the line's end."""
        return f"{self.stream:016x} {self.version} {self.head.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What one checkpoint says.

    Args:
        installation: the installation's id, 32 hexadecimal digits.
        leaves: how many logs it is over.
        root: root of the tree over them, 32 bytes.
        number: 1, 2, 3 …
        previous: SHA-256 of the note before, or `START`.
        feed: the feed of all sessions is covered up to this cursor.
        time_ms: when it was signed, milliseconds since 1970.
    """

    installation: str
    leaves: int
    root: bytes
    number: int
    previous: bytes
    feed: int
    time_ms: int

    @property
    def origin(self) -> str:
        """The note's origin, and the name of its key."""
        return ORIGIN + self.installation

    def body(self) -> bytes:
        """The text that is signed."""
        return (
            f"{self.origin}\n{self.leaves}\n{_base64(self.root)}\n"
            f"number {self.number}\nprevious {_base64(self.previous)}\n"
            f"feed {self.feed}\ntime_ms {self.time_ms}\n"
        ).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical_base64(text: str) -> bytes | None:
    """Decode base64 as it is written here; None for any other writing of it."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if _base64(data) == text else None


def _unbase64(text: str) -> bytes:
    data = canonical_base64(text)
    if data is None:
        raise ChainBroken("a checkpoint holds what is no canonical base64")
    return data


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the RFC 6962 tree over leaf hashes; of none the hash of nothing."""
    level = list(hashes)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        # Pairing from the left, an odd one going up alone, is the tree of the RFC.
        paired = [
            hashlib.sha256(b"\x01" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def root_of(leaves: Sequence[Leaf]) -> bytes:
    """Root over leaves, in their order."""
    return merkle_root([leaf.hash() for leaf in leaves])


def key_hash(origin: str, public_key: bytes) -> bytes:
    """The short name of a key in a note's signature line, 4 bytes."""
    named = origin.encode() + b"\n" + ED25519 + public_key
    return hashlib.sha256(named).digest()[:KEY_HASH_BYTES]


def note_key(origin: str, public_key: bytes) -> str:
    """Write a public key as tools for signed notes expect it."""
    key = _base64(ED25519 + public_key)
    return f"{origin}+{key_hash(origin, public_key).hex()}+{key}"


def write_note(checkpoint: Checkpoint, public_key: bytes, signature: bytes) -> bytes:
    """Put a checkpoint's text and its signature together.

    Args:
        public_key: of the audit key, 32 bytes.
        signature: Ed25519, of `checkpoint.body()`, 64 bytes.
    """
    signed = _base64(key_hash(checkpoint.origin, public_key) + signature)
    return checkpoint.body() + f"\n\N{EM DASH} {checkpoint.origin} {signed}\n".encode()


def read_note(note: bytes, public_key: bytes) -> tuple[Checkpoint, bytes]:
    """Read a note; returns the checkpoint and the signature, which is not verified here.

    Raises:
        ChainBroken: it is no checkpoint, is written otherwise, or names another key.
    """
    try:
        body, signed = note.decode().split("\n\n")
    except (UnicodeDecodeError, ValueError):
        raise ChainBroken("a checkpoint is no signed note") from None
    found = _BODY.fullmatch(body + "\n")
    if found is None:
        raise ChainBroken("a checkpoint's text is not as it is written")
    numbers = [int(found[at]) for at in (2, 4, 6, 7)]
    if max(numbers) > NUMBER_MAX:
        raise ChainBroken("a checkpoint's number is out of range")
    checkpoint = Checkpoint(
        installation=found[1],
        leaves=numbers[0],
        root=_unbase64(found[3]),
        number=numbers[1],
        previous=_unbase64(found[5]),
        feed=numbers[2],
        time_ms=numbers[3],
    )
    prefix = f"\N{EM DASH} {checkpoint.origin} "
    if not signed.startswith(prefix) or not signed.endswith("\n"):
        raise ChainBroken("a checkpoint has no signature line of its own")
    raw = _unbase64(signed.removeprefix(prefix).removesuffix("\n"))
    if len(raw) != KEY_HASH_BYTES + SIGNATURE_BYTES:
        raise ChainBroken("a checkpoint's signature has a wrong length")
    if raw[:KEY_HASH_BYTES] != key_hash(checkpoint.origin, public_key):
        raise ChainBroken("a checkpoint is signed by another key")
    return checkpoint, raw[KEY_HASH_BYTES:]


def write_leaves(leaves: Sequence[Leaf]) -> bytes:
    """Write leaves, one a line."""
    return "".join(f"{leaf.line()}\n" for leaf in leaves).encode()


def read_leaves(data: bytes) -> list[Leaf]:
    """Read leaves; their streams must rise.

    Raises:
        ChainBroken: a line is not one that `write_leaves` writes, or out of order.
    """
    leaves: list[Leaf] = []
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ChainBroken("the leaves of a checkpoint are no text") from None
    if lines.pop():
        raise ChainBroken("the leaves of a checkpoint end in the middle of a line")
    for number, line in enumerate(lines, 1):
        found = _LEAF.fullmatch(line)
        if found is None or not 0 < int(found[2]) <= NUMBER_MAX:
            raise ChainBroken(f"leaf {number} of a checkpoint is not as it is written")
        leaf = Leaf(stream=int(found[1], 16), version=int(found[2]), head=bytes.fromhex(found[3]))
        if leaves and leaf.stream <= leaves[-1].stream:
            raise ChainBroken(f"leaf {number} of a checkpoint is out of order")
        leaves.append(leaf)
    return leaves
