"""`audit checkpoint|export|key|verify`: from a real store to somebody without any of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clihelp import Place, Ran

from clienthelp import Beside, beside, token_of
from holdfast.bootstrap import SessionManager, checkpoint_directory
from holdfast.ports.store import SealedEvent
from holdfast.runtime.checkpointing import Signer
from liar import Liar, lying

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


# --- a server that is not believed ----------------------------------------------------------


@dataclass(frozen=True)
class Far:
    """A true server, one that lies in between, the key and checkpoints of before."""

    place: Place
    true: Beside
    liar: Liar
    key: str
    checkpoints: Path

    def verify(self, *words: str, honest: bool = False) -> Ran:
        """Verify by the command line."""
        url = self.true.url if honest else self.liar.url
        place = ("--checkpoints", str(self.checkpoints))
        return self.place.cli("audit", "verify", "--server", url, "--key", self.key, *place, *words)


@pytest.fixture
def far(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Two sessions with some events, one of them wiped later on, and a checkpoint."""
    where = tmp_path / "elsewhere"

    async def prepare(sessions: SessionManager) -> str:
        for name in ("one", "two"):
            session = await sessions.create_session(name)
            await session.add_message("a word")
            await session.add_message("another")
        backend = sessions.distinct_backends()[0][1]
        await Signer(backend, checkpoint_directory(where)).make()
        return backend.keys.audit_public_key.hex()

    with beside() as true, lying(true.url) as liar:
        assert true.served is not None
        monkeypatch.setenv("HOLDFAST_TOKEN", token_of(true.served))
        key = true.run(prepare(true.sessions))
        yield Far(place, true, liar, key, where)


def administer(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show the token of an administrator of all workspaces."""
    assert far.true.served is not None
    token = far.true.served.admin["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("HOLDFAST_TOKEN", token)


def test_a_server_s_log_is_verified_here(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """One session by its operator, all of them by an administrator, also what was wiped."""
    for honest in (True, False):
        ran = far.verify("one", honest=honest)
        assert (0, True) == (ran.code, "1 sessions, 3 events, 1 checkpoints" in ran.out), ran
    report = far.verify("one", "--json").json()
    assert isinstance(report, dict) and report["ok"] and "word of" in report["limits"]
    assert 5 == far.verify().code
    assert 3 == far.verify("none").code
    administer(far, monkeypatch)
    assert "2 sessions" in far.verify().out

    async def wipe() -> int:
        stream = (await far.true.sessions.get_session("two")).where.stream
        await far.true.sessions.terminate_session("two")
        return stream

    stream = far.true.run(wipe())
    ran = far.verify()
    assert (0, True) == (ran.code, "2 sessions" in ran.out)
    assert 0 == far.verify(f"stream-{stream:016x}").code
    assert 3 == far.verify("two").code
    assert far.true.served is not None
    monkeypatch.setenv("HOLDFAST_TOKEN", token_of(far.true.served))
    assert 3 == far.verify(f"stream-{stream:016x}").code


def test_the_key_is_not_the_server_s_to_say(far: Far) -> None:
    """Without one nothing is asked; by another one nothing verifies."""
    ran = far.place.cli("audit", "verify", "one", "--server", far.liar.url)
    assert (2, True, []) == (ran.code, "--key" in ran.err, far.liar.heard)
    assert 2 == far.place.cli("audit", "verify", "--key", "ab", "--server", far.liar.url).code
    other = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
    words = ("audit", "verify", "one", "--server", far.true.url, "--key", other)
    ran = far.place.cli(*words)
    assert (7, True) == (ran.code, "not that of this key" in ran.out)


def test_a_server_that_alters_its_log_is_found_out(far: Far) -> None:
    """A byte, an event, the end; and an end that somebody else signed."""
    assert 0 == far.verify("one").code
    size = len(far.liar.heard[-1])

    def flipped(at: int) -> Callable[[bytes], bytes]:
        return lambda body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    def without(place: int) -> Callable[[bytes], bytes]:
        def lie(body: bytes) -> bytes:
            lines = body.splitlines(keepends=True)
            return b"".join([*lines[:place], *lines[place + 1 :]])

        return lie

    lies = [flipped(at) for at in range(0, size, size // 6)]
    lies += [without(place) for place in (0, 2, 4)]
    lies += [lambda body: body[:-100], lambda body: b"", lambda body: body + body]
    for lie in lies:
        far.liar.lie = lie
        ran = far.verify("one")
        assert (7, True) == (ran.code, "NOT as it was exported" in ran.out), ran


def test_a_server_that_answers_something_else_is_found_out(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another session, all sessions, another request's answer, an older one, another page."""
    assert 0 == far.verify("one").code
    older = far.liar.heard[-1]
    rest = older.split(b"\n", 1)[1]
    administer(far, monkeypatch)
    for path in ("session_id=two", "session_id="):
        far.liar.ask = lambda asked, path=path: asked.replace("session_id=one", path)
        assert 7 == far.verify("one").code
    far.liar.ask = lambda asked: re.sub("nonce=[0-9a-f]{64}", f"nonce={'0' * 64}", asked)
    assert 7 == far.verify("one").code
    far.liar.ask = str

    def aged(body: bytes) -> bytes:
        """The older log under this question's first line."""
        return body.split(b"\n", 1)[0] + b"\n" + rest

    for lie in (lambda body: older, aged):
        far.liar.lie = lie
        ran = far.verify("one")
        assert (7, True) == (ran.code, "FINDING" in ran.out)
    far.liar.lie, far.liar.kind = bytes, "application/json"
    ran = far.verify("one")
    assert (True, True) == (ran.code not in (0, 7), "bad_answer" in ran.err), ran


def test_a_store_that_was_set_back_is_found_by_the_checkpoint(far: Far) -> None:
    """The server is honest about a log that is older than what was signed before."""

    async def set_back() -> None:
        """As if a backup from before the last event had been put in place."""
        session = await far.true.sessions.get_session("one")
        await session.add_message("what is lost")
        backend = far.true.sessions.distinct_backends()[0][1]
        await Signer(backend, checkpoint_directory(far.checkpoints)).make()
        read = backend.store.read

        async def older(stream: int, after: int, limit: int) -> list[SealedEvent]:
            found = await read(stream, after, limit)
            return [one for one in found if one.version < 4]

        backend.store.read = older  # type: ignore[method-assign]  # the backup

    assert 0 == far.verify("one").code
    far.true.run(set_back())
    ran = far.verify("one")
    assert (7, True) == (ran.code, "checkpoint 2 names it, and it is gone" in ran.out)
    words = ("audit", "verify", "one", "--server", far.true.url, "--key", far.key)
    alone = far.place.cli(*words)
    assert (0, True) == (alone.code, "No checkpoint was given" in alone.err)
