"""A store that another process altered: what `audit verify` and checkpoints find of it.

Nine ways, each a hundred times at other places, on the store's file itself. Who alters
it may write everything in it, and hashes anew; he has neither the keys nor the checkpoints.
A store that is set back to what it was is found by the checkpoint alone; the rest
without it as well, as long as nobody restores the index beside a cut log.
Exports are altered in the same ways by `tests/runtime/test_audit_file.py`.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
from common import pick, report, scratch

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.runtime.audit import verify_store
from holdfast.runtime.checkpoint_service import Checkpoints
from holdfast.runtime.checkpointing import compare_checkpoints
from holdfast.runtime.envelope import GENESIS, Header, chain_hash

ROUNDS = pick(100, 3)
WAYS = ("modify", "delete", "insert", "swap", "reorder", "truncate", "rewrite", "newest", "older")
SEED = 20_250_101
READ = "SELECT version, kind, time, actor, key, epoch, body, hash FROM event WHERE stream = ?"
WRITE = (
    "INSERT INTO event(stream, version, kind, time, actor, key, epoch, body, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
MOVED = tuple(
    f"UPDATE stream SET newest = {to} WHERE stream = ?"  # noqa: S608 - made of these words only
    for to in ("0", "newest - 1", "newest + 1", "1", "newest + 1000")
)
"""Where a row can say that its session's newest event stands."""


# --- the other process ------------------------------------------------------------


def alter(path: str, way: str, seed: int) -> None:
    """Alter a store at places that the seed picks."""
    chosen = random.Random(seed)  # noqa: S311 - places to alter, drawn again by the same seed
    if way == "older":
        shutil.copy(Path(path).parents[2] / "older.db", path)
        return
    db = apsw.Connection(path)
    streams = [row[0] for row in db.execute("SELECT stream FROM stream ORDER BY stream")]
    stream = chosen.choice(streams)
    if way == "newest":
        db.execute(chosen.choice(MOVED), (stream,))
        db.close()
        return
    rows = db.execute(f"{READ} ORDER BY version", (stream,)).fetchall()
    at = chosen.randrange(1, len(rows) - 1)
    other = chosen.choice([one for one in range(1, len(rows) - 1) if one != at])
    if way == "modify":
        rows[at] = (*rows[at][:6], _flipped(rows[at][6], chosen), rows[at][7])
    elif way == "delete":
        del rows[at]
    elif way == "insert":
        rows[at:at] = [(rows[at][0], *rows[other][1:])]
        rows[at + 1 :] = [(row[0] + 1, *row[1:]) for row in rows[at + 1 :]]
    elif way == "swap":
        one, two = rows[at], rows[other]
        rows[at], rows[other] = (one[0], *two[1:]), (two[0], *one[1:])
    elif way == "reorder":
        middle = rows[1:]
        while middle == rows[1:]:
            chosen.shuffle(middle)
        rows[1:] = [(old[0], *new[1:]) for old, new in zip(rows[1:], middle, strict=True)]
    elif way == "truncate":
        del rows[at + 1 :]
    else:
        rows[at] = (*rows[at][:6], _flipped(rows[at][6], chosen), rows[at][7])
        rows = _rehashed(stream, rows)
    _put(db, stream, rows)
    db.close()


def _flipped(body: bytes, chosen: random.Random) -> bytes:
    at = chosen.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << chosen.randrange(8))]) + body[at + 1 :]


def _rehashed(stream: int, rows: list[tuple]) -> list[tuple]:
    last, found = GENESIS, []
    for version, kind, time_ms, actor, key, epoch, body, _ in rows:
        header = Header(
            stream=stream,
            version=version,
            kind=kind,
            time_ms=time_ms,
            actor=actor,
            key_id=key,
            epoch=epoch,
        )
        last = chain_hash(last, header, body)
        found.append((version, kind, time_ms, actor, key, epoch, body, last))
    return found


def _put(db: apsw.Connection, stream: int, rows: list[tuple]) -> None:
    """Write a session's events anew and have its row fit them."""
    with db:
        db.execute("DELETE FROM event WHERE stream = ?", (stream,))
        db.executemany(WRITE, [(stream, *row) for row in rows])
        db.execute(
            "UPDATE stream SET version = ?, head = ?, newest = (SELECT max(id) FROM event"
            " WHERE stream = ?) WHERE stream = ?",
            (rows[-1][0], rows[-1][7], stream, stream),
        )
        db.execute("DELETE FROM snapshot WHERE stream = ?", (stream,))


# --- the installation ---------------------------------------------------------------


def opened(home: Path, store: Path, sink: CheckpointDirectory) -> SessionManager:
    """A manager of the installation."""
    key = home / "key" / "installation.key"
    plan = Checkpoints(to=sink)
    return SessionManager.open(
        store, installation_key=key, policy=home / "none.toml", checkpoints=plan
    )


async def found(home: Path, store: Path, sink: CheckpointDirectory) -> tuple[bool, bool]:
    """Whether the audit finds something, alone and with the checkpoints."""
    async with opened(home, store, sink) as sessions:
        backend = sessions.distinct_backends()[0][1]
        try:
            alone = not (await verify_store(sessions)).ok
        except HoldfastError:
            alone = True
        return alone, alone or bool(await compare_checkpoints(backend, sink))


async def made(home: Path) -> CheckpointDirectory:
    """Make the store that copies are made of, and the checkpoint over it."""
    (home / "none.toml").touch(mode=0o600)
    (home / "key").mkdir(mode=0o700)
    sink = CheckpointDirectory(home / "out")
    async with opened(home, home / "whole" / "s.db", sink) as sessions:
        for name in ("one", "two", "three"):
            session = await sessions.create_session(name)
            for number in range(8):
                await session.add_message(f"message {number} of {name}")
    await asyncio.to_thread(shutil.copy, home / "whole" / "s.db", home / "older.db")
    async with opened(home, home / "whole" / "s.db", sink) as sessions:
        await (await sessions.get_session("two")).add_message("and one more")
        await sessions.checkpoint()
    if (await found(home, home / "whole" / "s.db", sink)) != (False, False):
        raise RuntimeError("something is found in a store that nobody altered")
    return sink


async def one_round(
    home: Path, sink: CheckpointDirectory, seed: int
) -> dict[str, tuple[bool, bool]]:
    """By way: whether an alteration is found, without and with the checkpoint."""
    copies = home / "copies"
    for way in WAYS:
        shutil.copytree(home / "whole", copies / way)
    words = [sys.executable, __file__, str(copies), str(seed)]
    await asyncio.to_thread(subprocess.run, words, check=True, timeout=300)
    seen = {way: await found(home, copies / way / "s.db", sink) for way in WAYS}
    shutil.rmtree(copies)
    return seen


async def main() -> int:
    """Alter and look."""
    with scratch() as home:
        sink = await made(home)
        rounds = [await one_round(home, sink, SEED + turn) for turn in range(ROUNDS)]
        for way in WAYS:
            alone, both = (sum(seen[way][at] for seen in rounds) for at in (0, 1))
            against = f"{ROUNDS} times, by another process; {alone} without the checkpoint"
            report(f"audit.tamper_{way}", 100 * both / ROUNDS, "%", at_least=100, against=against)
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        for name in WAYS:
            alter(str(Path(sys.argv[1]) / name / "s.db"), name, int(sys.argv[2]))
        sys.exit(0)
    sys.exit(asyncio.run(main()))
