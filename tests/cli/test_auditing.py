"""`audit checkpoint|export|key|verify`: from a real store to somebody without any of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from clihelp import Place

TAMPER = """
import sys
import apsw
from holdfast.runtime.envelope import GENESIS, Header, chain_hash

path, how = sys.argv[1:]
db = apsw.Connection(path)
stream, top = db.execute("SELECT stream, version FROM stream LIMIT 1").fetchone()
if how == "cut":
    db.execute("DELETE FROM event WHERE stream = ? AND version = ?", (stream, top))
    db.execute("UPDATE stream SET version = version - 1, head = (SELECT hash FROM event"
               " WHERE stream = ? AND version = ?) WHERE stream = ?", (stream, top - 1, stream))
else:
    last = GENESIS
    for row in db.execute("SELECT version, kind, time, actor, key, epoch, body FROM event"
                          " WHERE stream = ? ORDER BY version", (stream,)).fetchall():
        version, kind, time, actor, key, epoch, body = row
        if version == 2:
            body = bytes([body[0] ^ 1]) + body[1:]
        header = Header(stream=stream, version=version, kind=kind, time_ms=time, actor=actor,
                        key_id=key, epoch=epoch)
        last = chain_hash(last, header, body)
        db.execute("UPDATE event SET body = ?, hash = ? WHERE stream = ? AND version = ?",
                   (body, last, stream, version))
    db.execute("UPDATE stream SET head = ? WHERE stream = ?", (last, stream))
db.close()
"""


def key_of(place: Place) -> str:
    """The public key, as the program says it."""
    said = place.cli("audit", "key", "--json").json()
    assert isinstance(said, dict)
    return str(said["key"])


def test_an_outsider_verifies_with_the_public_key_alone(place: Place, tmp_path: Path) -> None:
    """Checkpoint, export, key; then no store is there any more."""
    out, file = tmp_path / "elsewhere", tmp_path / "audit.jsonl"
    place.say("one")
    assert {"checkpoint": 1, "sessions": 1} == place.cli(
        "audit", "checkpoint", "--to", str(out), "--json"
    ).json()
    assert "nothing changed" in place.cli("audit", "checkpoint", "--to", str(out)).err
    place.say("two")
    assert "checkpoint 2" in place.cli("audit", "checkpoint", "--to", str(out)).err
    assert 0 == place.cli("audit", "verify", "--checkpoints", str(out)).code
    key = key_of(place)
    assert key in place.cli("audit", "key").out
    assert 0 == place.cli("audit", "export", "-o", str(file)).code
    place.store.rename(tmp_path / "gone.db")
    place.key.unlink()
    words = ["audit", "verify", str(file), "--key", key, "--checkpoints", str(out)]
    ran = place.cli(*words)
    assert (0, True) == (ran.code, "2 sessions" in ran.out and "as it was exported" in ran.out)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    ran = place.cli(*words)
    assert (7, True) == (ran.code, "FINDING line 3:" in ran.out)
    report = place.cli(*words, "--json").json()
    assert isinstance(report, dict) and report["ok"] is False


@pytest.mark.parametrize("how", ["cut", "rewritten"])
def test_a_store_that_fits_itself_is_found_by_checkpoints(
    place: Place, tmp_path: Path, how: str
) -> None:
    """A cut end and fresh hashes: the export is signed, and the checkpoint tells."""
    out, file = tmp_path / "elsewhere", tmp_path / "audit.jsonl"
    place.say("one")
    place.cli("audit", "checkpoint", "--to", str(out))
    subprocess.run([sys.executable, "-c", TAMPER, str(place.store), how], check=True)
    ran = place.cli("audit", "verify", "--checkpoints", str(out))
    assert (7, True) == (ran.code, "checkpoint: " in ran.out)
    key = key_of(place)
    assert 0 == place.cli("audit", "export", "-o", str(file)).code
    assert 0 == place.cli("audit", "verify", str(file), "--key", key).code
    ran = place.cli("audit", "verify", str(file), "--key", key, "--checkpoints", str(out))
    assert (7, True) == (ran.code, "checkpoint 1 names" in ran.out)


def test_what_cannot_be_done_is_refused(place: Place, tmp_path: Path) -> None:
    """A directory beside the store, no such file, no key, no format, no checkpoints."""
    place.say("one")
    inside = place.store.parent / "checkpoints"
    ran = place.cli("audit", "checkpoint", "--to", str(inside))
    assert (2, True, False) == (ran.code, "outside" in ran.err, inside.exists())
    key = key_of(place)
    assert 3 == place.cli("audit", "verify", str(tmp_path / "none"), "--key", key).code
    assert 2 == place.cli("audit", "verify", str(tmp_path / "none"), "--key", "ab").code
    assert 2 == place.cli("audit", "verify", "--key", key).code
    assert 2 == place.cli("audit", "export", "--format", "xml").code
    assert 7 == place.cli("audit", "verify", "--checkpoints", str(tmp_path / "none")).code
