"""The envelope: nothing of an event can be altered unnoticed, and the format is frozen."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.errors import KeyMissing, TooLarge, Unreadable
from holdfast.ports.keys import DataKey
from holdfast.ports.store import SealedEvent
from holdfast.runtime import envelope
from holdfast.runtime.envelope import (
    GENESIS,
    Crypto,
    Header,
    chain_hash,
    header_of,
    open_body,
    open_clear,
    seal,
    seal_clear,
    sealed_event,
)

NONCE = bytes(range(12))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key().public_bytes_raw()


def data_key(first: int = 0) -> DataKey:
    """A data key that is the same in every run."""
    return DataKey(key_id=1, secret=bytearray(range(first, first + 32)))


def header(**changes: int) -> Header:
    """The header that the frozen vectors were made with."""
    base = Header(
        stream=0x0102030405060708,
        version=2,
        kind=0x8003,
        time_ms=1_700_000_000_000,
        actor=11,
        key_id=1,
        epoch=3,
    )
    return replace(base, **changes)


def headers(key_id: int = 1) -> st.SearchStrategy[Header]:
    """Any header that a session may write."""
    wide = st.integers(0, 2**64 - 1)
    return st.builds(
        Header,
        stream=wide,
        version=st.integers(1, envelope.EVENTS_PER_KEY_MAX),
        kind=st.integers(0, 0xFFFF),
        time_ms=wide,
        actor=wide,
        key_id=st.just(key_id),
        epoch=wide,
    )


def flips(body: bytes) -> list[bytes]:
    """The body with one bit of each byte turned over, in turn."""
    flipped = []
    for place in range(len(body)):
        copy = bytearray(body)
        copy[place] ^= 1 << (place % 8)
        flipped.append(bytes(copy))
    return flipped


# --- frozen vectors: these never change ------------------------------------------


def test_header_layout_is_frozen() -> None:
    """The header is 47 bytes in this order."""
    assert (
        "01"
        "0102030405060708"
        "0000000000000002"
        "8003"
        "0000018bcfe56800"
        "000000000000000b"
        "00000001"
        "0000000000000003"
    ) == header().encode().hex()


def test_sealed_body_is_frozen() -> None:
    """A sealed body is the nonce, then AES-256-GCM with the header as data."""
    expected = "000102030405060708090a0b2f67ba77aacd7ec8fc7998b5b71343f858e006cd87"
    assert expected == seal(header(), b"hello", data_key(), NONCE).hex()


def test_chain_hash_is_frozen() -> None:
    """The hash of a known event onto the genesis is this one."""
    body = seal(header(), b"hello", data_key(), NONCE)
    expected = "60c580586605c4aaaab94ea2a2feed7809c2a63b0e94e998fff8e720940d9a56"
    assert expected == chain_hash(GENESIS, header(), body).hex()


def test_clear_body_and_its_hash_are_frozen() -> None:
    """A clear body is the audit key's signature, then the payload."""
    clear = header(key_id=0)
    body = seal_clear(clear, b"wiped", SIGNER.sign)
    assert (
        "bef9ab619346f7064d525d7ed202082dec04a585c31f47673dcfe9eadb08713e"
        "20377af5cc9940e162cb1da543b0f7788d33406c8ef0aeb345cfe360c580ca05"
    ) + b"wiped".hex() == body.hex()
    expected = "8326d8c56c71f737db1ab9979699e10e20ed12a6e6166ca20850be3b12864a07"
    assert expected == chain_hash(b"\1" * 32, clear, body).hex()


def test_event_formats_can_be_recomputed_from_their_description() -> None:
    """The chain hash is what the module says, written out a second time."""

    def framed(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    body = seal(header(), b"hello", data_key(), NONCE)
    parts = framed(b"holdfast/event/1", GENESIS, header().encode(), body[:12], body[12:])
    assert hashlib.sha256(parts).digest() == chain_hash(GENESIS, header(), body)
    message = framed(b"holdfast/clear/1", header(key_id=0).encode(), b"wiped")
    assert SIGNER.sign(message) == seal_clear(header(key_id=0), b"wiped", SIGNER.sign)[:64]


# --- tampering -------------------------------------------------------------------


@pytest.mark.parametrize(
    "field", ["format", "stream", "version", "kind", "time_ms", "actor", "key_id", "epoch"]
)
def test_every_header_field_is_authenticated_and_hashed(field: str) -> None:
    """A change in any header field is noticed by the cipher and by the chain."""
    body = seal(header(), b"payload", data_key(), NONCE)
    for bit in range(8):
        other = header(**{field: getattr(header(), field) ^ 1 << bit})
        assert chain_hash(GENESIS, header(), body) != chain_hash(GENESIS, other, body)
        with pytest.raises(Unreadable):
            open_body(other, body, data_key())


def test_every_byte_of_nonce_and_ciphertext_is_authenticated_and_hashed() -> None:
    """One flipped bit anywhere in a body is noticed twice."""
    body = seal(header(), b"some payload", data_key(), NONCE)
    good = chain_hash(GENESIS, header(), body)
    for flipped in flips(body):
        assert good != chain_hash(GENESIS, header(), flipped)
        with pytest.raises(Unreadable):
            open_body(header(), flipped, data_key())


def test_cut_or_lengthened_body_is_unreadable() -> None:
    """A body that lost or gained bytes does not open."""
    body = seal(header(), b"payload", data_key(), NONCE)
    for other in [body[:size] for size in range(len(body))] + [body + b"\0"]:
        with pytest.raises(Unreadable):
            open_body(header(), other, data_key())


def test_swapped_rows_are_noticed() -> None:
    """Two events whose bodies changed places do not open and break the chain."""
    first, second = header(version=1), header(version=2)
    one = seal(first, b"one", data_key(), NONCE)
    two = seal(second, b"two", data_key(), bytes(12))
    head = chain_hash(chain_hash(GENESIS, first, one), second, two)
    assert head != chain_hash(chain_hash(GENESIS, first, two), second, one)
    assert head != chain_hash(chain_hash(GENESIS, second, two), first, one)
    for head_of, body in ((first, two), (second, one)):
        with pytest.raises(Unreadable):
            open_body(head_of, body, data_key())


def test_other_stream_or_key_does_not_open() -> None:
    """A body moved to another session, or opened with another key, is unreadable."""
    body = seal(header(), b"payload", data_key(), NONCE)
    with pytest.raises(Unreadable):
        open_body(header(stream=5), body, data_key())
    with pytest.raises(Unreadable):
        open_body(header(), body, data_key(first=1))


def test_border_between_hashed_parts_matters() -> None:
    """Bytes cannot wander from one hashed part to the next."""
    assert envelope.framed(b"ab", b"c") != envelope.framed(b"a", b"bc")
    clear = header(key_id=0)
    body = bytes(64) + b"payload"
    assert chain_hash(GENESIS, clear, body) != chain_hash(GENESIS, header(), body)


def test_header_field_out_of_range_is_unreadable() -> None:
    """A stored header that no writer can have written is damage, not a crash."""
    for bad in (header(actor=-1), header(kind=0x10000), header(stream=2**64)):
        with pytest.raises(Unreadable):
            chain_hash(GENESIS, bad, bytes(40))
        with pytest.raises(Unreadable):
            open_body(bad, bytes(40), data_key())


# --- clear events ----------------------------------------------------------------


def test_clear_event_opens_under_its_signature_only() -> None:
    """A flipped byte, another header or another key fails the signature."""
    clear = header(key_id=0)
    body = seal_clear(clear, b"wiped", SIGNER.sign)
    assert b"wiped" == open_clear(clear, body, PUBLIC)
    for flipped in [*flips(body), body[:63], b""]:
        with pytest.raises(Unreadable):
            open_clear(clear, flipped, PUBLIC)
    with pytest.raises(Unreadable):
        open_clear(header(key_id=0, version=3), body, PUBLIC)
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(Unreadable):
        open_clear(clear, body, other)


def test_sealed_event_cannot_pass_for_a_clear_one() -> None:
    """The key id decides which way a body is read, and it is part of both."""
    body = seal(header(), bytes(100), data_key(), NONCE)
    with pytest.raises(Unreadable):
        open_clear(header(), body, PUBLIC)
    with pytest.raises(Unreadable):
        open_clear(header(key_id=0), body, PUBLIC)
    zero = DataKey(key_id=0, secret=bytearray(32))
    with pytest.raises(Unreadable):
        open_body(header(key_id=0), body, zero)


# --- misuse and limits -----------------------------------------------------------


def test_key_is_refused_after_two_to_the_32_events() -> None:
    """The last version a key encrypts is 2**32."""
    crypto = Crypto(data_key(), secrets.token_bytes)
    last, over = header(version=2**32), header(version=2**32 + 1)
    assert b"x" == open_body(last, seal(last, b"x", data_key(), NONCE), data_key())
    for sealing in (lambda: seal(over, b"x", data_key(), NONCE), lambda: crypto.seal(over, b"x")):
        with pytest.raises(TooLarge):
            sealing()


def test_misuse_is_an_assertion() -> None:
    """Wrong nonce length, a foreign key id and clear text under a key are bugs."""
    with pytest.raises(AssertionError):
        seal(header(), b"x", data_key(), bytes(11))
    with pytest.raises(AssertionError):
        seal(header(key_id=2), b"x", data_key(), NONCE)
    with pytest.raises(AssertionError):
        seal(header(key_id=0), b"x", DataKey(key_id=0, secret=bytearray(32)), NONCE)
    with pytest.raises(AssertionError):
        seal_clear(header(), b"x", SIGNER.sign)
    with pytest.raises(AssertionError):
        seal_clear(header(key_id=0), b"x", lambda message: message[:10])


# --- round trips -----------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(head=headers(), payload=st.binary(max_size=300), nonce=st.binary(min_size=12, max_size=12))
def test_sealed_round_trip(head: Header, payload: bytes, nonce: bytes) -> None:
    """What is sealed opens to the same bytes, by function and by `Crypto`."""
    body = seal(head, payload, data_key(), nonce)
    assert payload == open_body(head, body, data_key())
    assert len(payload) + 28 == len(body)
    crypto = Crypto(data_key(), lambda _count: nonce)
    assert payload == crypto.open(head, crypto.seal(head, payload))


@settings(max_examples=50, deadline=None)
@given(head=headers(key_id=0), payload=st.binary(max_size=300))
def test_clear_round_trip(head: Header, payload: bytes) -> None:
    """What is signed opens to the same bytes."""
    assert payload == open_clear(head, seal_clear(head, payload, SIGNER.sign), PUBLIC)


@settings(max_examples=100, deadline=None)
@given(one=headers(), two=headers())
def test_headers_encode_injectively(one: Header, two: Header) -> None:
    """Different headers have different bytes."""
    assert (one == two) == (one.encode() == two.encode())


# --- Crypto ----------------------------------------------------------------------


def test_crypto_builds_the_stored_row() -> None:
    """`seal_event` gives the row whose header, body and hash verify."""
    crypto = Crypto(data_key(), secrets.token_bytes)
    row = crypto.seal_event(header(), b"payload", GENESIS)
    assert isinstance(row, SealedEvent)
    assert header() == header_of(header().stream, row)
    assert b"payload" == crypto.open(header_of(header().stream, row), row.body)
    assert chain_hash(GENESIS, header(), row.body) == row.hash
    assert row == sealed_event(header(), row.body, GENESIS)


def test_stored_rows_are_opened_as_their_headers_say() -> None:
    """What reading a log uses agrees with the functions that take a `Header`."""
    crypto = Crypto(data_key(), secrets.token_bytes)
    row = crypto.seal_event(header(), b"payload", GENESIS)
    encoded = envelope.encoded_header(header().stream, row)
    assert header().encode() == encoded
    assert row.hash == envelope.stored_hash(GENESIS, encoded, row)
    assert b"payload" == crypto.open_stored(encoded, row)
    for body in (*flips(row.body), row.body[:-1], b""):
        changed = replace(row, body=body)
        assert row.hash != envelope.stored_hash(GENESIS, encoded, changed)
        with pytest.raises(Unreadable):
            crypto.open_stored(encoded, changed)
    with pytest.raises(Unreadable):
        crypto.open_stored(encoded, replace(row, key_id=2))
    with pytest.raises(Unreadable):
        crypto.open_stored(envelope.encoded_header(header().stream + 1, row), row)
    with pytest.raises(Unreadable, match="out of range"):
        envelope.encoded_header(header().stream, replace(row, time_ms=-1))


def test_crypto_never_repeats_a_nonce() -> None:
    """Sealing the same event again draws another nonce, so a retry reveals nothing."""
    crypto = Crypto(data_key(), secrets.token_bytes)
    bodies = [crypto.seal(header(), b"same") for _ in range(500)]
    boxes = [crypto.seal_box("index", (1,), b"same") for _ in range(500)]
    assert 1000 == len({body[:12] for body in bodies + boxes})
    assert not any(one[12:] == two[12:] for one, two in itertools.pairwise(bodies))


def test_crypto_agrees_with_the_functions() -> None:
    """The cached keys are the derived ones."""
    crypto = Crypto(data_key(), lambda count: NONCE[:count])
    effect, digest = envelope.effect_key(data_key()), envelope.digest_key(data_key())
    assert envelope.commitment(data_key()) == crypto.commitment
    assert envelope.state_key(data_key()) == crypto.state_key
    assert envelope.effect_id(effect, 5, 6, 0) == crypto.effect_id(5, 6, 0)
    assert envelope.keyed_digest(digest, b"a", b"bc") == crypto.digest(b"a", b"bc")
    box = envelope.seal_box(data_key(), "snapshot", (5,), b"state", NONCE)
    assert box == crypto.seal_box("snapshot", (5,), b"state")
    assert b"state" == crypto.open_box("snapshot", (5,), box)
    assert 1 == crypto.key_id


def test_wiped_crypto_refuses_everything() -> None:
    """After `wipe` the buffers are zero and every use is a typed refusal."""
    key = data_key()
    crypto = Crypto(key, secrets.token_bytes)
    row = crypto.seal_event(header(), b"x", GENESIS)
    box = crypto.seal_box("index", (), b"x")
    crypto.wipe()
    crypto.wipe()
    assert bytes(32) == key.secret
    uses = [
        lambda: crypto.seal(header(), b"x"),
        lambda: crypto.open(header(), row.body),
        lambda: crypto.seal_box("index", (), b"x"),
        lambda: crypto.open_box("index", (), box),
        lambda: crypto.digest(b"x"),
        lambda: crypto.effect_id(1, 2, 3),
        lambda: crypto.state_key,
    ]
    for use in uses:
        with pytest.raises(KeyMissing):
            use()


def test_sealing_and_hashing_a_kilobyte_is_quick() -> None:
    """Sealing and hashing 1 KB costs less than 15 HMACs of it on the same machine."""
    crypto = Crypto(data_key(), secrets.token_bytes)
    payload = bytes(1024)

    def best(action: object) -> float:
        assert callable(action)
        rounds = []
        for _ in range(25):
            start = time.perf_counter()
            for _ in range(80):
                action()
            rounds.append(time.perf_counter() - start)
        return min(rounds)

    sealing = best(lambda: crypto.seal_event(header(), payload, GENESIS))
    yardstick = best(lambda: hmac.digest(payload[:32], payload, "sha256"))
    assert sealing < 15 * yardstick
