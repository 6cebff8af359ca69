"""Hooks as values: answers, and what events do with them."""

from __future__ import annotations

from holdfast.core.hooks import (
    FAIL_CLOSED,
    HONOURED,
    HookAction,
    HookAnswer,
    HookEvent,
    block,
    modify,
    proceed,
    retry,
    skip,
)


def test_answers_say_what_they_mean() -> None:
    """Each maker makes its own action; changes are in a stable order."""
    assert HookAnswer() == proceed()
    assert HookAnswer(action=HookAction.BLOCK, reason="no") == block("no")
    assert (("a", 1), ("b", 2)) == modify(b=2, a=1).changes
    assert (HookAction.RETRY, 7) == (retry(7).action, retry(7).delay_ms)
    assert HookAction.SKIP is skip().action


def test_what_comes_before_fails_closed() -> None:
    """Whatever may still be held back is; what has happened is only told."""
    names = {event.value for event in FAIL_CLOSED}
    before = {event.value for event in HookEvent if HookAction.BLOCK in HONOURED[event]}
    after = {"post_tool_use", "generate_end"}
    assert names == before - after


def test_no_answer_permits() -> None:
    """There is no word for yes: a hook holds back or changes, nothing else."""
    assert {"continue", "modify", "block", "retry", "skip"} == {one.value for one in HookAction}
