"""What is secret does not go where it may not be without a question."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_content import CALL, GROUNDED, LABELS, SECRET, granted, looked, rank, said, session
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.flows import Flow, Sink
from holdfast.core.guards import flow as flow_guard
from holdfast.core.guards.egress import check
from holdfast.core.labels import TRUSTED, Label, Sensitivity
from holdfast.core.provenance import Examined
from holdfast.core.security import FlowMode, Security
from holdfast.core.verdicts import Ask
from holdfast.core.view import SessionView

CARD = ("credit_card", Sensitivity.HIGHLY_SENSITIVE)
MAIL = ("email", Sensitivity.SENSITIVE)
EGRESS, WRITE = Flow(sink=Sink.EGRESS), Flow(sink=Sink.WRITE)
NARROW = Flow(sink=Sink.EGRESS, accepts=Sensitivity.NORMAL)


def found(*taints: tuple[str, Sensitivity], label: Sensitivity = Sensitivity.NORMAL) -> Examined:
    """What was looked up about the call."""
    return replace(GROUNDED, taints=taints, label=label)


@pytest.mark.parametrize(
    ("flow", "examined", "expected"),
    [
        (EGRESS, found(), "allow"),
        (EGRESS, found(MAIL), "allow"),
        (EGRESS, found(CARD), "ask:tainted"),
        (EGRESS, found(MAIL, CARD), "ask:tainted"),
        (NARROW, found(MAIL), "ask:tainted"),
        (WRITE, found(CARD), "ask:tainted"),
        (EGRESS, found(label=Sensitivity.SENSITIVE), "allow"),
        (EGRESS, found(label=Sensitivity.HIGHLY_SENSITIVE), "ask:label"),
        (NARROW, found(label=Sensitivity.SENSITIVE), "ask:label"),
        (WRITE, found(label=Sensitivity.CRITICAL), "allow"),
        (EGRESS, found(CARD, label=Sensitivity.CRITICAL), "ask:tainted"),
        (replace(EGRESS, accepts=Sensitivity.CRITICAL), found(CARD), "allow"),
        (replace(EGRESS, confined=True), found(CARD, label=Sensitivity.CRITICAL), "allow"),
        (None, found(CARD), "ask:tainted"),
    ],
)
@pytest.mark.parametrize("label", LABELS[1:])
def test_what_a_call_would_carry_away(
    flow: Flow | None, examined: Examined, expected: str, label: Label
) -> None:
    """Registered values count for what writes or sends, what was in view for what sends."""
    action = replace(CALL, flow=flow)
    assert expected == said(check(session(label), looked(examined), action))


def test_the_question_names_kinds_and_never_values() -> None:
    """Each once, in order; or the level, in words."""
    view = session(SECRET)
    verdict = check(view, looked(found(CARD, MAIL, CARD)), replace(CALL, flow=NARROW))
    assert isinstance(verdict, Ask)
    expected = ("egress", "mail: it would be given credit_card, email of this session")
    assert expected == (verdict.guard, verdict.question)
    verdict = check(view, looked(found(label=Sensitivity.HIGHLY_SENSITIVE)), CALL)
    assert isinstance(verdict, Ask)
    assert "mail: it was written with highly sensitive content in view" == verdict.question


WORST = found(CARD, label=Sensitivity.CRITICAL)


@pytest.mark.parametrize(
    ("view", "action"),
    [
        (session(TRUSTED), CALL),
        (session(SECRET, flow=FlowMode.OBSERVE), CALL),
        (session(SECRET, enabled=False), CALL),
        (session(SECRET), replace(CALL, by_host=True)),
        (session(SECRET), replace(CALL, flow=Flow(sink=Sink.NONE))),
        (session(SECRET), replace(CALL, known=False)),
        (session(SECRET), replace(CALL, problem="no such argument")),
        (session(SECRET), replace(CALL, kind=ActionKind.MODEL)),
        (session(SECRET, unsafe_auto_approve=True), CALL),
    ],
    ids=["clean", "observe", "off", "host", "no sink", "unknown", "bad", "model", "unsafe"],
)
def test_what_is_not_judged_passes(view: SessionView, action: Action) -> None:
    """The same calls that the guard of flow does not judge, and where nobody is asked."""
    assert "allow" == said(check(view, looked(WORST), action))


def test_the_installation_may_be_stricter() -> None:
    """What it says holds."""
    view = session(SECRET, flow=FlowMode.OBSERVE)
    facts = looked(WORST, security=Security())
    assert "ask:tainted" == said(check(view, facts, CALL))


@pytest.mark.parametrize("label", LABELS[1:])
def test_what_was_not_examined_is_denied_by_the_guard_of_flow(label: Label) -> None:
    """So that this one need not say it again; the two have one condition."""
    view, facts = session(label), Facts(now_ms=0)
    assert "allow" == said(check(view, facts, CALL))
    assert "deny:not_examined" == said(flow_guard.check(view, facts, CALL))


def test_what_was_granted_in_its_very_words_passes() -> None:
    """Not what a wider grant covers."""
    literal, wide = granted('mail({"to":"eve"})'), granted("mail", literal=False)
    view = session(SECRET)
    assert "allow" == said(check(view, looked(WORST, authority=literal), CALL))
    assert "ask:tainted" == said(check(view, looked(WORST, authority=wide), CALL))


LEVELS = st.sampled_from(Sensitivity)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), LEVELS), max_size=3),
    LEVELS,
    st.builds(Flow, sink=st.sampled_from(Sink), confined=st.booleans(), accepts=LEVELS),
    st.sampled_from(LABELS),
    LEVELS,
)
def test_it_only_gets_stricter(
    taints: list[tuple[str, Sensitivity]],
    seen: Sensitivity,
    flow: Flow,
    label: Label,
    more: Sensitivity,
) -> None:
    """With more values, more in view, and a receiver that may have less."""

    def judged(what: Examined, to: Flow = flow, where: Label = label) -> int:
        return rank(check(session(where), looked(what), replace(CALL, flow=to)))

    before = judged(found(*taints, label=seen))
    assert before <= judged(found(*taints, ("c", more), label=seen))
    assert before <= judged(found(*taints, label=max(seen, more)))
    assert before <= judged(found(*taints, label=seen), where=label.join(SECRET))
    less = replace(flow, accepts=min(flow.accepts, more))
    assert before <= judged(found(*taints, label=seen), to=less)
