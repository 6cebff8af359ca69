"""The offer guard: what is offered to the session, with which arguments."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards.offer import check
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Allow, Verdict
from holdfast.core.view import SessionView


def verdict_on(action: Action, **settings: object) -> Verdict:
    """What the guard says in a session with these settings."""
    view = SessionView(settings=Settings(**settings))
    return check(view, Facts(now_ms=0), action)


def reason_of(verdict: Verdict) -> str:
    """The reason of a denial, or "" for Allow."""
    return "" if isinstance(verdict, Allow) else verdict.reason


@pytest.mark.parametrize("kind", [ActionKind.ADMIT, ActionKind.DESTROY_KEY])
def test_what_is_no_call_passes(kind: ActionKind) -> None:
    """Messages and the wipe are none of its business."""
    assert Allow() == verdict_on(Action(kind=kind, known=False, problem="x"))


@pytest.mark.parametrize("kind", [ActionKind.MODEL, ActionKind.TOOL])
def test_unknown_names_are_refused(kind: ActionKind) -> None:
    """What the installation does not offer does not exist."""
    verdict = verdict_on(Action(kind=kind, name="x", known=False), unsafe_auto_approve=True)
    assert "unknown" == reason_of(verdict)


def test_known_model_passes() -> None:
    """A model is not in the tool list and needs no approval."""
    assert Allow() == verdict_on(Action(kind=ActionKind.MODEL, name="m"), tools=())


@pytest.mark.parametrize(
    ("listed", "expected"),
    [(None, ""), (("look",), ""), (("LOOK", "x"), ""), (("x",), "not_listed"), ((), "not_listed")],
)
def test_session_list(listed: tuple[str, ...] | None, expected: str) -> None:
    """No list means all; a list is read without regard to case."""
    action = Action(kind=ActionKind.TOOL, name="Look", nature=Nature.READ_ONLY)
    assert expected == reason_of(verdict_on(action, tools=listed))


def test_bad_arguments_are_refused_with_their_problem() -> None:
    """The model is told what was wrong."""
    action = Action(kind=ActionKind.TOOL, problem="no path given", nature=Nature.READ_ONLY)
    verdict = verdict_on(action)
    assert "bad_arguments" == reason_of(verdict)
    assert "no path given" == verdict.detail


@pytest.mark.parametrize("nature", Nature)
def test_what_a_tool_may_change_is_none_of_its_business(nature: Nature) -> None:
    """Whether a listed call with valid arguments may run, the permission guard says."""
    assert Allow() == verdict_on(Action(kind=ActionKind.TOOL, name="t", nature=nature))
