"""What every `ModelClient` must do, as cases that run against any of them.

A harness turns a script into a running subject. `CASES` are run one by one:

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_model_conforms(case: ModelCase) -> None:
        asyncio.run(case.run(harness))

A harness must not repeat failed attempts (one attempt), so that a failure is
seen as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from holdfast.core.errors import ProviderFailed
from holdfast.core.messages import Message, Role, Text, ToolUse, assistant, tool_result, user
from holdfast.core.quantities import Usage
from holdfast.ports.model import (
    ModelClient,
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)
from holdfast.testing.script import (
    Call,
    Say,
    ScriptItem,
    Think,
    Turn,
    call,
    calls,
    fail,
    hang,
    make_call,
    say,
)

WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A client under test.

    Args:
        client: the client.
        abandoned: returns once the other side has seen that a call was left.
    """

    client: ModelClient
    abandoned: Callable[[], Awaitable[None]]


Harness = Callable[[Sequence[ScriptItem]], AbstractAsyncContextManager[Subject]]


@dataclass(frozen=True, slots=True)
class ModelCase:
    """One thing a client must do.

    Args:
        name: what it is called in a report.
        run: raises AssertionError when the client does not do it.
    """

    name: str
    run: Callable[[Harness], Awaitable[None]]


def ask(*messages: Message) -> ModelRequest:
    """Make a request of these messages, "hello" when there are none."""
    return ModelRequest(system="Be brief.", messages=messages or (user("hello"),))


async def gather(client: ModelClient, request: ModelRequest) -> list[ModelEvent]:
    """Return all events of one call."""
    return [event async for event in client.stream(request)]


def _reply(events: Sequence[ModelEvent]) -> ModelReply:
    replies = [event for event in events if isinstance(event, ModelReply)]
    assert len(replies) == 1, "exactly one reply"
    assert events[-1] is replies[0], "the reply is the last event"
    return replies[0]


async def _deltas_then_reply(harness: Harness) -> None:
    async with harness([say("Hé", "llo ", "🌍")]) as subject:
        events = await gather(subject.client, ask())
        reply = _reply(events)
        deltas = [event.text for event in events if isinstance(event, TextDelta)]
        assert "".join(deltas) == "Héllo 🌍"
        assert reply.parts == (Text("Héllo 🌍"),)
        assert reply.stop == "stop"
        assert reply.provider == subject.client.provider


async def _thinking_is_apart(harness: Harness) -> None:
    turn = Turn(steps=(Think(("let me", " see"), "signed"), Say(("done",))))
    async with harness([turn]) as subject:
        events = await gather(subject.client, ask())
        thought = [event.text for event in events if isinstance(event, ThinkingDelta)]
        assert "".join(thought) == "let me see"
        first, second = _reply(events).parts
        assert first.type == "thinking"
        assert first.text == "let me see"
        assert first.provider == subject.client.provider
        assert second == Text("done")


async def _text_beside_calls(harness: Harness) -> None:
    one = make_call("read", {"path": "a"}, id="c1")
    two = make_call("read", {"path": "b"}, id="c2")
    async with harness([calls(one, two, text="I look.")]) as subject:
        events = await gather(subject.client, ask())
        reply = _reply(events)
        assert [event for event in events if isinstance(event, ToolUseStarted)] == [
            ToolUseStarted("c1", "read"),
            ToolUseStarted("c2", "read"),
        ]
        assert reply.parts == (
            Text("I look."),
            ToolUse("c1", "read", one.arguments),
            ToolUse("c2", "read", two.arguments),
        )
        assert reply.stop == "tool_use"


async def _malformed_arguments(harness: Harness) -> None:
    written = '{"path": "a", oops'
    async with harness([call("read", written, id="c1"), say("sorry")]) as subject:
        reply = _reply(await gather(subject.client, ask()))
        assert reply.parts == (ToolUse("c1", "read", written),)
        answer = tool_result("c1", "read", "not JSON", is_error=True)
        said = Message(role=Role.ASSISTANT, parts=reply.parts)
        again = ask(user("hello"), said, answer)
        assert _reply(await gather(subject.client, again)).parts == (Text("sorry"),)


async def _usage(harness: Harness) -> None:
    told = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=40)
    async with harness([say("x", usage=told)]) as subject:
        usage = _reply(await gather(subject.client, ask())).usage
        found = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
        assert found == (100, 20, 40)


async def _stop_words(harness: Harness) -> None:
    async with harness([Turn(steps=(Say(("cut",)),), stop="length")]) as subject:
        assert _reply(await gather(subject.client, ask())).stop == "length"


async def _expect_failure(subject: Subject, request: ModelRequest) -> ProviderFailed:
    try:
        await gather(subject.client, request)
    except ProviderFailed as failed:
        return failed
    raise AssertionError("the call did not fail")


async def _final_error(harness: Harness) -> None:
    async with harness([fail("no", status=403)]) as subject:
        assert not (await _expect_failure(subject, ask())).retryable


async def _retryable_error(harness: Harness) -> None:
    async with harness([fail("busy", retryable=True), say("x")]) as subject:
        assert (await _expect_failure(subject, ask())).retryable
        assert _reply(await gather(subject.client, ask())).parts == (Text("x"),)


async def _error_after_delta(harness: Harness) -> None:
    turn = fail("busy", retryable=True, status=529, after_text=("half",))
    async with harness([turn, say("x")]) as subject:
        seen: list[ModelEvent] = []
        failed = None
        try:
            async for event in subject.client.stream(ask()):
                seen += (event,)
        except ProviderFailed as error:
            failed = error
        assert failed is not None
        assert failed.retryable
        assert seen == [TextDelta("half")]


async def _cancelled(harness: Harness) -> None:
    async with harness([hang("half"), say("x")]) as subject:
        begun = asyncio.Event()

        async def listen() -> None:
            async for _ in subject.client.stream(ask()):
                begun.set()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(begun.wait(), WAIT_S)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=WAIT_S)
        assert task in done, "it ends soon"
        assert task.cancelled(), "the cancellation comes through"
        await asyncio.wait_for(subject.abandoned(), WAIT_S)
        assert _reply(await gather(subject.client, ask())).parts == (Text("x"),)


async def _dangling_call(harness: Harness) -> None:
    said = Message(role=Role.ASSISTANT, parts=(ToolUse("c1", "read", "{}"),))
    async with harness([say("x")]) as subject:
        failed = await _expect_failure(subject, ask(user("a"), said, user("b")))
        assert not failed.retryable


async def _conversation(harness: Harness) -> None:
    async with harness([say("x")]) as subject:
        messages = (user("a"), user("b"), assistant("c"), user("d"))
        assert _reply(await gather(subject.client, ask(*messages))).parts == (Text("x"),)


async def _exhausted(harness: Harness) -> None:
    async with harness([]) as subject:
        assert not (await _expect_failure(subject, ask())).retryable


async def _facts(harness: Harness) -> None:
    async with harness([]) as subject:
        assert isinstance(subject.client, ModelClient)
        assert subject.client.model
        assert subject.client.provider
        assert subject.client.context_tokens > 0


async def _concurrent(harness: Harness) -> None:
    script = [Turn(steps=(Say(("a", "b")),)), Turn(steps=(Call("read", "{}", "c9"),))]
    async with harness(script) as subject:
        both = await asyncio.gather(
            gather(subject.client, ask()), gather(subject.client, ask(user("two")))
        )
        stops = sorted(_reply(events).stop for events in both)
        assert stops == ["stop", "tool_use"]


CASES: tuple[ModelCase, ...] = (
    ModelCase("deltas then exactly one reply", _deltas_then_reply),
    ModelCase("thinking is told apart from text", _thinking_is_apart),
    ModelCase("text beside parallel tool calls is kept", _text_beside_calls),
    ModelCase("malformed arguments are kept as written", _malformed_arguments),
    ModelCase("usage is what the provider reported", _usage),
    ModelCase("a cut answer says so", _stop_words),
    ModelCase("a final error is not retryable", _final_error),
    ModelCase("a passing error is retryable", _retryable_error),
    ModelCase("an error after a delta is not repeated", _error_after_delta),
    ModelCase("cancelling leaves the provider at once", _cancelled),
    ModelCase("a dangling tool call is refused for good", _dangling_call),
    ModelCase("two user messages in a row are accepted", _conversation),
    ModelCase("an exhausted script is a final error", _exhausted),
    ModelCase("a client knows its facts", _facts),
    ModelCase("calls of one client run side by side", _concurrent),
)
