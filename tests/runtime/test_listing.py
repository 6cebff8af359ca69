"""Listing sessions by title words, tags, user, workspace and state, a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from holdfast.core.errors import InvalidInput, StoreNotRegistered, Unavailable
from holdfast.core.lifecycle import SessionState
from holdfast.ports.keys import DataKey
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.listing import resolve_workspace
from sessionhelp import echo, memory, on_file, run


def ids(page: object) -> set[str]:
    """The ids on a page."""
    return {one.id for one in page.sessions}


def test_filters(tmp_path: Path) -> None:
    """Each filter finds exactly what it names, without regard to case; filters add up."""

    async def work() -> None:
        place = tmp_path / "place"
        place.mkdir()
        async with on_file(tmp_path, echo()) as sessions:
            a = await sessions.create_session("a", user_id="ann")
            await a.set_title("Fix the Tests of Straße")
            await a.set_tags(["Red", "blue"])
            b = await sessions.create_session(
                "b", SessionConfig(workspace=str(place), name="tests")
            )
            await b.set_tags(["red"])
            c = await sessions.create_session("c", user_id="ann")
            await c.pause()
            find = sessions.list_sessions
            assert {"a", "b", "c"} == ids(await find())
            assert {"a", "b"} == ids(await find(title="TESTS"))
            assert {"a"} == ids(await find(title="tests strasse"))
            assert set() == ids(await find(title="test"))
            assert {"a", "b"} == ids(await find(tags=["RED"]))
            assert {"a"} == ids(await find(tags=["red", "Blue"]))
            assert {"a", "c"} == ids(await find(user_id="ann"))
            assert {"b"} == ids(await find(workspace=str(place)))
            assert {"c"} == ids(await find(states=[SessionState.PAUSED]))
            assert {"c"} == ids(await find(states=["paused"]))
            assert {"a", "b"} == ids(await find(states=["Active"]))
            assert set() == ids(await find(user_id="ann", tags=["blue"], states=["paused"]))
            await a.set_title("Other")
            assert {"b"} == ids(await find(title="tests"))

    run(work())


def test_a_listed_row_says_what_the_session_says() -> None:
    """A row has the same facts as the session's info."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("a", user_id="u", channel_id="c", chat_id="x")
            await session.set_title("T")
            await session.set_tags(["t"])
            await session.generate("q")
            row, info = (await sessions.list_sessions()).sessions[0], await session.info()
            for field in [
                "id",
                "state",
                "title",
                "tags",
                "user_id",
                "channel_id",
                "chat_id",
                "message_count",
                "turn_count",
                "tool_call_count",
                "created_at",
                "updated_at",
                "last_activity",
                "sensitivity_level",
            ]:
                assert getattr(info, field) == getattr(row, field), field
            assert "" == row.damaged

    run(work())


def test_paging_gives_every_session_once() -> None:
    """Pages of any size add up to all sessions, newest change first."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            for i in range(25):
                await sessions.create_session(f"s{i}")
            for size in (1, 7, 25, 100):
                found: list[str] = []
                cursor = ""
                while True:
                    page = await sessions.list_sessions(limit=size, cursor=cursor)
                    assert len(page.sessions) <= size
                    found += [one.id for one in page.sessions]
                    cursor = page.cursor
                    if not cursor:
                        break
                assert sorted(f"s{i}" for i in range(25)) == sorted(found)

    run(work())


def test_a_session_that_cannot_be_opened_is_listed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its row says why; the others are shown whole, even when no key can be read at once."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            for name in ("good", "lost"):
                await (await sessions.create_session(name)).set_title("T")
            lost = await sessions.get_session("lost")
            keys = lost.where.backend.keys
            keys.destroy_session(lost.where.stream, now_ms=1)

            def fails(streams: Iterable[int]) -> dict[int, DataKey]:
                raise Unavailable("the key store is out of order")

            expected = {"good": ("T", ""), "lost": ("", "key_destroyed")}
            for _ in range(2):
                page = await sessions.list_sessions()
                assert expected == {row.id: (row.title, row.damaged) for row in page.sessions}
                monkeypatch.setattr(keys, "session_keys", fails)

    run(work())


def test_wrong_filters_are_invalid_input() -> None:
    """Limits, cursors, states and types that are wrong are refused."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            wrong: list[dict[str, object]] = [
                {"limit": 0},
                {"limit": 1001},
                {"limit": "5"},
                {"cursor": "nonsense"},
                {"cursor": 5},
                {"states": ["nonsense"]},
                {"tags": [5]},
                {"tags": "red"},
                {"title": 5},
                {"user_id": 5},
                {"workspace": "/does/not/exist"},
                {"workspace": "a\0b"},
                {"storage_type": "tape"},
            ]
            for arguments in wrong:
                with pytest.raises((InvalidInput, StoreNotRegistered)):
                    await sessions.list_sessions(**arguments)
                    pytest.fail(f"{arguments} was accepted")

    run(work())


def test_a_workspace_is_resolved_to_its_real_path(tmp_path: Path) -> None:
    """Links and dots are resolved; "" stays ""."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert str(tmp_path / "real") == resolve_workspace(str(tmp_path / "link" / "." / ""))
    assert "" == resolve_workspace("")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput):
        resolve_workspace(str(tmp_path / "file"))


@pytest.mark.slow
def test_thousands_of_sessions_are_listed_by_pages(tmp_path: Path) -> None:
    """3,000 sessions in a file: every page comes quickly and each session once.

    `make bench` times the pages of 10,000.
    """

    async def work() -> None:
        async with on_file(tmp_path, None, idle_s=0.2) as sessions:
            for start in range(0, 3_000, 200):
                await asyncio.gather(
                    *(sessions.create_session(f"s{i}") for i in range(start, start + 200))
                )
            loop = asyncio.get_running_loop()
            found: set[str] = set()
            cursor, worst = "", 0.0
            while True:
                started = loop.time()
                page = await sessions.list_sessions(limit=100, cursor=cursor)
                worst = max(worst, loop.time() - started)
                found |= ids(page)
                cursor = page.cursor
                if not cursor:
                    break
            print(f"worst page of 100 among 3,000: {worst * 1000:.0f} ms")
            assert 3_000 == len(found)
            assert worst < 1.0

    async def limited() -> None:
        async with asyncio.timeout(240):
            await work()

    asyncio.run(limited())
