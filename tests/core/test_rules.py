"""Rules: what is one, what never matches, and that reading and writing agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, MalformedRule, NeverMatches, TooLarge
from holdfast.core.rules import (
    LITERAL_CHARS_MAX,
    RULE_CHARS_MAX,
    RULES_MAX,
    Policy,
    PolicyMode,
    Rule,
    RuleEffect,
    check_policy,
    parse_rule,
)
from holdfast.core.tools import ToolSpec


def spec(parameters: str, **declared: object) -> ToolSpec:
    """A tool's declaration."""
    return ToolSpec(name="t", description="", parameters=parameters, **declared)


@pytest.mark.parametrize(
    ("text", "tool", "pattern"),
    [
        ("Read", "read", None),
        ("Read()x)", None, None),
        (" Bash (git status:*) ", "bash", "git status:*"),
        ("mcp__github__*", "mcp__github__*", None),
        ("mcp__*", "mcp__*", None),
        ("*", "*", None),
        ("write(src/**)", "write", "src/**"),
        ("bash(echo (a))", "bash", "echo (a)"),
        ("Grep(*)", "grep", "*"),
        ("bash(cd ..)", "bash", "cd .."),
    ],
)
def test_a_rule_is_a_tool_and_perhaps_a_pattern(
    text: str, tool: str | None, pattern: str | None
) -> None:
    """Names are read without regard to case; the pattern is what stands in the brackets."""
    if tool is None:
        with pytest.raises(MalformedRule):
            parse_rule("allow", text)
        return
    rule = parse_rule("allow", text)
    assert (tool, pattern) == (rule.tool, rule.pattern)


@pytest.mark.parametrize(
    "text",
    ["", "(x)", "a b", "a*b", "ba$h", "bash(a\nb)", "read(a**b)", "bash(a ** b)", "x" * 200],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    """Each with the reason `malformed_rule`; upstream kept them as names (a3s#A4)."""
    with pytest.raises(MalformedRule) as caught:
        parse_rule("deny", text)
    assert "malformed_rule" == caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "bash()", "bash( )", "bash(a))", "bash((a)", "bash(:*)",
        "read(../x)", "write(a/../../b)", "read(..)", "mcp__git*",
    ],
)  # fmt: skip
def test_what_can_never_match_is_refused(text: str) -> None:
    """Empty patterns, brackets within that do not match, paths that lead out, half a server."""
    with pytest.raises(NeverMatches) as caught:
        parse_rule("allow", text)
    assert "rule_never_matches" == caught.value.reason


@pytest.mark.parametrize("text", ["bash(", "bash(git", "bash git)", "bash)"])
def test_brackets_that_do_not_close_are_no_rule(text: str) -> None:
    """It cannot be told what was meant."""
    with pytest.raises(MalformedRule) as caught:
        parse_rule("allow", text)
    assert "malformed_rule" == caught.value.reason


def test_the_registry_tells_what_never_matches() -> None:
    """A tool without arguments has nothing a pattern could be compared with."""
    with pytest.raises(NeverMatches):
        parse_rule("deny", "t(x)", spec=spec('{"type":"object","properties":{}}'))
    with pytest.raises(NeverMatches):
        parse_rule("deny", "t(../x)", spec=spec("{}", path_params=("path",)))
    assert parse_rule("deny", "t", spec=spec('{"type":"object","properties":{}}'))
    assert parse_rule("deny", "t(../x)", spec=spec("{}", command_param="line"))
    assert parse_rule("deny", "t(x)", spec=spec('{"properties":{"a":{}}}'))
    with pytest.raises(NeverMatches):
        parse_rule("deny", "t(x)", spec=spec("{}"))
    assert parse_rule("deny", "t(x)", spec=spec("not json"))


@pytest.mark.parametrize(
    ("effect", "text", "flags"),
    [
        ("perhaps", "x", {}),
        ("allow", "x", {"always_ask": True}),
        ("deny", "x", {"always_ask": True}),
        ("allow", 7, {}),
        ("allow", "x", {"role": "r" * 129}),
        ("allow", f"bash({'x' * RULE_CHARS_MAX})", {}),
        ("allow", f"bash({'x' * LITERAL_CHARS_MAX})", {"literal": True}),
    ],
)
def test_the_rest_of_a_rule_is_checked_as_well(
    effect: str, text: object, flags: dict[str, object]
) -> None:
    """Effects, marks, types and lengths."""
    with pytest.raises(MalformedRule):
        parse_rule(effect, text, **flags)


def test_literal_patterns_are_taken_as_they_are() -> None:
    """What was approved may hold anything, but not nothing (astrid#AW-1)."""
    text = 'read({"path":"../*"))'
    rule = parse_rule("allow", text, literal=True)
    assert ('{"path":"../*")', True, False) == (rule.pattern, rule.literal, rule.whole)
    with pytest.raises(NeverMatches):
        parse_rule("allow", "read()", literal=True)
    assert not parse_rule("allow", "read", literal=True).literal


NAMES = st.sampled_from(["bash", "Read", "mcp__a__b", "mcp__a__*", "x.y", "*", "ärger"])
PATTERNS = st.none() | st.text(
    alphabet=st.sampled_from("ab*/. ():é\"{}'~-"), min_size=1, max_size=12
)


@given(
    st.sampled_from(RuleEffect),
    NAMES,
    PATTERNS,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "agent"]),
)
def test_reading_what_was_written_gives_the_same_rule(
    effect: RuleEffect, name: str, pattern: str | None, literal: bool, always: bool, role: str
) -> None:
    """parse(rule.text) == rule, whatever parses at all (a3s#A4)."""
    flags = {"literal": literal, "role": role, "always_ask": always and effect is RuleEffect.ASK}
    try:
        rule = parse_rule(effect, name if pattern is None else f"{name}({pattern})", **flags)
    except MalformedRule:
        return
    again = parse_rule(rule.effect, rule.text, **{**flags, "literal": rule.literal})
    assert rule == again


def test_presets() -> None:
    """strict, default and unsafe_permissive; the last says what it is."""
    assert PolicyMode.STRICT is Policy.preset("strict").mode
    assert Policy() == Policy.preset("default")
    assert PolicyMode.UNSAFE_PERMISSIVE is Policy.preset("unsafe_permissive").mode
    with pytest.raises(InvalidInput):
        Policy.preset("permissive")


def test_rules_are_added_once() -> None:
    """A rule that is there already adds nothing."""
    rule = parse_rule("allow", "read")
    policy = Policy().with_rules(rule, rule)
    assert (rule,) == policy.rules
    assert policy is policy.with_rules(rule)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(effect=RuleEffect.DENY, tool="Bash"),
        Rule(effect=RuleEffect.DENY, tool="bash(rm"),
        Rule(effect=RuleEffect.DENY, tool="bash", pattern=""),
        Rule(effect=RuleEffect.DENY, tool="bash", always_ask=True),
        Rule(effect=RuleEffect.DENY, tool="bash", literal=True),
    ],
)
def test_a_stored_rule_that_would_be_read_differently_is_refused(rule: Rule) -> None:
    """What was kept is parsed again when it is loaded (a3s#A4)."""
    with pytest.raises(MalformedRule):
        check_policy(Policy(rules=(rule,)))


def test_a_policy_has_so_many_rules() -> None:
    """At the limit it is accepted, above it is too large."""
    rules = tuple(parse_rule("allow", f"t{n}") for n in range(RULES_MAX + 1))
    check_policy(Policy(rules=rules[:-1]))
    with pytest.raises(TooLarge):
        check_policy(Policy(rules=rules))


def test_a_rule_hides_what_it_always_decides_before() -> None:
    """The same arguments or all of them, for the same people or for everybody."""
    whole, part = parse_rule("deny", "x"), parse_rule("allow", "x(y)")
    assert whole.hides(part) and not part.hides(whole)
    assert part.hides(parse_rule("allow", "x(y)")) and not whole.hides(parse_rule("allow", "z"))
    guest = parse_rule("deny", "x", role="guest")
    assert not guest.hides(part) and guest.hides(parse_rule("allow", "x(y)", role="guest"))
    assert whole.hides(guest)
