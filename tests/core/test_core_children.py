"""Children: never wider than their parent (astrid#AW-16, a3s#A15)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.accounts import BudgetSettings
from holdfast.core.children import narrow
from holdfast.core.errors import Denied, InvalidInput
from holdfast.core.security import FlowMode, Security
from holdfast.core.settings import ConfirmationPolicy, Limits, Settings, TimeoutAction
from holdfast.core.tools import Lane

NUMBERS = st.integers(1, 16)
LIMITS = st.builds(
    Limits, max_rounds=NUMBERS, turn_s=NUMBERS, tool_s=NUMBERS, parallel_tools=NUMBERS
)
POLICIES = st.builds(
    ConfirmationPolicy,
    enabled=st.booleans(),
    attended_s=NUMBERS,
    unattended_s=st.none() | NUMBERS,
    timeout_action=st.sampled_from(TimeoutAction),
    unsafe_auto_approve=st.lists(st.sampled_from(Lane), unique=True).map(tuple),
    quorum=NUMBERS,
)


@given(LIMITS, LIMITS)
def test_limits_are_the_smaller_ones(up: Limits, down: Limits) -> None:
    """In every part."""
    got = narrow(Settings(limits=up), Settings(limits=down)).limits
    for name in ("max_rounds", "turn_s", "tool_s", "parallel_tools"):
        assert min(getattr(up, name), getattr(down, name)) == getattr(got, name)


@given(POLICIES, POLICIES)
def test_confirmation_is_the_stricter(up: ConfirmationPolicy, down: ConfirmationPolicy) -> None:
    """No lane, time-out or waiver of the child that its parent has not."""
    got = narrow(Settings(confirmation=up), Settings(confirmation=down)).confirmation
    assert up.enabled >= got.enabled
    assert got.attended_s <= up.attended_s
    assert up.unattended_s is None or (got.unattended_s or 0) <= up.unattended_s
    assert set(got.unsafe_auto_approve) <= set(up.unsafe_auto_approve)
    assert got.quorum >= up.quorum
    if up.timeout_action is TimeoutAction.REJECT:
        assert TimeoutAction.REJECT is got.timeout_action


def test_a_child_that_says_nothing_is_asked_as_its_parent() -> None:
    """The whole policy."""
    up = ConfirmationPolicy(attended_s=7, quorum=3, critical=("bash(rm:*)",))
    assert up == narrow(Settings(confirmation=up), Settings()).confirmation


def test_unasked_only_if_both() -> None:
    """A waiver is not inherited and not taken."""
    unsafe, safe = Settings(unsafe_auto_approve=True), Settings()
    assert narrow(unsafe, unsafe).unsafe_auto_approve
    assert not narrow(unsafe, safe).unsafe_auto_approve
    assert not narrow(safe, unsafe).unsafe_auto_approve


def test_tools_are_among_the_parents() -> None:
    """Without regard to case; a name beside them is refused."""
    up = Settings(tools=("Read", "bash"))
    assert ("read",) == narrow(up, Settings(tools=("read",))).tools
    assert ("Read", "bash") == narrow(up, Settings()).tools
    assert ("x",) == narrow(Settings(), Settings(tools=("x",))).tools
    with pytest.raises(InvalidInput, match="'write' is not one"):
        narrow(up, Settings(tools=("read", "write")))


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        ("/w", "", "/w"),
        ("/w", "/w", "/w"),
        ("/w", "/w/in", "/w/in"),
        ("/w", "/w/../w/in", "/w/../w/in"),
        ("/w", "/w2", None),
        ("/w", "/w/../etc", None),
        ("/w", "/", None),
        ("", "/w", None),
        ("", "", ""),
    ],
)
def test_a_workspace_lies_within(up: str, down: str, expected: str | None) -> None:
    """A name that only begins alike does not."""
    if expected is None:
        with pytest.raises(Denied, match="within its parent's"):
            narrow(Settings(workspace=up), Settings(workspace=down))
    else:
        got = narrow(Settings(workspace=up), Settings(workspace=down))
        assert expected == got.workspace


def test_budget_hooks_and_model() -> None:
    """The smaller budget, the parent's hooks, the parent's model unless it has its own."""
    up = Settings(hook_engine="h", budget=BudgetSettings(micros=10, action_micros=5))
    got = narrow(up, Settings(budget=BudgetSettings(micros=99, action_micros=3)))
    assert (10, 3) == (got.budget.micros, got.budget.action_micros)
    assert "h" == got.hook_engine
    with pytest.raises(InvalidInput, match="hook engine"):
        narrow(up, replace(Settings(), hook_engine="other"))


def test_content_security_is_the_stricter() -> None:
    """A child is looked at as its parent at least."""
    up = Settings(security=Security(flow=FlowMode.STRICT, reject_kinds=0))
    down = Settings(security=Security(flow=FlowMode.OBSERVE, reject_kinds=2, taints=False))
    expected = Security(flow=FlowMode.STRICT, reject_kinds=2)
    assert expected == narrow(up, down).security
    assert up.security == narrow(up, Settings(security=Security(enabled=False))).security
