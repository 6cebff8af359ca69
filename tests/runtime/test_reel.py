"""A log read a little at a time is the same log."""

from __future__ import annotations

import pytest

from holdfast.core.errors import KeyDestroyed
from holdfast.runtime.reel import Reel
from holdfast.runtime.stream import StreamEvent
from sessionhelp import echo, one_session, run


def test_however_it_is_cut_it_is_the_same() -> None:
    """From every version on, in steps of every size, nothing is missing or doubled."""

    async def work() -> None:
        async with one_session(echo()) as session:
            for number in range(3):
                await session.generate(f"q{number}")
            head = await session.version()
            whole = await (await Reel.open(session.where, 0)).read(head)
            assert {"session_created", "agent_end"} <= {one.type for one in whole}
            for after in range(head + 1):
                for step in (1, 2, 5, head):
                    reel = await Reel.open(session.where, after)
                    found: list[StreamEvent] = []
                    while reel.version < head:
                        found += await reel.read(head, events_max=step)
                    assert [one for one in whole if one.version > after] == found
                    assert [] == await reel.read(head)

    run(work())


def test_it_stops_where_it_is_told_and_where_the_log_ends() -> None:
    """Nothing behind `until` is read; a log that is shorter ends the reading."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("q")
            head = await session.version()
            reel = await Reel.open(session.where, 0)
            assert {1, 2} == {one.version for one in await reel.read(2)}
            assert 2 == reel.version
            await reel.read(head + 100)
            assert head == reel.version
            assert head == (await Reel.open(session.where, head + 100)).version

    run(work())


def test_a_wiped_session_has_no_reel() -> None:
    """There is no key to read it with."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("q")
            where = session.where
            await session._core.terminate_session("one")
            for after in (0, 2):
                with pytest.raises(KeyDestroyed):
                    await Reel.open(where, after)

    run(work())
