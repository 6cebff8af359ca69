"""The gate: the strictest guard wins and what goes wrong is a denial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_talk import MODEL, Talk, action_of
from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.facts import Facts
from holdfast.core.judge import GUARDS, Guard, judge
from holdfast.core.messages import ToolUse
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import SessionView

LOOK = action_of(ToolUse("1", "look"))


def running(settings: Settings | None = None) -> SessionView:
    """A session whose turn runs."""
    talk = Talk(settings or Settings(unsafe_auto_approve=True))
    talk.send()
    return talk.view


def says(verdict: Verdict) -> tuple[str, Guard]:
    """A guard that always answers the same."""
    return "fixed", lambda view, facts, action: verdict


def test_everything_in_order_is_allowed() -> None:
    """A known model and a known tool of a running turn may be called."""
    assert Allow() == judge(running(), Facts(now_ms=0), MODEL)
    assert Allow() == judge(running(), Facts(now_ms=0), LOOK)


def test_action_that_was_not_understood_is_denied() -> None:
    """No action, no Allow."""
    expected = Deny("judge", "not_normalised", "the action could not be understood")
    assert expected == judge(running(), Facts(now_ms=0), None)


def test_without_guards_all_is_denied() -> None:
    """An empty gate is shut."""
    expected = Deny("judge", "no_guards", "no guard is in place")
    assert expected == judge(running(), Facts(now_ms=0), LOOK, ())


def broken(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard with a bug."""
    raise KeyError("secret words")


def mute(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard that forgets to answer."""
    return None


@pytest.mark.parametrize(("guard", "error"), [(broken, "KeyError"), (mute, "AssertionError")])
def test_guard_that_fails_has_denied(guard: Guard, error: str) -> None:
    """A guard that raises or answers nothing denies, without repeating its words."""
    verdict = judge(running(), Facts(now_ms=0), LOOK, (*GUARDS, ("odd", guard)))
    assert Deny("odd", "guard_failed", f"the guard failed: {error}") == verdict


def test_guards_join() -> None:
    """Deny over Ask over Allow; obligations of all guards hold."""
    allow, ask, deny = Allow(("log",)), Ask("g", "r", "q"), Deny("g", "r", "d")
    view, facts = running(), Facts(now_ms=0)
    assert Allow(("log", "route")) == judge(
        view, facts, LOOK, (says(allow), says(Allow(("route",))))
    )
    with_log = replace(ask, obligations=("log",))
    assert with_log == judge(view, facts, LOOK, (says(allow), says(ask)))
    assert deny == judge(view, facts, LOOK, (says(ask), says(deny), says(allow)))


NAMES = st.sampled_from(["look", "put", "pay", "nobody"])
ACTIONS = st.builds(
    Action,
    kind=st.sampled_from(ActionKind),
    name=NAMES,
    digest=st.just("d"),
    known=st.booleans(),
    problem=st.sampled_from(["", "bad"]),
    nature=st.sampled_from(Nature),
    needs_workspace=st.booleans(),
    has_workspace=st.booleans(),
    by_host=st.booleans(),
    paths=st.lists(st.sampled_from([PathUse("a", "a"), PathUse("../x", None)]), max_size=2).map(
        tuple
    ),
)
VERDICTS = st.sampled_from([Allow(), Allow(("o",)), Ask("g", "r", "q"), Deny("a", "r", "d")])
STRICT = {Allow: 0, Ask: 1, Deny: 2}


@given(
    ACTIONS,
    st.builds(Settings, tools=st.none() | st.just(("Look",)), unsafe_auto_approve=st.booleans()),
    VERDICTS,
)
def test_one_more_guard_never_permits_more(
    action: Action, settings: Settings, verdict: Verdict
) -> None:
    """Adding a guard can only make the answer stricter."""
    view, facts = running(settings), Facts(now_ms=0)
    before = judge(view, facts, action)
    after = judge(view, facts, action, (*GUARDS, says(verdict)))
    assert STRICT[type(before)] <= STRICT[type(after)]
    if isinstance(before, Allow) and isinstance(after, Allow):
        assert {*before.obligations} <= {*after.obligations}


@given(ACTIONS, st.permutations(GUARDS))
def test_order_of_guards_does_not_matter(action: Action, guards: list[tuple[str, Guard]]) -> None:
    """Any order gives the same verdict, reason included."""
    view, facts = running(), Facts(now_ms=0)
    assert judge(view, facts, action) == judge(view, facts, action, tuple(guards))
