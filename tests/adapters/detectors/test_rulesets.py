"""Rule sets: keywords, checks, contexts, limits."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import (
    CANDIDATES_MAX,
    UNCHECKED,
    Candidate,
    Rule,
    RuleSet,
    Seen,
)
from holdfast.core.labels import Sensitivity


def find(text: str, *rules: Rule) -> Seen:
    """What rules see in a text."""
    seen = Seen([], [])
    for view in views_of(text):
        RuleSet(rules).find(view, seen)
    return seen


def values(text: str, *rules: Rule) -> list[str]:
    """The values that rules find in a text."""
    return [text[one.start : one.end] for one in find(text, *rules).findings]


def even(candidate: Candidate) -> int:
    """Let even numbers stand."""
    return len(candidate.value) if int(candidate.value) % 2 == 0 else 0


class GivesUp:
    """A prefilter that never answers."""

    def __init__(self, patterns: Sequence[str]) -> None:
        pass

    def matching(self, text: bytes) -> list[int] | None:
        """Give no answer."""
        return None


NUMBER = Rule(id="t.number", kind="email", pattern=r"\d+", check=even, validator="even")


def test_a_check_can_veto() -> None:
    """Only what stands is found, with the name of the check."""
    (found,) = find("x 3 8", NUMBER).findings
    assert (4, 5, "even", "t.number", Sensitivity.SENSITIVE) == (
        found.start, found.end, found.validator, found.rule, found.level
    )  # fmt: skip


def test_a_vetoed_candidate_is_tried_again_from_its_second_character() -> None:
    """A veto does not hide what begins within it."""
    pair = Rule(id="t", kind="email", pattern=r"\d \d", check=lambda one: 3 * (one.value == "2 3"))
    assert ["2 3"] == values("1 2 3", pair)


def test_a_check_can_cut_back() -> None:
    """What is cut off is searched again."""
    two = Rule(id="t", kind="email", pattern=r"\d{2,6}", check=lambda _: 2)
    assert ["12", "34"] == values("1234", two)


def test_a_group_is_the_value() -> None:
    """The first group, if there is one; an empty one is nothing."""
    assert ["7"] == values("no 7", Rule(id="t", kind="email", pattern=r"no (\d)"))
    assert [] == values("no ", Rule(id="t", kind="email", pattern=r"no (\d*)"))


def test_keywords_are_needed() -> None:
    """In any case of letters; a rule with keywords is not tried without one."""
    rule = Rule(id="t", kind="email", pattern=r"\d+", keywords=("abc",))
    assert [] == values("12 ab", rule)
    assert ["12"] == values("12 ABC", rule)


def test_a_context_is_needed() -> None:
    """Before the value or a little behind it."""
    rule = Rule(id="t", kind="email", pattern=r"\d+", near=("tel",))
    assert ["12"] == values("Tel 12", rule)
    assert ["12"] == values("12 is my TEL", rule)
    assert [] == values("tel" + "." * 90 + "12", rule)


def test_what_is_not_looked_at_counts_as_found() -> None:
    """After too many candidates the rest is one finding, and the caller is told."""
    text = "1 " * (CANDIDATES_MAX + 5)
    seen = find(text, NUMBER)
    (rest,) = seen.findings
    assert (2 * CANDIDATES_MAX, len(text), UNCHECKED) == (rest.start, rest.end, rest.validator)
    assert [f"t.number: only {CANDIDATES_MAX} candidates looked at"] == seen.weak


def test_a_prefilter_that_gives_up_lets_every_rule_run() -> None:
    """Fail closed: no answer is not the answer that nothing matches."""
    seen = Seen([], [])
    RuleSet([NUMBER], GivesUp).find(views_of("abc 8")[0], seen)
    assert (["t.number"], ["rules: the prefilter gave up"]) == (
        [one.rule for one in seen.findings], seen.weak
    )  # fmt: skip


def test_no_rules_find_nothing() -> None:
    """And rules with bad patterns are seen at once by `check_patterns`."""
    assert [] == find("anything", *[]).findings
    rules = RuleSet([NUMBER])
    rules.check_patterns()
    assert [NUMBER] == list(rules.rules)
