"""What is stored of the agent's configuration: sealed, one writer at a time, on record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.bootstrap import MemoryStore, SessionManager
from holdfast.core.agentconfig import AgentChange, AgentRecord, CallSettings, changed
from holdfast.core.errors import CommandMismatch, InvalidInput, Unreadable, VersionMismatch
from holdfast.core.events import Configured
from holdfast.core.labels import Sensitivity
from holdfast.core.settings import ModelSettings
from holdfast.ports.store import Filter, Grant
from holdfast.runtime.agentbook import (
    BORN,
    SNAPSHOT_EVENTS,
    AgentBook,
    ConfigOutcome,
    Kept,
    Wish,
    config_scope,
    log_name,
    log_tenant,
    outcome_of,
)
from holdfast.runtime.host import Commands
from sessionhelp import echo, memory, on_file, run

SECRET = "sk-" + "canary-book-0123456789"
ROW = config_scope("default")


def book_of(sessions: SessionManager) -> AgentBook:
    """The book of a manager's first store."""
    return AgentBook(sessions.distinct_backends()[0][1])


def wish(
    model: str = "m", *, expected: int | None = None, commands: Commands | None = None
) -> Wish:
    """A change to a model of that name."""
    change = AgentChange(model=ModelSettings(provider="openai", model=model), api_key=SECRET)

    def make(kept: Kept, version: int) -> AgentRecord:
        return changed(kept.record, change, version=version, now_ms=1, by="ann")

    return Wish(make=make, principal="ann", expected=expected, commands=commands)


async def name(book: AgentBook) -> str:
    """The model that is stored."""
    record = (await book.read("default")).record
    assert record is not None and record.model is not None
    return record.model.model


def test_it_is_kept_and_its_revision_rises(tmp_path: Path) -> None:
    """Each tenant has its own; a store that is opened again has them still."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            book = book_of(sessions)
            assert Kept() == await book.read("default")
            assert 1 == (await book.write("default", wish("a"))).kept.revision
            assert 2 == (await book.write("default", wish("b"))).kept.revision
            assert Kept() == await book.read("other")
            await book.write("other", wish("c"))
        async with on_file(tmp_path, echo()) as sessions:
            book = book_of(sessions)
            kept = await book.read("default")
            assert kept.record is not None
            assert (2, SECRET, "b") == (kept.revision, kept.record.secret, await name(book))
            assert 2 == await book.revision("default")
            assert (await sessions.audit_verify()).ok

    run(work())


def test_its_log_tells_of_each_change_and_never_of_the_key() -> None:
    """It is encrypted and chained as every log; nobody finds it as a session."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            for model in ("a", "b"):
                await book.write("default", wish(model))
            backend = book.backend
            row = await backend.store.find(log_tenant("default"), log_name("default"))
            assert row is not None
            told = [one.event async for one in backend.journal(row).replay()]
            assert [Configured, Configured] == [type(one) for one in told[2:]]
            models = [
                one.settings.model for one in told if isinstance(one, Configured) and one.settings
            ]
            assert ["a", "b"] == [one and one.model for one in models]
            assert SECRET not in repr(told) and '"key":"stored"' in repr(told)
            assert [] == await sessions.get_all_sessions()
            assert 0 == await backend.store.count_streams(Filter())

    run(work())  # fmt: skip


def test_of_those_who_expect_a_version_one_comes_first(tmp_path: Path) -> None:
    """Two openings of one file, ten writers each: no version has two changes."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as one, on_file(tmp_path, echo()) as two:
            books = [book_of(one), book_of(two)]
            for expected in range(3):
                tried = await asyncio.gather(
                    *(
                        books[number % 2].write("default", wish(f"m{number}", expected=expected))
                        for number in range(20)
                    ),
                    return_exceptions=True,
                )
                done = [found for found in tried if isinstance(found, ConfigOutcome)]
                late = [found for found in tried if isinstance(found, VersionMismatch)]
                assert (1, 19) == (len(done), len(late)), tried
                assert expected + 1 == await books[1].revision("default")
            free = await asyncio.gather(
                *(books[number % 2].write("default", wish(f"f{number}")) for number in range(10))
            )
            assert list(range(4, 14)) == sorted(found.kept.revision for found in free)
            assert (await one.audit_verify()).ok

    run(work())


def test_a_request_that_is_repeated_changes_nothing() -> None:
    """Not even with the version it was made for; with another body it is refused."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book, seed = book_of(sessions), bytes(32)
            first = wish("a", expected=0, commands=Commands(seed, b"body"))
            for repeated in (False, True):
                outcome = await book.write("default", first)
                assert (1, repeated) == (outcome.kept.revision, outcome.repeated)
            with pytest.raises(CommandMismatch):
                await book.write("default", wish("b", commands=Commands(seed, b"other")))
            assert "a" == await name(book)

    run(work())


@pytest.mark.parametrize("key", [SECRET, None, "env:PATH"])
def test_a_request_that_is_repeated_has_its_first_outcome(key: str | None) -> None:
    """Whatever came after, as the log tells it, which has no key; also of earlier releases."""
    settings = ModelSettings(provider="openai", model="a", input_usd="1", sees=Sensitivity.NORMAL)
    stored = key if key == SECRET else None
    change = AgentChange(
        model=replace(settings, key=key if stored is None else None),
        calls=CallSettings(total_s=30),
        api_key=stored,
    )

    def make(kept: Kept, version: int) -> AgentRecord:
        return changed(kept.record, change, version=version, now_ms=7_000, by="ann")

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            await book.write("default", wish("before"))
            asked = Wish(make=make, principal="ann", commands=Commands(bytes(32), b"body"))
            first = await book.write("default", asked)
            for model in ("b", "c"):
                await book.write("default", wish(model))
            again = await book.write("default", asked)
            record = first.kept.record
            assert record is not None and record.secret == (stored or "")
            told = replace(first.kept, record=replace(record, secret=""))
            assert ConfigOutcome(kept=told, key=first.key, repeated=True) == again
            assert SECRET not in repr(again)
            assert (4, "c") == (await book.revision("default"), await name(book))
            row = await book.backend.store.find(log_tenant("default"), log_name("default"))
            assert row is not None
            event = await book.backend.journal(row).event_at(BORN + 2)
            assert isinstance(event.event, Configured) and event.event.settings is not None
            said = json.loads(event.event.settings.extra)
            older = {name: said[name] for name in ("key", "key_changed_ms", "calls")}
            old = replace(event.event.settings, extra=json.dumps(older))
            found = outcome_of(old, replace(event, time_ms=7_000), "ann")
            assert again == found

    run(work())


def test_a_request_whose_event_is_gone_is_not_answered() -> None:
    """Nothing stands in for it, and nothing is changed; a snapshot does not hide it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            asked = wish("a", commands=Commands(bytes(32), b"body"))
            await book.write("default", asked)
            for _ in range(SNAPSHOT_EVENTS):
                await book.write("default", wish("b"))
            store = book.backend.store
            assert isinstance(store, MemoryStore)
            row = await store.find(log_tenant("default"), log_name("default"))
            assert row is not None
            events = store.disk.streams[row.stream].events
            kept = events[BORN]
            other = replace(events[BORN + 1], version=kept.version)
            for bad in (replace(kept, body=flipped(kept.body, 9)), other):
                events[BORN] = bad
                with pytest.raises(Unreadable):
                    await book.write("default", asked)
            events[BORN] = kept
            assert 1 == (await book.write("default", asked)).kept.revision
            assert "b" == await name(book)

    run(work())


def test_what_is_refused_leaves_what_was() -> None:
    """Whoever is refused keeps nobody else from writing."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            await book.write("default", wish("a"))

            def refuse(kept: Kept, version: int) -> AgentRecord:
                raise InvalidInput("no")

            with pytest.raises(InvalidInput):
                await book.write("default", Wish(make=refuse, principal="ann"))
            assert (1, "a") == (await book.revision("default"), await name(book))
            with pytest.raises(InvalidInput):  # there is a log then, and nothing in it
                await book.write("fresh", Wish(make=refuse, principal="ann"))
            assert Kept() == await book.read("fresh")
            await book.write("default", wish("b"))

    run(work())


def test_what_was_not_written_is_no_configuration() -> None:
    """Flipped, put back, taken away, moved to another tenant: refused, and never replaced."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            store = book.backend.store
            await book.write("default", wish("a"))
            old = (await store.grants(ROW))[1][0]
            await book.write("default", wish("b"))
            good = (await store.grants(ROW))[1][0]
            bad = [
                Grant(scope=ROW, id=good.id, body=flipped(good.body, at))
                for at in range(0, len(good.body), 7)
            ]
            bad += [
                Grant(scope=ROW, id=old.id, body=old.body),
                Grant(scope=ROW, id=good.id, body=b""),
                Grant(scope=ROW, id=bytes(16), body=good.body),
            ]
            for row in bad:
                await store.drop_grant(ROW, good.id)
                await store.put_grant(row)
                kept = await book.read("default")
                assert kept.record is None and kept.problem, row
                await store.drop_grant(ROW, row.id)
                with pytest.raises(Unreadable):
                    (await book.read("default")).check()
                await store.put_grant(Grant(scope=ROW, id=good.id, body=good.body))
                assert "b" == await name(book)
            await store.put_grant(Grant(scope=config_scope("other"), id=good.id, body=good.body))
            assert (await book.read("other")).problem
            await store.put_grant(bad[0])
            await book.write("default", wish("c"))
            assert "c" == await name(book)

    run(work())


def flipped(body: bytes, at: int) -> bytes:
    """A body with one bit changed."""
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def test_its_log_is_folded_from_a_snapshot_once_it_is_long() -> None:
    """So a change costs the same however many came before."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            book = book_of(sessions)
            for number in range(70):
                await book.write("default", wish(f"m{number}"))
            row = await book.backend.store.find(log_tenant("default"), log_name("default"))
            assert row is not None
            found = await book.backend.store.get_snapshot(row.stream)
            assert found is not None and 64 == found.version
            assert "m69" == await name(book)

    run(work())
