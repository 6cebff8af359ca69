"""Keys that tokens are signed with: when they write, what is authenticated, what a crash leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.keys.file import FileKeys
from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.keys.tokenkeys import STEP_MS, token_scope_of
from holdfast.core.errors import CorruptStore, HoldfastError
from holdfast.ports.keys import TokenKey

HOUR = STEP_MS


def on_file(folder: Path) -> FileKeys:
    """Keys in a file."""
    return FileKeys.open(folder / "s.keys", installation_key=folder / "installation.key")


def test_signing_seldom_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is moved by whole hours, so most tokens find it far enough."""
    keys = MemoryKeys()
    writes: list[int] = []
    writing = keys._shelf.writing
    monkeypatch.setattr(keys._shelf, "writing", lambda: (writes.append(1), writing())[1])
    for minute in range(120):
        key = keys.token_key(until_ms=10 * HOUR + minute * 60_000, now_ms=0)
        assert key.until_ms >= 10 * HOUR + minute * 60_000
        assert key.until_ms % HOUR == 0
    assert len(writes) == 3


def test_a_key_that_never_signed_is_gone_with_the_next() -> None:
    """Nothing needs it: it verifies no longer than when it was drawn."""
    keys = MemoryKeys()
    drawn = keys.rotate_token_key(now_ms=7)
    assert TokenKey(number=1, public=drawn.public, until_ms=7) == drawn
    assert (drawn,) == keys.token_keys(1_000), "the newest one stays: it signs"
    assert [2] == [one.number for one in (keys.rotate_token_key(now_ms=8),)]
    assert [2] == [one.number for one in keys.token_keys(8)]


def test_what_fails_half_way_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a key nor its time is lost when moving the time fails."""
    keys = MemoryKeys()
    key = keys.token_key(until_ms=HOUR, now_ms=0)

    def broken(*_: object) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(keys, "_make", broken)
        with pytest.raises(OSError, match="no space"):
            keys.token_key(until_ms=2 * HOUR, now_ms=0)
        with pytest.raises(OSError, match="no space"):
            keys.rotate_token_key(now_ms=0, at_once=True)
    assert (key,) == keys.token_keys(0)
    assert 64 == len(keys.sign_token(key.number, b"x"))


ALTER = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
for sql in sys.argv[2:]:
    db.execute(sql).fetchall()
    assert db.changes() == 1, sql
db.close()
"""


@pytest.mark.parametrize(
    "scope",
    [token_scope_of(1, 99 * HOUR), token_scope_of(2, HOUR), b"short"],
    ids=["later", "renamed", "short"],
)
def test_number_and_time_are_authenticated(scope: bytes, tmp_path: Path) -> None:
    """Who writes the file but has no installation key cannot have a key verify for longer."""
    keys = on_file(tmp_path)
    keys.token_key(until_ms=HOUR, now_ms=0)
    keys.close()
    sql = f"UPDATE wraps SET scope = x'{scope.hex()}' WHERE kind = 'signer'"
    subprocess.run([sys.executable, "-c", ALTER, str(tmp_path / "s.keys"), sql], check=True)
    keys = on_file(tmp_path)
    try:
        for act in (
            lambda: keys.token_keys(0),
            lambda: keys.token_key(until_ms=0, now_ms=0),
            lambda: keys.sign_token(1, b""),
            lambda: keys.sign_token(2, b""),
        ):
            with pytest.raises(HoldfastError):
                act()
        with pytest.raises(CorruptStore):
            keys.token_keys(0)
    finally:
        keys.close()


def test_no_key_lies_in_the_clear(tmp_path: Path) -> None:
    """What is on disk is neither the key nor, once it is gone, its wrap."""
    keys = on_file(tmp_path)
    drawn: list[bytes] = []
    fresh = keys._fresh

    def noted() -> bytearray:
        drawn.append(bytes(made := fresh()))
        return made

    keys._fresh = noted  # type: ignore[method-assign]  # it only listens
    keys.token_key(until_ms=HOUR, now_ms=0)
    sql = "SELECT hex(body) FROM wraps WHERE kind = 'signer'"
    look = f"import apsw; print(apsw.Connection({str(tmp_path / 's.keys')!r}).execute({sql!r}).get)"
    ran = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    body = bytes.fromhex(ran.stdout)
    keys.rotate_token_key(now_ms=0, at_once=True)
    keys.close()
    assert 2 == len(drawn) and len(body) > 32
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert not any(one in data for one in drawn), path.name
        assert body not in data, path.name
