"""What a write transaction of the SQLite store does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
from store_help import StillClock, opened

from holdfast.ports.store import Take
from holdfast.testing.store_kit import append, create, done_with


def test_commands_are_kept_for_seven_days(tmp_path: Path) -> None:
    """Then the id may be used again, and the row is swept away."""
    week = 7 * 24 * 3600 * 1000
    clock = StillClock()

    async def run() -> None:
        async with opened(tmp_path / "store.db", clock=clock) as store:
            await create(store, 1, done=done_with(b"c"))
            clock.ms += week
            assert (1, b"d") == await store.command(1, b"c")
            clock.ms += 1
            assert await store.command(1, b"c") is None
            await store.append(append(1, 1, done=done_with(b"new", b"e")))
            rows = store._parts.connection.execute("SELECT id FROM command").fetchall()
            assert [(b"new",)] == rows
            await store.append(append(1, 2, done=done_with(b"c", b"another")))
            assert (3, b"another") == await store.command(1, b"c")

    asyncio.run(run())


def test_a_transaction_writes_each_counter_once(tmp_path: Path) -> None:
    """Takes of a whole batch are added up and written last, in id order."""

    async def run() -> list[str]:
        async with opened(tmp_path / "store.db") as store:
            for id in ("b", "a"):
                await store.set_counter(id, 1000)
            await asyncio.gather(*(create(store, stream) for stream in range(1, 21)))
            seen: list[str] = []

            def note(_: apsw.Cursor, sql: str, bindings: apsw.Bindings | None) -> bool:
                if "INTO counter" in sql and bindings is not None:
                    seen.append(str(next(iter(bindings))))
                elif sql.startswith("INSERT INTO event") and bindings is not None:
                    rows = sum(one is not None for one in list(bindings)[::9])
                    seen.extend(["event"] * rows)
                return True

            store._parts.connection.exec_trace = note
            takes = (Take(counter="b", amount=1), Take(counter="a", amount=2))
            await asyncio.gather(
                *(store.append(append(stream, 1, takes=takes)) for stream in range(1, 21))
            )
            store._parts.connection.exec_trace = None
            counter = await store.counter("a")
            assert counter is not None and 40 == counter.held
            return seen

    seen = asyncio.run(run())
    assert 20 == seen.count("event")
    # The loop may hand its appends over in a few batches; each ends with its counters.
    text = " ".join(seen)
    assert "" == text.replace("event", "").replace("a b", "").strip()
    assert 1 <= seen.count("a") == seen.count("b") <= 5
