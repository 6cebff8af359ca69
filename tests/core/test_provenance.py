"""Where the arguments of a call come from, and which calls must be looked at."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.flows import Flow, Role, Sink
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.provenance import Source, Use, to_be_examined
from holdfast.core.security import FlowMode, Security

CLEAN = Label()
STRANGERS = Label(integrity=Integrity.UNTRUSTED)
SECRET = Label(sensitivity=Sensitivity.SENSITIVE)


def calls(sink: Sink, *, by_host: bool = False) -> Action:
    """A call to a tool with this sink."""
    return Action(kind=ActionKind.TOOL, name="act", flow=Flow(sink=sink), by_host=by_host)


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (
            Use(
                argument="to",
                role=Role.TARGET,
                kind="email",
                preview="eve@x.test",
                source=Source.UNTRUSTED,
                origin="read_page (event 9)",
            ),
            "target 'to' (eve@x.test) comes from read_page (event 9)",
        ),
        (
            Use(
                argument="body",
                role=Role.PAYLOAD,
                kind="url",
                preview="http://x.test",
                source=Source.UNTRUSTED,
                origin="read_page (event 9)",
            ),
            "url in 'body' (http://x.test) comes from read_page (event 9)",
        ),
        (
            Use(argument="n", role=Role.AMOUNT, kind="number", preview="7", source=Source.MODEL),
            "amount 'n' (7) was made up by the model after it had read what strangers wrote",
        ),
        (
            Use(argument="a\nb", role=Role.ID, kind="id", preview="x", source=Source.MODEL),
            "id 'a\\nb' (x) was made up by the model after it had read what strangers wrote",
        ),
    ],
    ids=["target", "payload", "amount", "id"],
)
def test_a_person_is_told_what_comes_from_where(use: Use, text: str) -> None:
    """The argument, the value and its origin, on one line."""
    assert text == use.text


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        (CLEAN, False),
        (Label(sensitivity=Sensitivity.PUBLIC), False),
        (STRANGERS, True),
        (SECRET, True),
        (SECRET.join(STRANGERS), True),
    ],
)
@pytest.mark.parametrize("sink", [Sink.WRITE, Sink.EGRESS])
def test_there_is_nothing_to_find_before_something_was_seen(
    label: Label, seen: bool, sink: Sink
) -> None:
    """Strangers' words or sensitive content must be there."""
    assert seen == to_be_examined(Security(), label, calls(sink))


@pytest.mark.parametrize(
    ("security", "sink", "by_host"),
    [
        (Security(), Sink.EGRESS, True),
        (Security(), Sink.NONE, False),
        (Security(enabled=False), Sink.EGRESS, False),
        (Security(flow=FlowMode.OBSERVE), Sink.EGRESS, False),
    ],
    ids=["host", "no sink", "off", "observe"],
)
def test_some_calls_are_never_examined(security: Security, sink: Sink, by_host: bool) -> None:
    """The program's own, those without consequences, and where nothing is asked."""
    assert not to_be_examined(security, STRANGERS, calls(sink, by_host=by_host))


@pytest.mark.parametrize("flow", [FlowMode.PROVENANCE, FlowMode.STRICT])
def test_both_modes_that_ask_examine(flow: FlowMode) -> None:
    """Only `observe` does not."""
    assert to_be_examined(Security(flow=flow), STRANGERS, calls(Sink.WRITE))


@pytest.mark.parametrize(
    "action",
    [
        Action(kind=ActionKind.MODEL, name="act"),
        Action(kind=ActionKind.TOOL, name="act", known=False),
        Action(kind=ActionKind.TOOL, name="act", problem="no such argument"),
    ],
    ids=["model", "unknown", "wrong arguments"],
)
def test_what_no_tool_takes_is_not_examined(action: Action) -> None:
    """It is refused all the same."""
    assert not to_be_examined(Security(), STRANGERS, action)
