"""The names people know from elsewhere do what they say."""

from __future__ import annotations

import asyncio

from holdfast.core.events import CostRecord
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, memory, one_session, run


def test_builders_change_one_thing() -> None:
    """A configuration is a value; its builders return another."""
    model = ModelSettings(provider="openai", model="m")
    config = SessionConfig(name="n").with_workspace("w").with_model(model)
    assert ("n", "w", model) == (config.name, config.workspace, config.model)


def test_error_and_completed_are_states_with_a_way_back() -> None:
    """The reason of an error is on record."""

    async def scene() -> list[tuple[str, str]]:
        seen = []
        async with one_session(echo()) as session:
            await session.set_error("lost its way")
            info = await session.info()
            seen.append((info.state, info.state_reason))
            await session.reopen()
            await session.set_completed()
            seen.append(((await session.info()).state, ""))
        return seen

    assert [("Error", "lost its way"), ("Completed", "")] == run(scene())


def test_costs_add_up_to_the_totals() -> None:
    """One record a call; the summary, the records and the total agree."""

    async def scene() -> tuple[int, list[CostRecord], int]:
        async with one_session(echo()) as session:
            await session.generate("one")
            await session.generate("two")
            summary = await session.cost_summary()
            assert await session.total_cost() == summary.total.usage.cost_micros
            return summary.total.calls, await session.cost_records(), len(summary.by_model)

    calls, records, models = run(scene())
    assert (2, 2, 1) == (calls, len(records), models)


def test_what_a_session_waits_for_is_said() -> None:
    """A paused one says so; one at rest waits for nothing."""

    async def scene() -> tuple[list[str], list[str]]:
        async with one_session(echo()) as session:
            rest = await session.waiting_for()
            await session.pause()
            return rest, await session.waiting_for()

    assert ([], ["it is paused"]) == run(scene())


def test_a_subscriber_sees_the_programs_own_events_under_their_prefix() -> None:
    """`event_tx` only listens; `emit` cannot pretend to be the session."""

    async def scene() -> tuple[str, dict[str, object], bool]:
        async with one_session(ScriptedModel([say("x")])) as session:
            events = session.event_tx()
            coming = asyncio.ensure_future(anext(events))
            while not session._core.hub(session.where.stream).watched:
                await asyncio.sleep(0)
            session.emit("agent_end", {"n": 1})
            event = await coming
            await events.aclose()
            return event.type, dict(event.data), event.live

    assert ("host.agent_end", {"n": 1}, True) == run(scene())


def test_touching_is_activity() -> None:
    """It is on record and changes nothing else."""

    async def scene() -> int:
        async with one_session(echo()) as session:
            before = await session.view()
            await session.touch()
            after = await session.view()
            assert (before.settings, before.details) == (after.settings, after.details)
            return after.version - before.version

    assert 1 == run(scene())


def test_a_principal_can_be_forgotten() -> None:
    """Its name is gone; what it does later has another pseudonym."""

    async def scene() -> tuple[bool, bool, bool]:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            backend = sessions.distinct_backends()[0][1]
            before = await backend.actor("default", "local")
            forgotten = await sessions.forget_principal("local")
            gone = await backend.store.principal_of(before) is None
            return forgotten, gone, before != await backend.actor("default", "local")

    assert (True, True, True) == run(scene())
