"""Where a session is kept: one value that finds it again."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from holdfast.runtime.located import Located, find_located, stands_below
from sessionhelp import UNSAFE, echo, memory, run


def test_a_place_leads_to_its_session_and_no_other() -> None:
    """Its stream is the row's, and the store finds the session there under its name."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            one, two = [(await sessions.create_session(name)).where for name in ("one", "two")]
            assert one.stream != two.stream
            for name, where in (("one", one), ("two", two)):
                assert where.row.stream == where.stream
                at = await where.backend.store.stream_row(where.stream)
                assert at is not None and name == at.name

    run(work())


def test_a_place_is_a_value() -> None:
    """Found twice it is equal; it cannot be pointed elsewhere, since engines rely on it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            first, again = await sessions.locate("one"), await sessions.locate("one")
            assert first == again == Located(first.backend, first.row)
            with pytest.raises(FrozenInstanceError):
                first.row = again.row  # type: ignore[misc]  # that it is refused is the fact

    run(work())


def test_a_session_is_found_in_its_tenant_alone() -> None:
    """Who looks in another workspace finds nothing."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            where = (await sessions.create_session("one")).where
            backends = [backend for _, backend in sessions.distinct_backends()]
            found = await find_located(backends, sessions.tenant, "one")
            assert found is not None and where.stream == found.stream
            assert await find_located(backends, "other", "one") is None
            assert await find_located(backends, sessions.tenant, "two") is None

    run(work())


def test_children_stand_below_and_forks_do_not() -> None:
    """At any depth, and nobody stands below what is beside."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one", UNSAFE)
            await sessions.create_child_session("one", "child")
            await sessions.create_child_session("child", "grandchild")
            await sessions.fork_session("one", "forked")
            home = await sessions.locate("one")
            below = {
                name
                for name in ("one", "child", "grandchild", "forked")
                if await stands_below(await sessions.locate(name), home)
            }
            assert {"one", "child", "grandchild"} == below
            assert not await stands_below(home, await sessions.locate("child"))

    run(work())
