"""Public events: a closed list, everything JSON, versions as resume points."""

from __future__ import annotations

import asyncio
import json

from holdfast.runtime.stream import EVENT_TYPES
from holdfast.testing.script import call, fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, run, tool


def test_every_event_is_of_the_list_and_json() -> None:
    """A life with most things in it: all types are listed, all data is JSON."""

    async def work() -> None:
        def act() -> str:
            raise RuntimeError("x")

        model = ScriptedModel(
            [call("act"), call("nosuch"), say("a"), fail("no"), hang("b"), say("c")]
        )
        async with memory(model, tool(act)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.set_title("t")
            await session.generate("q")
            await asyncio.gather(session.generate("q"), return_exceptions=True)
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await session.pause("p")
            await session.resume()
            await session.clear()
            head = await session.version()
            seen = []
            async for event in session.subscribe_events(0):
                assert event.type in EVENT_TYPES
                flat = event.to_json()
                assert flat == json.loads(json.dumps(flat, allow_nan=False))
                assert {"type", "session", "version", "time_ms", "run"} <= set(flat)
                assert "one" == event.session
                seen.append(event.type)
                if event.version == head:
                    break
            wanted = {
                "session_created",
                "session_configured",
                "session_state",
                "agent_start",
                "turn_start",
                "turn_end",
                "tool_start",
                "tool_end",
                "permission_denied",
                "cancel_requested",
                "context_set",
                "agent_end",
                "error",
            }
            assert set() == wanted - set(seen)
            assert seen.count("agent_start") == seen.count("agent_end") == 3

    run(work())


def test_a_run_that_fails_says_why() -> None:
    """`error` comes right before the `agent_end` of a failed run."""

    async def work() -> None:
        async with memory(ScriptedModel([fail("overloaded")])) as sessions:
            session = await sessions.create_session("one")
            events = [e async for e in session.stream("q")]
            assert ["error", "agent_end"] == [e.type for e in events[-2:]]
            assert "overloaded" in str(events[-2].data["message"])
            assert "failed" == events[-1].data["outcome"]

    run(work())


def test_usage_of_a_run_is_in_its_end() -> None:
    """`agent_end` carries the run's own usage, not the session's."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            for _ in range(2):
                events = [e async for e in session.stream("q")]
                usage = events[-1].data["usage"]
                assert 15 == usage["total_tokens"]

    run(work())
