"""The client of real providers, against a server that speaks their protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.models.pydantic_ai import PydanticAIModel
from holdfast.core.errors import ProviderFailed, ProviderTimeout
from holdfast.core.messages import Message, Role, Text, Thinking, ToolUse, tool_result, user
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings
from holdfast.core.tools import ToolSpec
from holdfast.ports.clock import SystemClock
from holdfast.ports.model import ModelReply, ModelRequest, TextDelta, ToolUseStarted
from holdfast.testing.model_conformance import CASES, Harness, ModelCase, Subject, ask, gather
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.provider_wire import Quirks
from holdfast.testing.script import (
    Call,
    Failure,
    Say,
    Script,
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

KEY = "sk-test-0123456789"
ONCE = CallLimits(attempts=1)
MODELS = {"openai": "gpt-4o", "anthropic": "claude-opus-4-5", "local": "some-model"}
PROVIDERS = sorted(MODELS)
READ = ToolSpec(
    name="read",
    description="Read a file.",
    parameters='{"type":"object","properties":{"path":{"type":"string"}},'
    '"required":["path"],"additionalProperties":false}',
)
AWKWARD = Quirks(crlf=True, write_bytes=2, interleave=True)


class FakeClock(SystemClock):
    """A clock that stands still, whose waits are over at once and written down."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now_ms(self) -> int:
        """Return 2026-01-01 00:00:00 UTC."""
        return 1_767_225_600_000

    async def sleep(self, seconds: float) -> None:
        """Write the wait down."""
        self.waits.append(seconds)


def client(
    server: ProviderServer,
    provider: str,
    *,
    limits: CallLimits = ONCE,
    clock: FakeClock | None = None,
    model: str = "",
    prompt_cache: bool | None = None,
    jitter: float = 0.5,
) -> PydanticAIModel:
    """Make a client that talks to the server."""
    settings = ModelSettings(
        provider=provider, model=model or MODELS[provider], base_url=server.base_url
    )
    return PydanticAIModel(
        settings,
        key=KEY,
        limits=limits,
        clock=clock or FakeClock(),
        jitter=lambda: jitter,
        prompt_cache=prompt_cache,
    )


Talk = Callable[[ProviderServer, PydanticAIModel], Awaitable[None]]


def converse(
    script: Sequence[ScriptItem] | Script,
    provider: str,
    talk: Talk,
    *,
    quirks: Quirks | None = None,
    **options: Any,
) -> None:
    """Run a server and a client, and let them talk."""

    async def run() -> None:
        async with ProviderServer(script, quirks=quirks) as server:
            model = client(server, provider, **options)
            try:
                await asyncio.wait_for(talk(server, model), 30)
            finally:
                await model.aclose()

    asyncio.run(run())


def harness(provider: str, quirks: Quirks) -> Harness:
    """Make the harness of one provider for the port's cases."""

    @asynccontextmanager
    async def run(script: Sequence[ScriptItem]) -> AsyncIterator[Subject]:
        async with ProviderServer(script, quirks=quirks) as server:

            async def abandoned() -> None:
                await server.hung_up.wait()

            model = client(server, provider)
            try:
                yield Subject(client=model, abandoned=abandoned)
            finally:
                await model.aclose()

    return run


async def reply(model: PydanticAIModel, request: ModelRequest) -> ModelReply:
    """Return the reply of one call."""
    last = (await gather(model, request))[-1]
    assert isinstance(last, ModelReply)
    return last


async def failure(model: PydanticAIModel, request: ModelRequest) -> ProviderFailed:
    """Return the error of one call."""
    with pytest.raises(ProviderFailed) as caught:
        await gather(model, request)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("quirks", [Quirks(), AWKWARD], ids=["plain", "awkward"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_adapter_conforms(provider: str, quirks: Quirks, case: ModelCase) -> None:
    """The adapter fulfils the case, also over CRLF, split characters and interleaved calls."""
    asyncio.run(case.run(harness(provider, quirks)))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_tool_round_trip_is_valid(provider: str) -> None:
    """Thinking, text, parallel calls, results and errors go back as the provider wants them."""
    first = Turn(
        steps=(
            Think(("hm",), "signed"),
            Say(("I look.",)),
            Call("read", '{"path": "a"}', "c1"),
            Call("read.all/files", "{}", "odd id: 2"),
        )
    )

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        one = await reply(model, replace(ask(), tools=(READ,)))
        said = Message(role=Role.ASSISTANT, parts=one.parts)
        ids = [use.id for use in said.tool_uses]
        assert ["c1", "odd id: 2"] == ids
        results = (
            tool_result(ids[0], "read", ""),
            tool_result(ids[1], "read.all/files", "no such tool", is_error=True),
        )
        messages = (user("hello"), said, *results, user("  "), user("and?"), user("now"))
        two = await reply(model, replace(ask(*messages), tools=(READ,)))
        assert (Text("done"),) == two.parts
        seen = server.received[1].request
        assert seen is not None
        assert "Be brief." == seen.system
        assert "and?\n\nnow" == seen.messages[-1].text
        [answer] = [m for m in seen.messages if m.role is Role.ASSISTANT]
        assert "I look." == answer.text
        assert {"read", "read_all_files"} == {use.name for use in answer.tool_uses}
        assert [] == server.problems

    converse([first, say("done")], provider, talk)


def test_a_thought_goes_back_only_to_its_provider() -> None:
    """A signed thought is repeated to Anthropic unchanged, a foreign one never."""
    script = [Turn(steps=(Think(("hm",), "signed"), Say(("a",)))), say("b"), say("c")]

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        one = await reply(model, ask())
        own = Message(role=Role.ASSISTANT, parts=one.parts)
        await reply(model, ask(user("x"), own, user("y")))
        body = server.received[1].body
        assert "'signature': 'signed'" in str(body)
        foreign = (Thinking("a secret thought", "signed", "openai"), Text("a"))
        unsigned = (Thinking("another thought", None, "anthropic"), Text("a"))
        messages = (
            user("x"),
            Message(role=Role.ASSISTANT, parts=foreign),
            user("y"),
            Message(role=Role.ASSISTANT, parts=unsigned),
            user("z"),
        )
        await reply(model, ask(*messages))
        assert "thought" not in str(server.received[2].body)

    converse(script, "anthropic", talk)


def test_reasoning_field_of_a_compatible_server_goes_back() -> None:
    """What came in reasoning_content returns in reasoning_content, to the same provider."""
    script = [Turn(steps=(Think(("hm",)), Say(("a",)))), say("b"), say("c")]

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        one = await reply(model, ask())
        own = Message(role=Role.ASSISTANT, parts=one.parts)
        await reply(model, ask(user("x"), own, user("y")))
        assert "'reasoning_content': 'hm'" in str(server.received[1].body)
        other = tuple(
            replace(p, provider="openai") if isinstance(p, Thinking) else p for p in one.parts
        )
        moved = Message(role=Role.ASSISTANT, parts=other)
        await reply(model, ask(user("x"), moved, user("y")))
        assert "hm" not in str(server.received[2].body)

    converse(script, "local", talk)


def test_arguments_go_back_as_written_to_openai() -> None:
    """White space in arguments survives; malformed ones go back inside an object."""
    script = [
        calls(make_call("read", '{ "path":  "a" }'), make_call("read", '{"path": oops')),
        say("b"),
    ]

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        one = await reply(model, ask())
        said = Message(role=Role.ASSISTANT, parts=one.parts)
        results = tuple(tool_result(use.id, "read", "x") for use in said.tool_uses)
        await reply(model, ask(user("x"), said, *results))
        seen = server.received[1].request
        assert seen is not None
        good, bad = seen.messages[1].tool_uses
        assert '{ "path":  "a" }' == good.arguments
        assert '{"INVALID_JSON":"{\\"path\\": oops"}' == bad.arguments

    converse(script, "openai", talk)


@pytest.mark.parametrize("provider", ["openai", "local"])
def test_calls_under_one_index_are_told_apart(provider: str) -> None:
    """A server that gives all parallel calls index 0 does not mix their arguments."""
    one, two = make_call("read", {"path": "aaaaaaaa"}), make_call("ls", {"path": "bbbbbbbb"})

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        found = await reply(model, ask())
        assert (one.arguments, two.arguments) == tuple(
            part.arguments for part in found.parts if isinstance(part, ToolUse)
        )

    converse([calls(one, two)], provider, talk, quirks=Quirks(one_index=True))


def test_repeated_ids_are_made_unique() -> None:
    """A server that uses an id again gets another one, in delta and reply alike."""
    script = [call("read", "{}", id="call_0"), call("read", "{}", id="call_0")]

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        one = await reply(model, ask())
        said = Message(role=Role.ASSISTANT, parts=one.parts)
        events = await gather(model, ask(user("x"), said, tool_result("call_0", "read", "y")))
        assert [ToolUseStarted("call_0_2", "read")] == events[:-1]
        assert isinstance(events[-1], ModelReply)
        assert (ToolUse("call_0_2", "read", "{}"),) == events[-1].parts

    converse(script, "local", talk)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_passing_errors_are_tried_again(provider: str, status: int) -> None:
    """A retryable status before the first delta is followed by another attempt."""
    clock = FakeClock()

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        assert (Text("x"),) == (await reply(model, ask())).parts
        assert 3 == len(server.received)
        assert [0.25, 0.5] == clock.waits

    script = [fail("busy", status=status), fail("busy", status=status), say("x")]
    converse(script, provider, talk, limits=CallLimits(attempts=3), clock=clock)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_final_errors_are_not_tried_again(provider: str, status: int) -> None:
    """Any other status ends the call after one attempt."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert not failed.retryable
        assert 1 == len(server.received)

    converse([fail("no", status=status)], provider, talk, limits=CallLimits())


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("100000", 60.0),
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_retry_after_is_honoured(provider: str, header: str, wait: float) -> None:
    """Both forms of Retry-After set the wait, up to the cap."""
    clock = FakeClock()

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        assert (Text("x"),) == (await reply(model, ask())).parts
        assert [wait] == clock.waits

    script = [fail("busy", status=429, retry_after=header), say("x")]
    converse(script, provider, talk, limits=CallLimits(), clock=clock, jitter=0.0)


def test_a_wait_beyond_the_total_limit_is_not_begun() -> None:
    """When the provider asks for more time than is left, the call fails at once."""
    clock = FakeClock()

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        assert (await failure(model, ask())).retryable
        assert [] == clock.waits

    script = [fail("busy", status=429, retry_after="50"), say("x")]
    converse(script, "openai", talk, limits=CallLimits(total_s=40), clock=clock)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_may_have_been_charged_is_not_tried_again_here(provider: str) -> None:
    """A connection closed without an answer: the engine reserves for another attempt."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert (True, True) == (failed.retryable, failed.billable)
        assert 1 == len(server.received)

    script = [Turn(failure=Failure(drop=True)), say("x")]
    converse(script, provider, talk, limits=CallLimits())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_dropped_inside_the_answer_fails(provider: str) -> None:
    """After a delta nothing is repeated; the error says that another call may succeed."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        assert (await failure(model, ask())).retryable
        assert 1 == len(server.received)

    turn = Turn(steps=(Say(("half", "way")),), failure=Failure(drop=True), after=1)
    converse([turn, say("x")], provider, talk, limits=CallLimits())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_without_an_end_is_not_taken_for_one(provider: str) -> None:
    """A stream that stops without a reason is an error, not a short answer."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert failed.retryable
        assert "incomplete" in failed.message

    converse([say("half")], provider, talk, quirks=Quirks(no_finish=True))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refused_connection_is_retryable(provider: str) -> None:
    """Nobody listens: every attempt is made, then the error is retryable."""

    async def run() -> None:
        async with ProviderServer() as server:
            clock = FakeClock()
            model = client(server, provider, limits=CallLimits(attempts=3), clock=clock)
        failed = await failure(model, ask())
        await model.aclose()
        assert (True, False) == (failed.retryable, failed.billable)
        assert 2 == len(clock.waits)

    asyncio.run(run())


@pytest.mark.parametrize("turn", [hang(), hang("half")], ids=["before", "inside"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_silence_is_a_timeout(provider: str, turn: Turn) -> None:
    """A provider that says nothing for the idle limit is left."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert isinstance(failed, ProviderTimeout)
        assert failed.retryable
        await server.hung_up.wait()

    converse([turn], provider, talk, limits=CallLimits(idle_s=0.2, attempts=1))


@pytest.mark.parametrize("turn", [hang(), hang("half")], ids=["before", "inside"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_whole_call_is_limited(provider: str, turn: Turn) -> None:
    """A call that takes longer than its total limit is left, whatever attempts remain."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert isinstance(failed, ProviderTimeout)
        await server.hung_up.wait()
        assert 1 == len(server.received)

    converse([turn, turn], provider, talk, limits=CallLimits(total_s=0.3))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors_tell_neither_body_nor_key(provider: str, after: int) -> None:
    """The body, the key and the library's errors are nowhere in what is raised."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        failed = await failure(model, ask())
        assert "SECRET" not in repr(failed)
        assert KEY not in repr(failed)
        assert (None, None) == (failed.__cause__, failed.__context__)
        assert KEY not in str(server.received)

    turn = fail(f"SECRET {KEY}", status=400, after_text=("half",) * after)
    converse([turn], provider, talk)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cancelling_before_the_headers_closes_the_connection(provider: str) -> None:
    """A call that waits for its first byte leaves as soon as it is cancelled."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        task = asyncio.create_task(gather(model, ask()))
        await server.hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.hung_up.wait()

    converse([hang()], provider, talk)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_leaving_the_stream_closes_the_connection(provider: str) -> None:
    """A consumer that closes the stream after the first delta leaves the provider."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        stream = model.stream(ask())
        assert TextDelta("half") == await anext(stream)
        await stream.aclose()
        await server.hung_up.wait()

    converse([hang("half")], provider, talk)


def test_thinking_budget_is_sent_to_anthropic() -> None:
    """The budget is sent, with an answer limit above it; none means none."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        await reply(model, replace(ask(), thinking_tokens=5000, max_output_tokens=1000))
        await reply(model, replace(ask(), thinking_tokens=5))
        await reply(model, replace(ask(), thinking_tokens=10_000_000))
        await reply(model, ask())
        budgets = [one.body.get("thinking") for one in server.received]
        assert {"type": "enabled", "budget_tokens": 5000} == budgets[0]
        assert 6000 == server.received[0].body["max_tokens"]
        assert {"type": "enabled", "budget_tokens": 1024} == budgets[1]
        assert budgets[3] is None
        assert [] == server.problems

    converse([say("x")] * 4, "anthropic", talk)


def test_thinking_waits_for_the_next_question_after_calls_without_it() -> None:
    """Anthropic refuses thinking in a round of calls begun without; so it is left out."""
    said = Message(role=Role.ASSISTANT, parts=(ToolUse("c1", "read", "{}"),))

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        round_ = (user("x"), said, tool_result("c1", "read", "y"))
        await reply(model, replace(ask(*round_), thinking_tokens=5000))
        await reply(model, replace(ask(*round_, user("z")), thinking_tokens=5000))
        assert [False, True] == ["thinking" in one.body for one in server.received]

    converse([say("x")] * 2, "anthropic", talk)


@pytest.mark.parametrize(
    ("provider", "model", "efforts"),
    [
        ("openai", "gpt-5", ["low", "medium", "high"]),
        ("local", "some-model", ["low", "medium", "high"]),
        ("openai", "gpt-4o", [None, None, None]),
    ],
)
def test_thinking_budget_becomes_an_effort(
    provider: str, model: str, efforts: list[str | None]
) -> None:
    """Providers without a budget are sent an effort, models without thinking nothing."""

    async def talk(server: ProviderServer, found: PydanticAIModel) -> None:
        for tokens in (1000, 8000, 50_000):
            await reply(found, replace(ask(), thinking_tokens=tokens))
        assert efforts == [one.body.get("reasoning_effort") for one in server.received]

    converse([say("x")] * 3, provider, talk, model=model)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "max_completion_tokens"), ("local", "max_tokens"), ("anthropic", "max_tokens")],
)
def test_output_limit_is_sent(provider: str, name: str) -> None:
    """The limit goes under the name the provider knows, with the idempotency key."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        await reply(model, replace(ask(), max_output_tokens=77, idempotency_key="effect-1"))
        assert 77 == server.received[0].body[name]
        assert "effect-1" == server.received[0].headers["idempotency-key"]

    converse([say("x")], provider, talk)


@pytest.mark.parametrize(
    ("provider", "usage", "micros"),
    [
        # 2.50 in, 1.25 cached, 10 out per million.
        ("openai", Usage(1000, 100, 300, 0, 10), 3125),
        # 5 in, 0.50 read, 6.25 written, 25 out per million.
        ("anthropic", Usage(1000, 100, 300, 200, 10), 6400),
    ],
)
def test_usage_and_price(provider: str, usage: Usage, micros: int) -> None:
    """Cache and reasoning tokens arrive as reported and are priced right."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        found = (await reply(model, ask())).usage
        assert replace(usage, cost_micros=micros) == found

    converse([say("x", usage=usage)], provider, talk)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_missing_usage_is_estimated(provider: str) -> None:
    """A provider that reports no usage gets an estimate that says so and is not free."""

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        found = (await reply(model, replace(ask(), tools=(READ,)))).usage
        assert found.estimated
        assert 0 < found.output_tokens
        assert 20 < found.input_tokens
        assert 0 < found.cost_micros

    converse([say("x")], provider, talk, quirks=Quirks(no_usage=True))


def test_prompt_cache_is_asked_for_only_when_wanted() -> None:
    """The cache field is sent when it is switched on, not to a compatible server by default."""
    seen: list[bool] = []

    async def talk(server: ProviderServer, model: PydanticAIModel) -> None:
        await reply(model, ask())
        seen.append("cache_control" in server.received[0].body)

    converse([say("x")], "anthropic", talk, prompt_cache=True)
    converse([say("x")], "anthropic", talk)
    assert [True, False] == seen


def test_context_window_comes_from_the_table() -> None:
    """Known models have their own window, others the default."""

    async def run() -> list[int]:
        async with ProviderServer() as server:
            models = [client(server, provider) for provider in PROVIDERS]
            for model in models:
                await model.aclose()
            return [model.context_tokens for model in models]

    assert [200_000, 200_000, 128_000] == asyncio.run(run())
