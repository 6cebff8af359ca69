"""The script player: deltas, failures, hangs, delays and what it checks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from holdfast.core.errors import ProviderFailed, ProviderTimeout
from holdfast.core.messages import Message, Role, Text, Thinking, ToolUse, user
from holdfast.core.quantities import Usage
from holdfast.ports.clock import SystemClock
from holdfast.ports.model import (
    ModelClient,
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)
from holdfast.testing.script import Call, Failure, Say, Script, Think, Turn, fail, hang, say
from holdfast.testing.scripted import DEFAULT_USAGE, ScriptedModel

ASK = ModelRequest(system="", messages=(user("a"),))


class Waits(SystemClock):
    """A clock that writes waits down."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Write the wait down."""
        self.waits.append(seconds)


def play(model: ScriptedModel, request: ModelRequest = ASK) -> list[ModelEvent]:
    """Return the events of one call."""

    async def run() -> list[ModelEvent]:
        return [event async for event in model.stream(request)]

    return asyncio.run(run())


def test_everything_in_order() -> None:
    """Thinking, text and calls are streamed and replied in the order of the script."""
    steps = (Think(("h", "m"), "s"), Say(("x", "y")), Call("read", "{", "c1"), Say(("z",)))
    usage = Usage(1, 2, cost_micros=3)
    model = ScriptedModel([Turn(steps=steps, usage=usage)], model="m", provider="p")
    reply = ModelReply(
        parts=(Thinking("hm", "s", "p"), Text("xy"), ToolUse("c1", "read", "{"), Text("z")),
        usage=usage,
        stop="tool_use",
        model="m",
        provider="p",
    )
    assert [
        ThinkingDelta("h"),
        ThinkingDelta("m"),
        TextDelta("x"),
        TextDelta("y"),
        ToolUseStarted("c1", "read"),
        TextDelta("z"),
        reply,
    ] == play(model)
    assert [ASK] == model.requests


def test_usage_by_default() -> None:
    """A turn without usage reports the player's, which is never nothing."""
    [*_, reply] = play(ScriptedModel([say("x")]))
    assert isinstance(reply, ModelReply)
    assert DEFAULT_USAGE == reply.usage
    assert 0 < DEFAULT_USAGE.total_tokens


@pytest.mark.parametrize("after", [0, 1, 2])
def test_failures_come_where_the_script_says(after: int) -> None:
    """Exactly `after` deltas come before the failure, whatever text there is."""
    turn = Turn(steps=(Say(("a", "b")),), failure=Failure(message="no"), after=after)
    model = ScriptedModel([turn])
    seen: list[ModelEvent] = []

    async def run() -> None:
        async for event in model.stream(ASK):
            seen.append(event)  # noqa: PERF401  # what came before the failure counts

    with pytest.raises(ProviderFailed, match="no"):
        asyncio.run(run())
    assert after == len(seen)
    assert 0 == model.cancelled


def test_kinds_of_failure() -> None:
    """Retryable and timeout are as the script says."""
    script = [fail(retryable=True, billable=True), Turn(failure=Failure(timeout=True))]
    model = ScriptedModel(script)
    with pytest.raises(ProviderFailed) as caught:
        play(model)
    assert caught.value.retryable and caught.value.billable
    with pytest.raises(ProviderTimeout):
        play(model)


def test_a_hang_ends_by_cancelling() -> None:
    """A hanging turn can be waited for and is left by cancelling only."""
    model = ScriptedModel([hang("a")])

    async def run() -> None:
        task = asyncio.create_task(anext_twice(model))
        await model.hanging.wait()
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not model.hanging.is_set()

    asyncio.run(run())
    assert 1 == model.cancelled


async def anext_twice(model: ScriptedModel) -> None:
    """Read to the end."""
    async for _ in model.stream(ASK):
        pass


def test_delays_use_the_clock() -> None:
    """A delay is waited for on the injected clock."""
    clock = Waits()
    play(ScriptedModel([say("x", delay_s=2.5)], clock=clock))
    assert [2.5] == clock.waits


def test_invalid_requests_are_refused_and_use_no_turn() -> None:
    """A request a provider would refuse is refused for good; the script is not played on."""
    model = ScriptedModel([say("x")])
    said = Message(role=Role.ASSISTANT, parts=(ToolUse("c1", "read"),))
    with pytest.raises(ProviderFailed, match="no result for") as caught:
        play(model, ModelRequest(system="", messages=(user("a"), said, user("b"))))
    assert not caught.value.retryable
    assert 1 == len(model.problems)
    assert TextDelta("x") == play(model)[0]


def test_exhausted() -> None:
    """A script at its end is a failure, not a silent answer."""
    with pytest.raises(ProviderFailed, match="script exhausted after 0 turns"):
        play(ScriptedModel())


def test_players_can_share_a_script() -> None:
    """Two players of one script take turns from it."""
    script = Script([say("a"), say("b")])
    first, second = ScriptedModel(script), ScriptedModel(script)
    assert [TextDelta("a"), TextDelta("b")] == [play(first)[0], play(second)[0]]


def test_from_file(tmp_path: Path) -> None:
    """A player is made from a file, with the file's names."""
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"model": "m", "provider": "p", "turns": [{"text": "x"}]}))
    model = ScriptedModel.from_file(path)
    assert isinstance(model, ModelClient)
    assert ("m", "p", 200_000) == (model.model, model.provider, model.context_tokens)
    assert TextDelta("x") == play(model)[0]
    asyncio.run(model.aclose())
    assert model.closed
