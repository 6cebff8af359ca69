"""A data key can be overwritten and never shows itself."""

from __future__ import annotations

from holdfast.ports.keys import DataKey


def test_wiped_key_is_zero_in_place() -> None:
    """Wiping overwrites the very buffer that others may hold."""
    buffer = bytearray(b"k" * 32)
    key = DataKey(key_id=1, secret=buffer)
    key.wipe()
    assert bytes(32) == buffer
    assert key.secret is buffer


def test_key_does_not_show_its_secret() -> None:
    """Neither `repr` nor `str` of a key, which end up in logs, contain the secret."""
    key = DataKey(key_id=7, secret=bytearray(b"very secret bytes of this key 32"))
    assert "secret bytes" not in f"{key!r} {key!s}"
    assert "7" in repr(key)
