"""What became surplus before it began: it is not done, and nothing of it stays open."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.events import EffectEnded, EffectStarted, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.messages import ToolResult, ToolUse
from holdfast.core.tools import Nature
from holdfast.ports.clock import SystemClock
from holdfast.ports.tool import ToolContext
from holdfast.runtime.normalise import prepare
from holdfast.runtime.perform import ToolCall, call_tool
from sessionhelp import UNSAFE, echo, memory, registry, run, tool, until
from simhelp import log_of


async def _spill(data: bytes) -> str:
    return ""


async def _read_spill(handle: str) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("attempt", "said"),
    [(1, "[cancelled before it started]"), (2, "it may have had effects]")],
)
def test_a_call_looks_once_more_before_it_acts(attempt: int, said: str) -> None:
    """It does nothing then, and its result says so, as far as that is known."""
    ran: list[str] = []

    def fire() -> str:
        ran.append("fire")
        return "done"

    prepared = prepare(ToolUse("c1", "fire", "{}"), registry(tool(fire)), "", log_of().crypto)
    context = ToolContext(
        session_id="s1",
        workspace=None,
        effect_id="eff-1",
        epoch=1,
        attempt=attempt,
        timeout_s=5.0,
        emit=lambda piece: None,
        spill=_spill,
        read_spill=_read_spill,
        unsandboxed_allowed=False,
    )

    async def work(*, allowed: bool) -> tuple[Outcome, str]:
        call = ToolCall(
            ref=EffectRef(4, 1),
            prepared=prepared,
            context=context,
            publish=lambda kind, data: None,
            clock=SystemClock(),
            may_start=lambda: allowed,
        )
        ended = await call_tool(call)
        assert ended.message is not None
        part = ended.message.parts[0]
        assert isinstance(part, ToolResult)
        return ended.outcome, part.content

    outcome, content = run(work(allowed=False))
    assert (Outcome.CANCELLED, []) == (outcome, ran)
    assert content.endswith(said)
    assert (Outcome.DONE, "done") == run(work(allowed=True))
    assert ["fire"] == ran


def test_a_call_of_a_program_that_was_cancelled_at_once_ends() -> None:
    """Its intent may be on its way already; it does not stay open and does not run."""
    ran: list[str] = []

    def look() -> str:
        ran.append("look")
        return "seen"

    async def work() -> None:
        async with memory(echo(), tool(look, nature=Nature.READ_ONLY)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.view()
            engine = sessions.live(session.where.stream)
            assert engine is not None
            task = asyncio.create_task(sessions.tool_executor().execute("one", "look", {}))
            while not engine._mail:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            await until(lambda: engine.idle and engine.view.version >= 3)
            assert () == engine.view.host_open
            events = [
                r.event async for r in session.where.backend.journal(session.where.row).replay()
            ]
            assert [EffectStarted, EffectEnded] == [type(event) for event in events[1:]]
            assert [] == ran

    run(work())
