"""Checkpoints as text and trees: one way to write them, and nothing else is read."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.core.checkpoints import (
    START,
    Checkpoint,
    Leaf,
    key_hash,
    merkle_root,
    note_key,
    read_leaves,
    read_note,
    root_of,
    write_leaves,
    write_note,
)
from holdfast.core.errors import ChainBroken

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
LEAVES = [Leaf(stream=n, version=n + 1, head=bytes([n]) * 32) for n in range(5)]
ONE = Checkpoint(
    installation="ab" * 16,
    leaves=5,
    root=root_of(LEAVES),
    number=1,
    previous=START,
    feed=17,
    time_ms=1_700_000_000_000,
)


def note_of(one: Checkpoint = ONE) -> bytes:
    """A signed note."""
    return write_note(one, PUBLIC, KEY.sign(one.body()))


def rfc_root(entries: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is defined: split at the greatest power of two."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    at = 1
    while at * 2 < len(entries):
        at *= 2
    left, right = rfc_root(entries[:at]), rfc_root(entries[at:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_the_tree_is_that_of_the_rfc() -> None:
    """The definition and the published vector of the RFC's reference entries agree."""
    for size in range(70):
        entries = [bytes([n]) for n in range(size)]
        hashes = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
        assert rfc_root(entries) == merkle_root(hashes)
    entries = [bytes.fromhex(text) for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )]  # fmt: skip
    hashes = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
    assert (
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        == merkle_root(hashes).hex()
    )


def test_a_note_says_what_was_signed() -> None:
    """Reading gives back the checkpoint and a signature over its text."""
    found, signature = read_note(note_of(), PUBLIC)
    assert ONE == found
    KEY.public_key().verify(signature, found.body())
    assert note_key(ONE.origin, PUBLIC).startswith(
        f"{ONE.origin}+{key_hash(ONE.origin, PUBLIC).hex()}+AQ"
    )


def test_no_other_writing_is_read() -> None:
    """A flipped bit is refused or changes what was signed; longer, shorter and others refuse."""
    note = note_of()
    for place in range(len(note)):
        for bit in range(8):
            changed = bytearray(note)
            changed[place] ^= 1 << bit
            try:
                found, signature = read_note(bytes(changed), PUBLIC)
            except ChainBroken:
                continue
            assert (found.body(), signature) != (ONE.body(), KEY.sign(ONE.body()))
    text = note.decode()
    for bad in (
        text[:-1], text + "\n", "", "\n\n", text.replace("number 1", "number 01"),
        text.replace("feed 17", "feed 9999999999999999999"), text.replace("\n", "\r\n"),
        text.replace("ab" * 16, "ab" * 15 + "\n1"), text + text,
    ):  # fmt: skip
        with pytest.raises(ChainBroken):
            read_note(bad.encode(), PUBLIC)
    with pytest.raises(ChainBroken):
        read_note(note, bytes(32))
    with pytest.raises(ChainBroken):
        read_note(write_note(ONE, PUBLIC, b"short"), PUBLIC)
    with pytest.raises(ChainBroken):
        read_note(note.replace(b" ", b"\xff", 1), PUBLIC)


def test_leaves_come_back_and_nothing_else_is_read() -> None:
    """In order, each once, whole lines."""
    data = write_leaves(LEAVES)
    assert LEAVES == read_leaves(data) and [] == read_leaves(b"")
    lines = data.splitlines(keepends=True)
    for bad in (
        data[:-1], data + lines[0], lines[1] + lines[0], data.upper() + b"\n",
        lines[0].replace(b" 1 ", b" 0 "), b"\xff\n", lines[0].replace(b" 1 ", b" 01 "),
    ):  # fmt: skip
        with pytest.raises(ChainBroken):
            read_leaves(bad)
