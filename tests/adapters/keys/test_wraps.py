"""Wraps open only where they were made; the cache is bounded and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.adapters.keys import wraps
from holdfast.adapters.keys.wraps import ABOVE, KeyCache, Kind, Wrap, open_wrap, seal_wrap
from holdfast.core.errors import CorruptStore, Unavailable

INSTALLATION = bytes(range(16))
PARENT = bytearray(range(32))
SECRET = bytearray(b"k" * 32)


def wrap(**changes: object) -> Wrap:
    """A wrap without its body."""
    plain = Wrap(
        kind=Kind.SESSION, scope=b"\0" * 8, key_id=1, parent=b"p" * 16, parent_id=1, epoch=1
    )
    return replace(plain, **changes)


def sealed(**changes: object) -> Wrap:
    """A wrap with its body."""
    plain = wrap(**changes)
    return replace(plain, body=seal_wrap(plain, SECRET, PARENT, INSTALLATION, bytes(range(12))))


def test_wrap_format_is_frozen() -> None:
    """Nonce, then AES-256-GCM-SIV of the key; this never changes."""
    assert (
        "000102030405060708090a0b"
        "776a97ccc64f4ae1d3b86c0bbddaaec889bceeb20e487ffe958314b63cd751d507d8b1c22a64fa0983286d5b20f2dca3"
    ) == sealed().body.hex()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.USER},
        {"scope": b"\1" * 8},
        {"key_id": 2},
        {"key_id": -1},
        {"parent": b"q" * 16},
        {"parent_id": 2},
        {"epoch": 2},
        {"body": b""},
        {"body": sealed().body[:-1]},
    ],
)
def test_wrap_opens_only_in_its_place(change: dict[str, object]) -> None:
    """Every fact about a wrap is authenticated."""
    assert SECRET == open_wrap(sealed(), PARENT, INSTALLATION)
    with pytest.raises(CorruptStore):
        open_wrap(replace(sealed(), **change), PARENT, INSTALLATION)


def test_wrap_needs_its_parent_and_installation() -> None:
    """Another parent key or another installation does not open it."""
    with pytest.raises(CorruptStore):
        open_wrap(sealed(), SECRET, INSTALLATION)
    with pytest.raises(CorruptStore):
        open_wrap(sealed(), PARENT, bytes(16))


def test_every_byte_of_a_wrap_counts() -> None:
    """A flipped bit anywhere in the body is noticed."""
    body = sealed().body
    for place in range(len(body)):
        flipped = bytearray(body)
        flipped[place] ^= 1
        with pytest.raises(CorruptStore):
            open_wrap(wrap(body=bytes(flipped)), PARENT, INSTALLATION)


def test_wrapped_key_of_wrong_length_is_damage() -> None:
    """What opens but is not 32 bytes is no key."""
    plain = wrap()
    nonce = bytes(12)
    short = wraps._siv(PARENT).encrypt(nonce, b"short", wraps._associated(plain, INSTALLATION))
    with pytest.raises(CorruptStore):
        open_wrap(replace(plain, body=nonce + short), PARENT, INSTALLATION)


def test_every_kind_has_its_place() -> None:
    """The hierarchy ends at the installation key from everywhere."""
    for kind in Kind:
        steps = 0
        above: Kind | None = kind
        while above is not None:
            above = ABOVE[above]
            steps += 1
        assert steps <= 3


def test_missing_cipher_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenSSL has no AES-GCM-SIV the error says what is needed."""

    def unsupported(_secret: bytearray) -> None:
        raise wraps.UnsupportedAlgorithm("no")

    monkeypatch.setattr(wraps, "AESGCMSIV", unsupported)
    with pytest.raises(Unavailable, match="OpenSSL"):
        sealed()


# --- the cache --------------------------------------------------------------------


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def buffer_of(cache: KeyCache, kept: Wrap) -> bytearray:
    """The cache's own buffer of a key."""
    return cache._entries[kept.kind, kept.scope, kept.key_id][2]


def test_cache_gives_copies() -> None:
    """Wiping what was put in or got out leaves the cached key alone."""
    cache = KeyCache(Clock())
    mine = bytearray(SECRET)
    cache.put(sealed(), mine)
    wraps.wipe(mine)
    got = cache.get(sealed())
    assert SECRET == got
    wraps.wipe(got)
    assert SECRET == cache.get(sealed())


def test_cache_knows_a_key_by_its_very_wrap() -> None:
    """A wrap made anew under the same name is not mixed up with the old one."""
    cache = KeyCache(Clock())
    cache.put(sealed(), SECRET)
    assert cache.get(replace(sealed(), body=bytes(60))) is None
    assert cache.get(sealed(key_id=2)) is None


def test_cached_key_dies_of_age() -> None:
    """After its time a key is gone and its buffer overwritten, however often it was used."""
    clock = Clock()
    cache = KeyCache(clock, age_s_max=300)
    cache.put(sealed(), SECRET)
    held = buffer_of(cache, sealed())
    for clock.now in (100.0, 200.0, 299.0):
        assert SECRET == cache.get(sealed())
    clock.now = 300.0
    assert cache.get(sealed()) is None
    assert (bytes(32), 0) == (held, len(cache))


def test_cache_is_bounded_in_number() -> None:
    """The oldest key makes room and is overwritten."""
    cache = KeyCache(Clock(), count_max=3)
    kept = [sealed(key_id=number) for number in range(1, 6)]
    cache.put(kept[0], SECRET)
    held = buffer_of(cache, kept[0])
    for one in kept[1:]:
        cache.put(one, SECRET)
    assert (3, bytes(32)) == (len(cache), held)
    assert [False, False, True, True, True] == [cache.get(one) is not None for one in kept]


def test_forgotten_keys_are_overwritten() -> None:
    """Forgetting a scope, replacing a key and clearing all overwrite the buffers."""
    cache = KeyCache(Clock())
    one, two, other = sealed(), sealed(key_id=2), sealed(scope=b"\2" * 8)
    for kept in (one, two, other):
        cache.put(kept, SECRET)
    held = [buffer_of(cache, kept) for kept in (one, two, other)]
    cache.forget(Kind.SESSION, one.scope)
    assert [bytes(32), bytes(32), SECRET] == held
    cache.put(other, SECRET)
    assert bytes(32) == held[2]
    last = buffer_of(cache, other)
    cache.clear()
    assert (bytes(32), 0) == (last, len(cache))
