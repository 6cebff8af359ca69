"""Requests and events come out as they went in, and nothing else comes in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.adapters.enclave.wire import (
    EnclaveFacts,
    Handed,
    read_event,
    read_facts,
    read_failure,
    read_handed,
    read_kept,
    read_request,
    write_event,
    write_facts,
    write_failure,
    write_handed,
    write_kept,
    write_request,
)
from holdfast.core.errors import ChannelBroken, InvalidInput, ProviderFailed, ProviderTimeout
from holdfast.core.labels import Label, Sensitivity
from holdfast.core.messages import Message, Role, Text, Thinking, ToolUse, tool_result, user
from holdfast.core.quantities import Usage
from holdfast.core.tools import Nature, Operation, ToolSpec
from holdfast.ports.counting import Count
from holdfast.ports.model import (
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)

REQUEST = ModelRequest(
    system="be kind",
    messages=(
        user("hé\U0001f600", Label(sensitivity=Sensitivity.CRITICAL, origins=("a",))),
        Message(Role.ASSISTANT, (Thinking("hm", None), Text("x"), ToolUse("1", "t", "{bad"))),
        tool_result("1", "t", "out", is_error=True),
    ),
    tools=(
        ToolSpec(
            name="t",
            description="d",
            parameters="{}",
            nature=Nature.READ_ONLY,
            path_operations=(("p", Operation.READ),),
        ),
    ),
    thinking_tokens=5,
    idempotency_key="k",
)
EVENTS = [
    TextDelta("a"),
    ThinkingDelta("a"),
    ToolUseStarted("1", "t"),
    ModelReply(parts=(Text("a"), ToolUse("1", "t", "{}")), usage=Usage(1, 2), model="m"),
]


def test_a_request_comes_out_as_it_went_in() -> None:
    """Every kind of part, every field of a tool."""
    assert REQUEST == read_request(write_request(REQUEST))


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_comes_out_as_it_went_in(event: TextDelta) -> None:
    """With its type."""
    assert event == read_event(write_event(event))
    assert type(event) is type(read_event(write_event(event)))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"TextDelta\n{}", b'TextDelta\n{"text":1}', b'Exit\n{"text":"a"}',
     b'ModelReply\n{"parts":[{"type":"exec"}]}', b"[" * 100_000, b"\xff\n\xff"],
)  # fmt: skip
def test_what_is_none_is_refused(data: bytes) -> None:
    """Typed, and without quoting it."""
    for read in (read_event, read_request, read_facts, read_failure):
        with pytest.raises(ChannelBroken) as caught:
            read(data)
        assert "message" == caught.value.problem


def test_what_is_no_unicode_is_not_sent() -> None:
    """Half a surrogate pair has no bytes."""
    with pytest.raises(InvalidInput):
        write_request(ModelRequest(system="\ud800", messages=()))
    with pytest.raises(InvalidInput):
        write_event(TextDelta("\ud800"))


def test_facts_come_out_as_they_went_in() -> None:
    """All of them."""
    facts = EnclaveFacts(
        model="m", provider="p", context_tokens=7, simulated=True, secret_memory="memory"
    )
    assert facts == read_facts(write_facts(facts))


def test_a_failure_keeps_its_kind_and_gives_nothing_else_away() -> None:
    """A provider's says what it said; another's only its name."""
    late = read_failure(write_failure(ProviderTimeout("late", retryable=True)))
    assert isinstance(late, ProviderTimeout) and late.retryable and not late.billable
    lost = read_failure(write_failure(ValueError("my password is hunter2")))
    assert isinstance(lost, ProviderFailed) and lost.billable and not lost.retryable
    assert "the model in the enclave failed: ValueError" == lost.message


def test_a_key_and_where_it_stands_come_out_as_they_went_in() -> None:
    """The key is in no `repr`."""
    handed = Handed(key="sk-very-secret", above=3)
    assert handed == read_handed(write_handed(handed))
    assert "sk-very" not in repr(handed)
    for count in (Count(), Count(version=3, digest="0a" * 32)):
        assert count == read_kept(write_kept(count))


@pytest.mark.parametrize(
    "data",
    [b"", b'{"version":1.5,"digest":""}', b'{"version":true,"digest":"x"}', b"[" * 100_000,
     write_kept(Count(version=1)), write_kept(Count(digest="0a" * 32)),
     write_kept(Count(version=-1, digest="0a" * 32)), write_kept(Count(version=1, digest="x"))],
)  # fmt: skip
def test_what_is_no_count_is_refused(data: bytes) -> None:
    """Of an answer as of the facts."""
    with pytest.raises(ChannelBroken):
        read_kept(data)
    facts = EnclaveFacts(
        model="m", provider="p", context_tokens=1, simulated=True, secret_memory="memory"
    )
    for kept in (Count(version=1), Count(version=-1, digest="0a" * 32)):
        with pytest.raises(ChannelBroken):
            read_facts(write_facts(replace(facts, kept=kept)))
    assert read_facts(write_facts(replace(facts, kept=Count()))).kept == Count()


@pytest.mark.parametrize("data", [b"", b"{}", b'{"key":1}', b'{"key":"a","above":"1"}', b"\xff"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    """Without being repeated."""
    with pytest.raises(ChannelBroken):
        read_handed(data)
