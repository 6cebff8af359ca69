"""Strangers' words do not steer what has consequences."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_content import (
    CALL,
    GROUNDED,
    LABELS,
    SECRET,
    STRANGE,
    granted,
    looked,
    rank,
    said,
    session,
)
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.flows import Flow, Role, Sink
from holdfast.core.grants import GrantKind
from holdfast.core.guards.flow import check
from holdfast.core.labels import TRUSTED, UNTRUSTED, Label
from holdfast.core.provenance import Examined
from holdfast.core.security import FlowMode, Security
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Ask
from holdfast.core.view import SessionView

STRICT, PROVENANCE, OBSERVE = FlowMode.STRICT, FlowMode.PROVENANCE, FlowMode.OBSERVE
MODES = (STRICT, PROVENANCE)
BARE = Examined(digest=CALL.digest)
INFLUENCED = replace(GROUNDED, uses=(STRANGE,))
PLANNED = replace(GROUNDED, step=1)


@pytest.mark.parametrize("flow", MODES)
@pytest.mark.parametrize("label", LABELS[1:])
def test_what_was_not_examined_is_denied(flow: FlowMode, label: Label) -> None:
    """No finding is not a good one; nor is one about another form of the call."""
    view = session(label, flow=flow)
    other = looked(replace(GROUNDED, digest="of another call"))
    for facts in (looked(None), other):
        assert "deny:not_examined" == said(check(view, facts, CALL))
        unsafe = session(label, flow=flow, unsafe_auto_approve=True)
        assert "deny:not_examined" == said(check(unsafe, facts, CALL)), "it answers asks only"
        grant = replace(facts, authority=granted('mail({"to":"eve"})'))
        assert "deny:not_examined" == said(check(view, grant, CALL))
    undeclared = replace(CALL, flow=None)
    assert "deny:not_examined" == said(check(view, looked(None), undeclared)), "a sink by default"


@pytest.mark.parametrize(
    ("view", "action"),
    [
        (session(TRUSTED), CALL),
        (session(flow=OBSERVE), CALL),
        (session(enabled=False), CALL),
        (session(), replace(CALL, by_host=True)),
        (session(), replace(CALL, flow=Flow(sink=Sink.NONE))),
        (session(), replace(CALL, known=False)),
        (session(), replace(CALL, problem="no such argument")),
        (session(), replace(CALL, kind=ActionKind.ADMIT)),
        (session(), replace(CALL, kind=ActionKind.MODEL)),
    ],
    ids=["clean", "observe", "off", "host", "no sink", "unknown", "bad", "message", "model"],
)
def test_what_need_not_be_examined_passes(view: SessionView, action: Action) -> None:
    """Calls of the program and those without consequences; other guards know the rest."""
    assert "allow" == said(check(view, looked(None), action))


def test_the_installation_may_be_stricter() -> None:
    """What it says holds, whatever the session's own settings are."""
    facts = looked(None, security=Security(flow=STRICT))
    assert "deny:not_examined" == said(check(session(flow=OBSERVE), facts, CALL))


@pytest.mark.parametrize(
    ("flow", "found", "plan", "expected"),
    [
        (STRICT, GROUNDED, (), "ask:influenced"),
        (STRICT, BARE, (), "ask:influenced"),
        (STRICT, INFLUENCED, (), "ask:provenance"),
        (STRICT, GROUNDED, (1,), "ask:not_planned"),
        (STRICT, PLANNED, (1,), "allow"),
        (STRICT, PLANNED, (0,), "ask:not_planned"),
        (STRICT, replace(INFLUENCED, step=1), (1,), "ask:provenance"),
        (PROVENANCE, GROUNDED, (), "ask:influenced"),
        (PROVENANCE, BARE, (), "ask:influenced"),
        (PROVENANCE, INFLUENCED, (), "ask:provenance"),
        (PROVENANCE, GROUNDED, (1,), "ask:not_planned"),
        (PROVENANCE, PLANNED, (1,), "allow"),
        (PROVENANCE, PLANNED, (0,), "ask:not_planned"),
        (PROVENANCE, replace(BARE, step=1), (1,), "allow"),
        (PROVENANCE, replace(INFLUENCED, step=1), (1,), "ask:provenance"),
    ],
)
def test_after_strangers_words(
    flow: FlowMode, found: Examined, plan: tuple[int, ...], expected: str
) -> None:
    """Both want a step of the plan, and values that the user or a trusted source gave."""
    view = replace(session(flow=flow), plan_at=5 if plan else 0, plan_left=plan)
    assert expected == said(check(view, looked(found), CALL))


@pytest.mark.parametrize("flow", MODES)
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("extraction", [True, False, None])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("left", [1, 0])
def test_an_extracted_value_is_an_id_or_an_amount_of_a_planned_call_only(
    flow: FlowMode, role: Role, extraction: bool | None, closed: bool, left: int
) -> None:
    """Where extraction is on, and never a target or a link within a text."""
    view = replace(session(flow=flow, extraction=extraction), plan_at=5, plan_left=(left,))
    use = replace(STRANGE, role=role, closed=closed)
    said_of = said(check(view, looked(replace(GROUNDED, step=1, uses=(use,))), CALL))
    passes = role in (Role.ID, Role.AMOUNT) and extraction is True and closed and left
    assert ("allow" if passes else "ask:provenance") == said_of


def test_an_extracted_value_does_not_speak_for_another() -> None:
    """One strange value among extracted ones is asked about, and it alone is named."""
    view = replace(session(extraction=True), plan_at=5, plan_left=(1,))
    read = replace(STRANGE, role=Role.ID, preview="A-1", closed=True)
    asked = check(view, looked(replace(GROUNDED, step=1, uses=(STRANGE, read))), CALL)
    assert isinstance(asked, Ask)
    assert "eve@x.test" in asked.question and "A-1" not in asked.question


@pytest.mark.parametrize("step", [-1, 0, 2, 4, 99])
@pytest.mark.parametrize("flow", MODES)
def test_a_step_must_be_there_and_left(flow: FlowMode, step: int) -> None:
    """One that is used up, or that the plan does not have, is no step."""
    view = replace(session(flow=flow), plan_at=5, plan_left=(1, 0, 3))
    asked = check(view, looked(replace(GROUNDED, step=step)), CALL)
    assert isinstance(asked, Ask)
    assert "allow" == said(check(view, looked(replace(GROUNDED, step=3)), CALL))


def test_a_plan_that_was_never_fixed_has_no_steps() -> None:
    """What says otherwise is mistaken."""
    assert "ask:influenced" == said(check(session(flow=STRICT), looked(PLANNED), CALL))


def test_what_is_confined_has_been_judged_by_the_boundary() -> None:
    """In `provenance`; `strict` asks about any consequence."""
    confined = replace(CALL, flow=Flow(sink=Sink.WRITE, confined=True))
    for found, asked in ((BARE, "ask:influenced"), (INFLUENCED, "ask:provenance")):
        assert "allow" == said(check(session(flow=PROVENANCE), looked(found), confined))
        assert asked == said(check(session(flow=STRICT), looked(found), confined))


def test_what_only_reads_carries_nothing_away_without_strange_values() -> None:
    """A search of the user's words passes; an address that a stranger gave does not."""
    search = replace(CALL, nature=Nature.READ_ONLY)
    for plan in ((), (1,)):
        view = replace(session(flow=PROVENANCE), plan_at=5 if plan else 0, plan_left=plan)
        assert "allow" == said(check(view, looked(BARE), search))
        assert "ask:provenance" == said(check(view, looked(INFLUENCED), search))
    assert "ask:influenced" == said(check(session(flow=STRICT), looked(BARE), search))


@pytest.mark.parametrize("flow", MODES)
def test_sensitive_content_of_the_users_own_influences_nothing(flow: FlowMode) -> None:
    """What the session holds is the affair of the guard of egress."""
    assert "allow" == said(check(session(SECRET, flow=flow), looked(BARE), CALL))


@pytest.mark.parametrize("flow", MODES)
def test_where_nobody_is_asked_it_passes(flow: FlowMode) -> None:
    """`unsafe_auto_approve` answers what would be asked."""
    view = session(flow=flow, unsafe_auto_approve=True)
    for found in (BARE, INFLUENCED):
        assert "allow" == said(check(view, looked(found), CALL))


@pytest.mark.parametrize("flow", MODES)
def test_what_was_granted_in_its_very_words_passes(flow: FlowMode) -> None:
    """Not what a wider grant covers, nor another call; a capability counts as well."""
    rows = [
        (granted('mail({"to":"eve"})'), True),
        (granted('mail({"to":"eve"})', kind=GrantKind.CAPABILITY), True),
        (granted('mail({"to":"bob"})'), False),
        (granted('mail({"to":*)', literal=False), False),
        (granted("mail", literal=False), False),
        (granted('send({"to":"eve"})'), False),
    ]
    for authority, passes in rows:
        verdict = check(session(flow=flow), looked(INFLUENCED, authority=authority), CALL)
        assert passes == ("allow" == said(verdict)), authority


def test_the_question_names_what_comes_from_where() -> None:
    """The first few of the values, each with its origin."""
    many = tuple(replace(STRANGE, argument=f"to{place}") for place in range(9))
    verdict = check(session(), looked(replace(GROUNDED, uses=many)), CALL)
    assert isinstance(verdict, Ask)
    first = "mail: target 'to0' (eve@x.test) comes from read_page (event 9); target 'to1'"
    assert verdict.question.startswith(first)
    assert ("flow", 4) == (verdict.guard, verdict.question.count("eve@x.test"))


FOUND = st.builds(
    Examined,
    digest=st.sampled_from([CALL.digest, "other"]),
    uses=st.sampled_from([(), (STRANGE,)]),
    grounded=st.integers(0, 2),
    step=st.integers(0, 3),
)
PLANS = st.lists(st.integers(0, 2), max_size=3).map(tuple)
FLOWS = st.sampled_from(
    [None, Flow(sink=Sink.EGRESS), Flow(sink=Sink.WRITE), Flow(sink=Sink.WRITE, confined=True)]
)


@given(FOUND, PLANS, FLOWS, st.sampled_from(LABELS), st.sampled_from(Nature))
def test_it_only_gets_stricter(
    found: Examined, plan: tuple[int, ...], flow: Flow | None, label: Label, nature: Nature
) -> None:
    """With strangers' words, strange values, fewer grounds, less of a plan, a stricter mode."""
    action = replace(CALL, flow=flow, nature=nature)

    def judged(mode: FlowMode, where: Label, what: Examined | None, left: tuple[int, ...]) -> int:
        view = replace(session(where, flow=mode), plan_at=5 if plan else 0, plan_left=left)
        return rank(check(view, looked(what) if what else Facts(now_ms=0), action))

    for mode in FlowMode:
        before = judged(mode, label, found, plan)
        assert before <= judged(mode, label.join(UNTRUSTED), found, plan)
        assert before <= judged(mode, label, replace(found, uses=(STRANGE,)), plan)
        assert before <= judged(mode, label, replace(found, grounded=0), plan)
        assert before <= judged(mode, label, replace(found, step=0), plan)
        assert before <= judged(mode, label, found, tuple(0 for _ in plan))
        assert before <= judged(mode, label, None, plan)
    assert judged(OBSERVE, label, found, plan) <= judged(PROVENANCE, label, found, plan)
