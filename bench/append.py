"""Durable append at the store port: encrypted, chained, index row kept.

Also the two limits it is held against: the machine's fdatasync and the rate at
which raw apsw inserts rows of the same bytes in transactions of 128.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import apsw
from common import facts, fdatasync_p50_ms, median, pick, report, scratch
from sessions import Writer, backend

from holdfast.core.events import Admitted
from holdfast.core.messages import estimate_tokens, user

TEXT = "A message as people write them to an agent: a few sentences with a request in it. " * 5
ROUNDS = 3
BATCH = 128
OWN_FILE = ": pydantic-ai"


def sync_limit() -> float:
    """Print what one sync of 4 KB costs here."""
    with scratch() as directory:
        value = median([fdatasync_p50_ms(directory, pick(1000, 200)) for _ in range(ROUNDS)])
    report("machine fdatasync 4 KB append p50", value, "ms")
    return value


def event(command: bytes) -> Admitted:
    """The event that is appended: a message of 400 characters."""
    message = user(TEXT[:400])
    return Admitted(message=message, tokens=estimate_tokens(message), command=command.hex())


def raw_rate(directory: Path, body_bytes: int, rows: int) -> float:
    """Rows per second of raw inserts: 4 columns, unique index, FULL, batches of 128."""
    connection = apsw.Connection(str(directory / "raw.db"))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    connection.execute(
        "CREATE TABLE event(id INTEGER PRIMARY KEY, stream INTEGER, version INTEGER,"
        " body BLOB, hash BLOB); CREATE UNIQUE INDEX by_version ON event(stream, version)"
    )
    body = os.urandom(body_bytes)
    digest = os.urandom(32)
    streams = [int.from_bytes(os.urandom(7)) for _ in range(BATCH)]
    started = time.perf_counter()
    for version in range(rows // BATCH):
        connection.execute("BEGIN IMMEDIATE")
        for stream in streams:
            connection.execute(
                "INSERT INTO event(stream, version, body, hash) VALUES (?, ?, ?, ?)",
                (stream, version, body, digest),
            )
        connection.execute("COMMIT")
    spent = time.perf_counter() - started
    connection.close()
    return rows // BATCH * BATCH / spent


async def port_rate(directory: Path, sessions: int, events: int) -> tuple[float, float]:
    """Events per second and p50 in ms of one append, over so many sessions at once."""
    async with backend(directory) as found:
        writers = [await Writer.create(found, f"s{n}") for n in range(sessions)]
        each = max(1, events // sessions)
        spent: list[float] = []

        async def write(writer: Writer) -> None:
            for _ in range(each):
                one = event(os.urandom(16))
                started = time.perf_counter()
                await writer.append([one])
                spent.append((time.perf_counter() - started) * 1000)

        await writers[0].append([event(os.urandom(16))])
        started = time.perf_counter()
        await asyncio.gather(*(write(writer) for writer in writers))
        total = time.perf_counter() - started
    return each * sessions / total, median(spent)


def body_size() -> int:
    """Bytes of one sealed event of the measurement."""
    from holdfast.runtime.codec import encode_event

    return len(encode_event(event(bytes(16)))[1]) + 28


def main() -> None:
    """Take all figures of appending."""
    limit = sync_limit()
    rows = pick(40_000, 8_000)
    raws, rates, ones = [], [], []
    with scratch() as directory:
        for number in range(ROUNDS):
            # Side by side, so that a busy moment of the machine meets both.
            for name in ("raw", "port", "one"):
                (directory / f"{name}{number}").mkdir()
            raws.append(raw_rate(directory / f"raw{number}", body_size(), rows))
            rates.append(asyncio.run(port_rate(directory / f"port{number}", 128, rows // 2)))
            ones.append(asyncio.run(port_rate(directory / f"one{number}", 1, pick(3000, 500))))
        (directory / "many").mkdir()
        many = asyncio.run(port_rate(directory / "many", 1000, rows // 2))
    raw, rate, one = median(raws), median([r for r, _ in rates]), median([p for _, p in ones])
    report("raw apsw insert, batch 128, same bytes", raw, "rows/s")
    report(
        "append at the port, 128 sessions",
        rate,
        "events/s",
        bar=">= 15000, or >= 50 % of the raw rate",
        ok=rate >= 15_000 or rate >= raw / 2,
        against=f"raw {raw:.0f}/s: {rate / raw:.0%}",
    )
    report("append at the port, 1,000 sessions", many[0], "events/s")
    report("append at the port, one session", median([r for r, _ in ones]), "events/s")
    report("append at the port, one session, p50", one, "ms")
    report(
        "append, one session, p50 over fdatasync",
        one / limit,
        "ratio",
        at_most=3,
        against=f"fdatasync {limit:.3f} ms",
    )
    against_peers(rate)


def against_peers(rate: float) -> None:
    """Print our rate over the peers' of the same run."""
    known = {name: value for name, value in facts().items() if name.startswith("peer append 128")}
    # pydantic-ai has no store; what was measured there is a file the user writes.
    own = {name: value for name, value in known.items() if not name.endswith(OWN_FILE)}
    best = max(own, key=lambda name: own[name], default="")
    report(
        "append, 128 sessions, over the fastest peer's store",
        rate / own[best] if best else None,
        "ratio",
        at_least=10,
        against=f"{best}: {own[best]:.0f}/s" if best else "",
        note="" if best else "no peer's figure in this run",
    )
    files = next((value for name, value in known.items() if name.endswith(OWN_FILE)), None)
    report(
        "append, 128 sessions, over files the user syncs himself",
        rate / files if files else None,
        "ratio",
        against=f"{files:.0f}/s, beside pydantic-ai, which has no store" if files else "",
    )


if __name__ == "__main__":
    main()
