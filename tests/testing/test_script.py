"""Scripts: how they are made, read and played."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from holdfast.core.errors import InvalidInput, ProviderFailed
from holdfast.core.messages import Text, Thinking, ToolResult, ToolUse, user
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelReply, ModelRequest
from holdfast.testing.script import (
    Call,
    Failure,
    Say,
    Script,
    Think,
    Turn,
    call,
    fail,
    hang,
    make_call,
    parse_script,
    read_script,
    say,
    turn_of,
)

ASK = ModelRequest(system="", messages=(user("a"),))


def test_calls_without_id_get_fresh_ones() -> None:
    """Ids are numbered over the whole script; a given id is kept."""
    script = Script([call("read"), call("read", id="mine"), call("read", {"a": 1})])
    found = [script.next_turn(ASK).steps[0] for _ in range(3)]
    assert [
        Call("read", "{}", "call_1"),
        Call("read", "{}", "mine"),
        Call("read", '{"a": 1}', "call_2"),
    ] == found


def test_callables_are_given_the_request() -> None:
    """A callable answers with a turn or a reply; an endless script is fine."""
    script = Script(itertools.repeat(lambda request: say(request.messages[-1].text)))
    assert ["a", "a"] == [script.next_turn(ASK).steps[0].pieces[0] for _ in range(2)]
    parts = (Thinking("t", "s", "p"), Text("x"), ToolUse("c", "n", "{}"))
    reply = ModelReply(parts=parts, usage=Usage(1, 2), stop="length")
    turn = Script([lambda _: reply]).next_turn(ASK)
    assert (Think(("t",), "s"), Say(("x",)), Call("n", "{}", "c")) == turn.steps
    assert (Usage(1, 2), "length") == (turn.usage, turn.stop_reason)
    with pytest.raises(AssertionError):
        turn_of(ModelReply(parts=(ToolResult("c", "n", "x"),)))


def test_an_exhausted_script_fails_and_can_be_prolonged() -> None:
    """At its end a script says so; added items are played after the first ones."""
    script = Script([say("a")])
    script.add(say("b"))
    assert ["a", "b"] == [script.next_turn(ASK).steps[0].pieces[0] for _ in range(2)]
    with pytest.raises(ProviderFailed, match="script exhausted after 2 turns"):
        script.next_turn(ASK)


@pytest.mark.parametrize(
    ("turn", "stop"),
    [(say("x"), "stop"), (call("n"), "tool_use"), (Turn(stop="odd"), "odd"), (hang(), "stop")],
)
def test_stop_reasons(turn: Turn, stop: str) -> None:
    """A turn stops for its calls or because it is done, unless it says otherwise."""
    assert stop == turn.stop_reason


def test_a_file_is_read(tmp_path: Path) -> None:
    """Every key of the format is understood."""
    path = tmp_path / "script.json"
    path.write_text(
        json.dumps(
            {
                "format": "holdfast.script/1",
                "model": "m",
                "provider": "p",
                "context_tokens": 1000,
                "turns": [
                    {"text": ["Hel", "lo"]},
                    {
                        "text": "I look.",
                        "tool_calls": [
                            {"name": "read", "arguments": {"path": "\u00e4"}, "id": "c1"},
                            {"name": "read", "arguments": '{"bad'},
                        ],
                        "usage": {"input_tokens": 10, "cost_micros": 20, "estimated": True},
                    },
                    {"thinking": ["h", "m"], "signature": "s", "text": "done", "stop": "length"},
                    {
                        "error": {
                            "message": "busy",
                            "retryable": True,
                            "status": 529,
                            "retry_after": 2,
                            "timeout": True,
                            "drop": True,
                            "billable": True,
                        }
                    },
                    {"text": "half", "hang": True, "after": 1, "delay_s": 1.5},
                ],
            }
        ),
        encoding="utf-8",
    )
    found = read_script(path)
    assert ("m", "p", 1000) == (found.model, found.provider, found.context_tokens)
    failure = Failure(
        message="busy",
        retryable=True,
        status=529,
        retry_after="2",
        timeout=True,
        drop=True,
        billable=True,
    )
    assert (
        Turn(steps=(Say(("Hel", "lo")),)),
        Turn(
            steps=(
                Say(("I look.",)),
                make_call("read", {"path": "\u00e4"}, id="c1"),
                Call("read", '{"bad'),
            ),
            usage=Usage(input_tokens=10, cost_micros=20, estimated=True),
        ),
        Turn(steps=(Think(("h", "m"), "s"), Say(("done",))), stop="length"),
        Turn(failure=failure),
        Turn(steps=(Say(("half",)),), hang=True, after=1, delay_s=1.5),
    ) == found.turns


def test_a_bare_list_is_a_script() -> None:
    """A list of turns needs nothing around it."""
    assert (say("a"),) == parse_script([{"text": "a"}]).turns


@pytest.mark.parametrize(
    "found",
    [
        "x",
        {},
        {"turns": [], "format": "other/1"},
        {"turns": [], "extra": 1},
        {"turns": [], "context_tokens": 0},
        {"turns": [], "model": 1},
        {"turns": [1]},
        {"turns": [{"texts": "a"}]},
        {"turns": [{"text": 1}]},
        {"turns": [{"text": [1]}]},
        {"turns": [{"signature": 1, "thinking": "a"}]},
        {"turns": [{"tool_calls": {}}]},
        {"turns": [{"tool_calls": [{"name": "n", "arguments": 1}]}]},
        {"turns": [{"tool_calls": [{"arguments": {}}]}]},
        {"turns": [{"usage": {"tokens": 1}}]},
        {"turns": [{"usage": {"input_tokens": -1}}]},
        {"turns": [{"error": {"status": "x"}}]},
        {"turns": [{"after": True}]},
    ],
)
def test_what_is_no_script(found: object) -> None:
    """Anything that is not understood is refused, never ignored."""
    with pytest.raises(InvalidInput):
        parse_script(found)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and one that is not JSON are refused."""
    with pytest.raises(InvalidInput, match="FileNotFoundError"):
        read_script(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_bytes(b"\xff{")
    with pytest.raises(InvalidInput, match="UnicodeDecodeError"):
        read_script(broken)


def test_fail_after_text() -> None:
    """A failure after text comes after exactly these deltas."""
    turn = fail("no", retryable=True, status=500, retry_after="1", after_text=("a", "b"))
    assert (Say(("a", "b")),) == turn.steps
    assert 2 == turn.after
    assert Failure(message="no", retryable=True, status=500, retry_after="1") == turn.failure
