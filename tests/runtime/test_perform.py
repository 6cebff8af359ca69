"""Performing one effect: every way it ends is an outcome."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator

import pytest

from holdfast.core.errors import InvalidInput, ProviderFailed
from holdfast.core.events import EffectEnded, Outcome
from holdfast.core.messages import ToolUse
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
from holdfast.ports.tool import ToolContext, ToolOutcome
from holdfast.runtime.perform import KEPT_CHARS_MAX, _tidy, _within, clean
from holdfast.testing.script import Turn, call, fail, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, one_session, results, run, texts, tool


def test_clean() -> None:
    """Only lone surrogates are replaced; what is no text is refused."""
    assert "a?b\0é\U0001f600" == clean("a\ud800b\0é\U0001f600")
    for wrong in (None, 5, b"x"):
        with pytest.raises(InvalidInput):
            clean(wrong)


class Broken(ScriptedModel):
    """A client with a bug of its own."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Say something and fall over."""
        yield TextDelta("half")
        raise ZeroDivisionError("in the adapter")


class Silent(ScriptedModel):
    """A client whose stream ends without an answer."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Only a delta."""
        yield TextDelta("half")


@pytest.mark.parametrize("kind", [Broken, Silent])
def test_an_adapter_with_a_bug_fails_the_call_and_not_the_session(kind: type) -> None:
    """The turn fails as a provider's failure; the session takes the next message."""

    async def work() -> None:
        model = kind()
        async with one_session(model) as session:
            with pytest.raises(ProviderFailed):
                await session.generate("q")
            with pytest.raises(ProviderFailed):
                await session.generate("q2")
            assert ["q", "q2"] == texts(await session.history())

    run(work())


@pytest.mark.parametrize(
    "failure",
    [
        fail("late", retryable=True, billable=True, after_text=("a",)),
        fail("late", retryable=True),
        fail("late", billable=True),
    ],
)
def test_what_is_not_tried_again(failure: Turn) -> None:
    """What was said cannot be unsaid, and what cost nothing the adapter has repeated."""

    async def work() -> None:
        model = ScriptedModel([failure, say("b")])
        async with one_session(model) as session:
            with pytest.raises(ProviderFailed, match="late"):
                await session.generate("q")
            assert 1 == len(model.requests)

    run(work())


def test_a_tools_outcome_is_recorded_as_it_was() -> None:
    """Exit code, metadata and duration are in the log; the model reads only the content."""

    async def work() -> None:
        def act() -> ToolOutcome:
            return ToolOutcome(content="no", is_error=True, exit_code=3, metadata={"k": [1]})

        model = ScriptedModel([call("act"), say("done")])
        async with one_session(model, tool(act, nature=Nature.READ_ONLY)) as session:
            await session.generate("q")
            journal = session.where.backend.journal(session.where.row)
            events = [recorded.event async for recorded in journal.replay()]
            ended = [e for e in events if isinstance(e, EffectEnded) and e.effect == "tool"]
            assert (Outcome.FAILED, 3) == (ended[0].outcome, ended[0].exit_code)
            assert {"k": [1]} == json.loads(ended[0].metadata)
            assert "no" == results(await session.history())[0].content

    run(work())


def test_what_a_cancelled_tool_said_is_bounded() -> None:
    """A tool that talks without end is kept up to a limit."""

    async def work() -> None:
        started = asyncio.Event()

        async def talk(context: ToolContext) -> str:
            for _ in range(50):
                context.emit("x" * 10_000)
            started.set()
            await asyncio.Event().wait()
            return ""

        model = ScriptedModel([call("talk")])
        async with one_session(model, tool(talk)) as session:
            task = asyncio.create_task(session.generate("q"))
            await started.wait()
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)
            content = results(await session.history())[0].content
            assert KEPT_CHARS_MAX <= len(content) < KEPT_CHARS_MAX + 200

    run(work())


def test_ids_and_names_of_calls_are_bounded_and_unique() -> None:
    """The fold keeps them; a name nobody could have is one no tool has."""
    long = "x" * 500
    parts = tuple(
        ToolUse(id, name) for id, name in ((long, "read"), ("", long), ("a", ""), ("a", "b"))
    )
    tidied = [(part.id, part.name) for part in _tidy(parts) if isinstance(part, ToolUse)]
    assert [("call", "read"), ("call-2", "unnamed"), ("a", "unnamed"), ("a-2", "b")] == tidied


def test_what_a_tool_raises_after_it_was_given_up_is_no_warning() -> None:
    """Cancelled twice nobody waits for it any more; its late exception is looked at all the same.

    A tool that clears up slowly is given up by the second cancel, and fails after that.
    """

    async def work() -> None:
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: complaints.append(str(context["message"]))
        )
        started, clearing, release, over = (asyncio.Event() for _ in range(4))

        async def stubborn() -> ToolOutcome:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                clearing.set()
                try:
                    await release.wait()
                    raise RuntimeError("late")
                finally:
                    over.set()
            raise AssertionError("nothing sets that event")

        waiting = asyncio.create_task(_within(stubborn(), 60, HandClock()))
        await started.wait()
        waiting.cancel()
        await clearing.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting
        release.set()
        await over.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        assert [] == complaints

    run(work())
