"""Derived keys and boxes: distinct uses have distinct keys, boxes open only where they belong."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import Unreadable
from holdfast.ports.keys import DataKey
from holdfast.runtime.boxes import (
    BoxId,
    commitment,
    digest_key,
    effect_id,
    effect_key,
    keyed_digest,
    open_box,
    seal_box,
    state_key,
)

NONCE = bytes(range(12))
IDS = st.lists(st.binary(max_size=9) | st.text(max_size=9) | st.integers(0, 2**64 - 1), max_size=4)


def data_key() -> DataKey:
    """A data key that is the same in every run."""
    return DataKey(key_id=1, secret=bytearray(range(32)))


def hkdf(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 of RFC 5869 for one block, written out."""
    return hmac.digest(hmac.digest(bytes(32), secret, "sha256"), info + b"\1", "sha256")


def test_derived_keys_are_frozen() -> None:
    """Each use has its own key, by HKDF of the data key; these never change."""
    secret = bytes(range(32))
    derived = {
        "effect": "7465a09a5bb434d9bcacb5f254709110535dddec12f793be0a14b7562b77e9b5",
        "digest": "0f3172b7da81732750eb8688c848e07335cd796516ca755518b38338b230aec4",
        "state": "c31ff3fc558c22ffc0f98bbcd3cdd33ef2341fccb4d19361e8810f09b6a21d45",
    }
    got = {
        "effect": effect_key(data_key()).hex(),
        "digest": digest_key(data_key()).hex(),
        "state": state_key(data_key()).hex(),
    }
    assert derived == got
    for use, value in derived.items():
        assert hkdf(secret, f"holdfast/{use}/1".encode()).hex() == value


def test_commitment_is_frozen_and_hides_the_key() -> None:
    """The commitment is SHA-256 of a derived key, never of the data key."""
    expected = "c8924b50710c39d42f114be3ee4c04e91f2fbc38236a8987c7f9266564f18551"
    assert expected == commitment(data_key()).hex()
    derived = hkdf(bytes(range(32)), b"holdfast/commit/1")
    assert hashlib.sha256(derived).digest() == commitment(data_key())


def test_digest_and_effect_id_are_frozen() -> None:
    """Digests are 16 bytes, effect ids 'eff-' and 32 hex digits; these never change."""
    assert "a5ad25f792cb49a995331bfd46ab03b6" == keyed_digest(b"k" * 32, b"a", b"bc").hex()
    expected = "eff-9fdbf54f4e4a1102037b5ebcb428ec68"
    assert expected == effect_id(effect_key(data_key()), 5, 6, 0)


def test_effect_ids_differ_by_place_and_key() -> None:
    """Stream, causing version, ordinal and key all count."""
    places = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    ids = {effect_id(key * 32, *place) for key in (b"a", b"b") for place in places}
    assert 54 == len(ids)


def test_digest_border_between_parts_matters() -> None:
    """Parts cannot be shifted into one another."""
    assert keyed_digest(b"k", b"ab", b"c") != keyed_digest(b"k", b"a", b"bc")
    assert keyed_digest(b"k", b"ab") != keyed_digest(b"k", b"ab", b"")


def test_box_format_is_frozen() -> None:
    """A box is the nonce, then AES-256-GCM under the derived box key."""
    expected = "000102030405060708090a0b3fa9aab044c40bffba1756b9c5398860bb65a1dfbe"
    assert expected == seal_box(data_key(), "snapshot", (5, "a", b"b"), b"hello", NONCE).hex()


@settings(max_examples=100, deadline=None)
@given(ids=IDS, other=IDS, payload=st.binary(max_size=100))
def test_box_opens_only_where_it_belongs(
    ids: list[BoxId], other: list[BoxId], payload: bytes
) -> None:
    """The same ids open a box, any others do not; 1, "1" and b"1" differ."""
    box = seal_box(b"s" * 32, "blob", tuple(ids), payload, NONCE)
    assert payload == open_box(b"s" * 32, "blob", tuple(ids), box)
    if [(type(part), part) for part in ids] != [(type(part), part) for part in other]:
        with pytest.raises(Unreadable):
            open_box(b"s" * 32, "blob", tuple(other), box)


def test_ids_of_different_types_differ() -> None:
    """A number, its text and its bytes are three places."""
    box = seal_box(data_key(), "blob", (1,), b"x", NONCE)
    for other in ((b"1",), ("1",), (b"i1",), ()):
        with pytest.raises(Unreadable):
            open_box(data_key(), "blob", other, box)


def test_box_notices_purpose_key_and_every_byte() -> None:
    """Another purpose or key, a flipped bit or a lost byte do not open."""
    box = seal_box(data_key(), "snapshot", (5,), b"hello", NONCE)
    with pytest.raises(Unreadable):
        open_box(data_key(), "index", (5,), box)
    with pytest.raises(Unreadable):
        open_box(b"s" * 32, "snapshot", (5,), box)
    for place in range(len(box)):
        flipped = bytearray(box)
        flipped[place] ^= 1
        for other in (bytes(flipped), box[:place]):
            with pytest.raises(Unreadable):
                open_box(data_key(), "snapshot", (5,), other)


def test_box_refuses_a_wrong_nonce() -> None:
    """A nonce that is not 12 bytes is a bug of the caller."""
    with pytest.raises(AssertionError):
        seal_box(data_key(), "snapshot", (), b"x", bytes(16))
