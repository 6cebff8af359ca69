"""Taking over a plan: one append, limits, window, storage."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.store.memory import MemoryStore
from holdfast.core.errors import ImportRefused, InvalidSessionId, StoreFull
from holdfast.core.events import ContextSet, CostRecord, Details, Imported, Totals
from holdfast.core.messages import user
from holdfast.core.quantities import Usage
from holdfast.core.settings import Limits, Settings, StorageType
from holdfast.ports.store import Append
from holdfast.runtime.takeover import Plan, Run, events_of, take_over
from moving_kit import World

COST = CostRecord(model="m", provider="p", usage=Usage(), time_ms=10**18)
PLAN = Plan(session_id="one", source="test", runs=(Run((user("hello"),)),))


def test_a_session_is_made_in_one_append() -> None:
    """Birth, content and state are one append, and the session is not led afterwards."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await manager.ready()
            seen: list[Append] = []
            world.disk.before_commit = seen.append
            plan = replace(PLAN, runs=(Run((user("x" * 300_000),)), Run((user("y"),), shown=False)))
            await take_over(manager, plan)
            assert [5] == [len(append.events) for append in seen]
            row = next(iter(world.disk.streams.values())).row
            assert row.node is None and manager.live(row.stream) is None
            assert ["x" * 300_000] == [m.text for m in await manager.history("one")]

    asyncio.run(main())


def test_nothing_remains_of_a_failed_one() -> None:
    """A full disk leaves no session, and trying again succeeds."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await manager.ready()
            world.disk.full = True
            with pytest.raises(StoreFull):
                await take_over(manager, PLAN)
            assert {} == world.disk.streams
            world.disk.full = False
            assert "one" == (await take_over(manager, PLAN)).id

    asyncio.run(main())


def test_the_window_is_cut_as_the_source_had_it() -> None:
    """Shown and hidden runs become ranges of a window; a summary stands before them."""
    runs = (
        Run((user("a"),), shown=False),
        Run((user("b"), user("c"))),
        Run((user("d"),), shown=False),
        Run((user("e"),)),
    )
    events = events_of(replace(PLAN, runs=runs, summary=user("sum")))
    window = events[4]
    assert isinstance(window, ContextSet)
    assert ((3, 3), (5, 5)) == window.window
    assert (3, "sum") == (window.count, window.summary.text if window.summary else "")
    assert isinstance(events[5], Imported) and () == events[5].messages

    async def main() -> None:
        async with World().manager() as manager:
            await manager.ready()
            await take_over(manager, replace(PLAN, runs=runs, summary=user("sum")))
            said = [message.text for message in await manager.history("one")]
            assert ["sum", "b", "c", "e"] == said

    asyncio.run(main())


@pytest.mark.parametrize(
    "bad",
    [
        replace(PLAN, session_id="a/b"),
        replace(PLAN, settings=Settings(name="x" * 501)),
        replace(PLAN, settings=Settings(extra="[1]")),
        replace(PLAN, settings=Settings(extra="{")),
        replace(PLAN, settings=Settings(limits=Limits(max_rounds=0))),
        replace(PLAN, details=Details(custom="[]")),
        replace(PLAN, prompt="x" * 1_000_001),
        replace(PLAN, created_ms=10**18),
        replace(PLAN, activity_ms=-1),
        replace(PLAN, totals=Totals(turns=2**60)),
        replace(PLAN, user_id="u" * 1001),
        replace(PLAN, records=(COST,)),
        replace(PLAN, records=(replace(COST, time_ms=0, usage=Usage(cost_micros=-1)),)),
    ],
)
def test_a_plan_over_a_limit_is_refused(bad: Plan) -> None:
    """A file is held to a person's limits; nothing is made of one that breaks them."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await manager.ready()
            with pytest.raises(ImportRefused):
                await take_over(manager, bad)
            assert {} == world.disk.streams and not world.keys.living_streams()

    asyncio.run(main())


def test_a_wished_id_must_be_path_safe() -> None:
    """The caller's own bad id is the caller's error."""

    async def main() -> None:
        async with World().manager() as manager:
            await manager.ready()
            with pytest.raises(InvalidSessionId):
                await take_over(manager, PLAN, new_id="../x")

    asyncio.run(main())


def test_a_file_does_not_choose_memory() -> None:
    """A file that says "memory" is kept in the store that lasts."""

    async def main() -> None:
        async with World().manager() as manager:
            await manager.ready()
            manager.register(StorageType.MEMORY, MemoryStore(), MemoryKeys())
            plan = replace(PLAN, settings=Settings(storage_type=StorageType.MEMORY))
            await take_over(manager, plan)
            view = await (await manager.get_session("one")).view()
            assert StorageType.FILE is view.settings.storage_type

    asyncio.run(main())
