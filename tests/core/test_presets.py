"""The policy `developer`."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.policyform import policy_of
from holdfast.core.presets import DEVELOPER, DEVELOPER_RULES, developer_policy
from holdfast.core.rules import RULES_MAX, PolicyMode, RuleEffect, check_policy


def test_it_is_a_policy_that_can_be_stored_and_added_to() -> None:
    """Its rules parse, and leave room for those of a session."""
    policy = developer_policy()
    check_policy(policy)
    assert PolicyMode.DEFAULT is policy.mode
    assert {RuleEffect.ALLOW} == {rule.effect for rule in policy.rules}
    assert len(DEVELOPER_RULES) == len(set(policy.rules)) <= RULES_MAX - 32
    assert policy == policy_of(DEVELOPER)


def test_the_reference_lists_its_rules() -> None:
    """docs/reference/commands.md says what `developer` allows, rule by rule."""
    text = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text(encoding="utf-8")
    listed = text.rpartition("```text\n")[2].partition("```")[0].split("\n")
    assert list(DEVELOPER_RULES) == [line for line in listed if line]
