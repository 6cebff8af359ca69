"""Policies as plain data: what the seeds' configurations may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, MalformedRule
from holdfast.core.policyform import policy_form, policy_of, rule_form
from holdfast.core.rules import Policy, PolicyMode, RuleEffect, parse_rule
from permission_cases import Maker

SEED = {
    "deny": ["Bash(rm:*)"],
    "allow": ["Read", {"rule": "Bash(git status:*)"}],
    "ask": [{"rule": "Write", "always_ask": True, "role": "agent"}],
    "default_decision": "deny",
    "enabled": True,
}


def test_lists_of_rules() -> None:
    """Texts and objects, as the seeds write them (seed D3)."""
    policy = policy_of(SEED)
    assert policy is not None
    expected = (
        parse_rule("deny", "bash(rm:*)"),
        parse_rule("allow", "read"),
        parse_rule("allow", "bash(git status:*)"),
        parse_rule("ask", "write", always_ask=True, role="agent"),
    )
    assert (PolicyMode.STRICT, expected) == (policy.mode, policy.rules)


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("strict", PolicyMode.STRICT),
        (Policy(mode=PolicyMode.STRICT), PolicyMode.STRICT),
        ({}, PolicyMode.DEFAULT),
        ({"mode": "strict"}, PolicyMode.STRICT),
        ({"default_decision": "allow"}, PolicyMode.UNSAFE_PERMISSIVE),
        ({"default_decision": "ask"}, PolicyMode.DEFAULT),
        ({"enabled": False, "default_decision": "deny"}, PolicyMode.UNSAFE_PERMISSIVE),
    ],
)
def test_modes(value: object, mode: PolicyMode) -> None:
    """A preset's name, a mode or the seeds' word; switched off allows (a3s §14.1)."""
    policy = policy_of(value)
    assert policy is not None and mode is policy.mode
    assert policy_of(None) is None


def test_what_is_denied_stays_denied_when_switched_off() -> None:
    """`enabled` false takes away the questions, not the denials."""
    policy = policy_of({"enabled": False, "deny": ["bash"]})
    assert policy is not None and 1 == len(policy.rules)


@pytest.mark.parametrize(
    "value",
    [
        7,
        "permissive",
        {"denied": ["bash"]},
        {"deny": "bash"},
        {"deny": [7]},
        {"deny": [{"rules": "bash"}]},
        {"deny": [{"rule": "bash", "rol": "a"}]},
        {"deny": [{"rule": "bash", "role": 7}]},
        {"ask": [{"rule": "bash", "always_ask": 1}]},
        {"enabled": 1},
        {"default_decision": "perhaps"},
        {"default_decision": ["deny"]},
        {"default_decision": "deny", "mode": "strict"},
    ],
)
def test_a_misspelt_word_makes_no_rule_vanish(value: object) -> None:
    """Whatever is not understood is refused (a3s#A4)."""
    with pytest.raises(InvalidInput):
        policy_of(value)


def test_a_rule_in_a_list_has_to_parse() -> None:
    """The rule's own error comes through."""
    with pytest.raises(MalformedRule):
        policy_of({"deny": ["bash(rm"]})


def test_a_plain_rule_is_written_as_its_text() -> None:
    """Only what there is more to say of is an object."""
    assert "read" == rule_form(parse_rule("allow", "Read"))
    said = rule_form(parse_rule("allow", "read(a*)", literal=True))
    assert {"rule": "read(a*)", "literal": True} == said


@given(st.integers(0, 10_000))
def test_writing_and_reading_gives_the_same_rules(seed: int) -> None:
    """Save and restore: mode and rules are the ones that were set (a3s#A4, §14.2-3)."""
    policy = Maker(seed).policy()
    again = policy_of(policy_form(policy))
    assert again is not None and policy.mode is again.mode
    assert {*policy.rules} == {*again.rules}
    lists = policy_form(policy)
    assert all(isinstance(lists[effect.value], list) for effect in RuleEffect)
