"""Frames: what is not the very next one of the other end ends the channel."""

from __future__ import annotations

import pytest
from enclavekit import shake

from holdfast.adapters.enclave.channel import (
    FRAME_BYTES_MAX,
    FRAMES_MAX,
    HEADER,
    KEY_BYTES,
    TAG_BYTES,
    Channel,
    Role,
    derive_keys,
)
from holdfast.core.errors import ChannelBroken


def broken(channel: Channel, frame: bytes) -> str:
    """The problem with a frame; the channel has ended then."""
    with pytest.raises(ChannelBroken) as caught:
        channel.open(frame)
    assert channel.closed
    return caught.value.problem


def test_both_directions_carry_what_they_were_given() -> None:
    """In order, for ten thousand frames, and no ciphertext is like another."""
    client, enclave, _ = shake()
    seen = set()
    for number in range(10_000):
        text = b"same" if number % 2 else b""
        frame = client.seal(text)
        assert text == enclave.open(frame)
        assert text == client.open(enclave.seal(text))
        seen.add(frame)
    assert 10_000 == len(seen)


def test_a_repeated_frame_is_refused() -> None:
    """And so is everything after it."""
    client, enclave, _ = shake()
    first, second = client.seal(b"1"), client.seal(b"2")
    enclave.open(first)
    assert "order" == broken(enclave, first)
    assert "closed" == broken(enclave, second)


def test_frames_out_of_order_are_refused() -> None:
    """A frame that was left out is noticed with the next one."""
    client, enclave, _ = shake()
    client.seal(b"1")
    assert "order" == broken(enclave, client.seal(b"2"))


def test_a_renumbered_frame_is_refused() -> None:
    """The number is authenticated, so it cannot be made to fit."""
    client, enclave, _ = shake()
    client.seal(b"1")
    second = client.seal(b"2")
    forged = HEADER.pack(Role.CLIENT, 0, len(second) - HEADER.size) + second[HEADER.size :]
    assert "altered" == broken(enclave, forged)


def test_a_frame_that_is_sent_back_is_refused() -> None:
    """Each direction has its own key and name."""
    client, _, _ = shake()
    frame = client.seal(b"1")
    assert "direction" == broken(client, frame)
    client, _, _ = shake()
    frame = client.seal(b"1")
    turned = bytes((Role.ENCLAVE,)) + frame[1:]
    assert "altered" == broken(client, turned)


def test_every_cut_is_refused() -> None:
    """At every length, and with a byte more."""
    frame_length = len(shake()[0].seal(b"hello"))
    for length in range(frame_length):
        client, enclave, _ = shake()
        assert "truncated" == broken(enclave, client.seal(b"hello")[:length])
    client, enclave, _ = shake()
    assert "truncated" == broken(enclave, client.seal(b"hello") + b"x")


def test_every_flipped_bit_is_refused() -> None:
    """Of header, ciphertext and tag."""
    client, enclave, _ = shake()
    frame = client.seal(b"hi")
    for at in range(len(frame) * 8):
        client, enclave, _ = shake()
        flipped = bytearray(client.seal(b"hi"))
        flipped[at // 8] ^= 1 << at % 8
        broken(enclave, bytes(flipped))


def test_another_transcript_is_refused() -> None:
    """The same keys do not open a frame of another handshake."""
    keys = bytearray(2 * KEY_BYTES)
    derive_keys(bytes(32), b"t" * 32, keys)
    one = Channel(Role.CLIENT, bytearray(keys), b"t" * 32)
    other = Channel(Role.ENCLAVE, bytearray(keys), b"u" * 32)
    assert "altered" == broken(other, one.seal(b"hello"))


def test_two_sessions_share_no_keys() -> None:
    """Nor do two channels of one session."""
    seen: set[bytes] = set()
    for session in (b"one", b"one", b"two"):
        client, enclave, _ = shake(session)
        assert bytes(client._keys) == bytes(enclave._keys)
        seen |= {bytes(client._keys[:KEY_BYTES]), bytes(client._keys[KEY_BYTES:])}
    assert 6 == len(seen)
    client, _, _ = shake(b"one")
    _, enclave, _ = shake(b"two")
    assert "altered" == broken(enclave, client.seal(b"hello"))


def test_what_is_too_long_is_neither_sealed_nor_awaited() -> None:
    """A length is judged before anything is read."""
    client, enclave, _ = shake()
    with pytest.raises(ChannelBroken) as caught:
        client.seal(bytes(FRAME_BYTES_MAX - TAG_BYTES + 1))
    assert "oversized" == caught.value.problem
    assert not client.closed
    with pytest.raises(ChannelBroken) as caught:
        enclave.length(HEADER.pack(Role.CLIENT, 0, FRAME_BYTES_MAX + 1))
    assert "oversized" == caught.value.problem
    _, enclave, _ = shake()
    with pytest.raises(ChannelBroken):
        enclave.length(HEADER.pack(Role.CLIENT, 0, TAG_BYTES - 1))


def test_a_channel_ends_before_its_numbers_do() -> None:
    """It is spent with the last number, and seals nothing after it."""
    client, enclave, _ = shake()
    client._sent = enclave._received = FRAMES_MAX - 1
    assert not client.spent
    assert b"last" == enclave.open(client.seal(b"last"))
    assert client.spent and enclave.spent
    with pytest.raises(ChannelBroken):
        client.seal(b"more")


def test_keys_read_back_as_zero_after_the_end() -> None:
    """By `close`, and by whatever breaks the channel."""
    client, enclave, _ = shake()
    client.close()
    assert not any(client._keys)
    assert any(enclave._keys)
    broken(enclave, b"nonsense")
    assert not any(enclave._keys)
    with pytest.raises(ChannelBroken):
        client.seal(b"x")
