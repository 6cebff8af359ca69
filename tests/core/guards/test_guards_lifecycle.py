"""The lifecycle guard: what each state lets through."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards.lifecycle import check
from holdfast.core.lifecycle import SessionState
from holdfast.core.verdicts import Allow, Deny
from holdfast.core.view import SessionView, Turn

TURN = Turn(id=2, cause=2, clock_ms=0)
CANCELLED = Turn(id=2, cause=2, clock_ms=0, cancel="user")
WORK = {SessionState.ACTIVE, SessionState.PROCESSING}
CALLS = (ActionKind.MODEL, ActionKind.TOOL)
ANY = [(kind, by_host) for kind in (*CALLS, ActionKind.ADMIT) for by_host in (False, True)]


@pytest.mark.parametrize("state", [state for state in SessionState if state not in WORK])
@pytest.mark.parametrize(("kind", "by_host"), ANY)
def test_session_that_does_not_work_lets_nothing_through(
    state: SessionState, kind: ActionKind, by_host: bool
) -> None:
    """Neither messages nor calls, of the turn or of the program."""
    view = SessionView(state=state, turn=TURN)
    verdict = check(view, Facts(now_ms=0), Action(kind=kind, by_host=by_host))
    assert Deny("lifecycle", "state", f"the session is {state.title}") == verdict


@pytest.mark.parametrize("state", sorted(WORK))
@pytest.mark.parametrize("turn", [None, TURN, CANCELLED])
@pytest.mark.parametrize(("kind", "by_host"), ANY)
def test_session_that_works(
    state: SessionState, turn: Turn | None, kind: ActionKind, by_host: bool
) -> None:
    """Messages and the program's calls pass; other calls need a turn that goes on."""
    view = SessionView(state=state, turn=turn)
    verdict = check(view, Facts(now_ms=0), Action(kind=kind, by_host=by_host))
    passes = kind is ActionKind.ADMIT or by_host or turn is TURN
    expected = Allow() if passes else Deny("lifecycle", "no_turn", "no turn is running")
    assert expected == verdict


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("wiping", [False, True])
@pytest.mark.parametrize("wiped", [False, True])
def test_key_goes_only_in_a_wipe(state: SessionState, wiping: bool, wiped: bool) -> None:
    """A key is destroyed once, after the intent to do so."""
    view = SessionView(state=state, wiping=wiping, wiped=wiped)
    verdict = check(view, Facts(now_ms=0), Action(kind=ActionKind.DESTROY_KEY))
    denied = Deny("lifecycle", "not_wiping", "the session is not being wiped")
    assert (Allow() if wiping and not wiped else denied) == verdict
