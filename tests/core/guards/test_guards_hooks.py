"""Guard: what hooks said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.authority import Authority, HookFinding
from holdfast.core.facts import Facts
from holdfast.core.guards.hooks import check
from holdfast.core.hooks import HookEvent
from holdfast.core.ids import EffectRef
from holdfast.core.settings import Settings
from holdfast.core.verdicts import Allow, Deny, Verdict
from holdfast.core.view import SessionView

CALL = Action(kind=ActionKind.TOOL, name="act", digest="d")
HOOKED = frozenset({HookEvent.PRE_TOOL_USE.value})


def judged(action: Action, authority: Authority, engine: str = "") -> Verdict:
    """What the guard says."""
    view = SessionView(settings=Settings(hook_engine=engine))
    return check(view, Facts(now_ms=1, authority=authority), action)


def found(finding: HookFinding) -> Authority:
    """Hooks have spoken."""
    return Authority(hooked=HOOKED, found={EffectRef(3, 1): finding})


def test_without_hooks_nothing_is_held() -> None:
    """The common case."""
    assert Allow() == judged(CALL, Authority())


def test_a_call_nobody_was_asked_about_is_denied() -> None:
    """No path leads round the hooks."""
    verdict = judged(CALL, Authority(hooked=HOOKED))
    assert isinstance(verdict, Deny)
    assert "not_asked" == verdict.reason


def test_a_finding_is_for_one_action() -> None:
    """What they said of another form does not count."""
    assert Allow() == judged(CALL, found(HookFinding(digest="d")))
    assert isinstance(judged(CALL, found(HookFinding(digest="e"))), Deny)


def test_a_block_is_a_denial_with_its_reason() -> None:
    """The model reads it."""
    verdict = judged(CALL, found(HookFinding(digest="d", blocked="no")))
    assert verdict == Deny("hooks", "blocked", "no")


@pytest.mark.parametrize("kind", [ActionKind.TOOL, ActionKind.MODEL, ActionKind.ADMIT])
def test_a_missing_engine_denies_everything(kind: ActionKind) -> None:
    """A session never runs without the hooks it was made with."""
    action = replace(CALL, kind=kind)
    assert isinstance(judged(action, Authority(), "own"), Deny)
    assert Allow() == judged(action, Authority(hook_engines=frozenset({"own"})), "own")


def test_messages_and_the_wipe_pass() -> None:
    """Hooks before messages are asked elsewhere; nothing may hold up a wipe."""
    assert Allow() == judged(replace(CALL, kind=ActionKind.ADMIT), Authority(hooked=HOOKED))
    wipe = replace(CALL, kind=ActionKind.DESTROY_KEY)
    assert Allow() == judged(wipe, Authority(hooked=HOOKED), "own")


def test_a_block_of_any_finding_is_a_denial() -> None:
    """Where it is not told apart which of two calls is judged, the stricter word holds."""
    said = {
        EffectRef(3, 1): HookFinding(digest="d"),
        EffectRef(3, 2): HookFinding(digest="d", blocked="not twice"),
    }
    verdict = judged(CALL, Authority(hooked=HOOKED, found=said))
    assert verdict == Deny("hooks", "blocked", "not twice")
