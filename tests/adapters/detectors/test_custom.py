"""Rules of the operator."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.custom import CustomRule, CustomRules, read_level
from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import CANDIDATES_MAX, Seen
from holdfast.core.errors import InvalidInput
from holdfast.core.findings import Finding
from holdfast.core.labels import Sensitivity


def find(text: str, *rules: CustomRule) -> list[Finding]:
    """What rules find in a text."""
    seen = Seen([], [])
    CustomRules(rules).find(views_of(text)[0], seen)
    return seen.findings


def test_a_rule_finds_its_group_in_any_script() -> None:
    """With its name as the kind, and its level."""
    rule = CustomRule(name="project", pattern="项目(凤凰|PX-[0-9]+)", level="highly_sensitive")
    (found,) = find("é 项目ＰＸ－７!", CustomRule(name="p", pattern="(PX-7)"), rule)[:1]
    assert ("p", Sensitivity.SENSITIVE) == (found.kind, found.level)
    (found,) = find("é 项目凤凰", rule)
    assert ("project", 4, 6, Sensitivity.HIGHLY_SENSITIVE, "custom.project") == (
        found.kind, found.start, found.end, found.level, found.rule
    )  # fmt: skip


def test_case_may_not_matter() -> None:
    """If it is said."""
    assert [] == find("ABC", CustomRule(name="a", pattern="abc"))
    assert 1 == len(find("ABC", CustomRule(name="a", pattern="abc", case_sensitive=False)))


def test_a_group_that_is_empty_is_nothing() -> None:
    """Or that took no part."""
    assert [] == find("ab a", CustomRule(name="a", pattern="a(x?)|b(y)?"))


@pytest.mark.parametrize(
    ("rule", "says"),
    [(CustomRule(name="", pattern="a"), "name"), (CustomRule(name="A b", pattern="a"), "name"),
     (CustomRule(name="a", pattern=""), "empty"), (CustomRule(name="a", pattern="("), "no RE2"),
     (CustomRule(name="a", pattern="(?=a)"), "no RE2"),
     (CustomRule(name="a", pattern="a*"), "matches the empty text"),
     (CustomRule(name="a", pattern="\\b"), "matches the empty text"),
     (CustomRule(name="a", pattern="a" * 1001), "over 1000"),
     (CustomRule(name="a", pattern="(a{0,900}){0,900}b"), "no RE2"),
     (CustomRule(name="a", pattern="[ab]{900}[cd]{900}.{900}.{900}.{900}"), "too large"),
     (CustomRule(name="a", pattern="\ud800"), "surrogate"),
     (CustomRule(name="a", pattern="a", level="grave"), "level"),
     (CustomRule(name="a", pattern="a", confidence=1.5), "confidence")],
)  # fmt: skip
def test_what_cannot_work_is_refused(rule: CustomRule, says: str) -> None:
    """When it is loaded, with one line that does not repeat the pattern."""
    with pytest.raises(InvalidInput, match=says) as caught:
        CustomRules([rule])
    assert "\n" not in str(caught.value)


def test_names_differ_and_are_not_too_many() -> None:
    """One name is one rule."""
    with pytest.raises(InvalidInput, match="twice"):
        CustomRules([CustomRule(name="a", pattern="a"), CustomRule(name="a", pattern="b")])
    with pytest.raises(InvalidInput, match="over 500"):
        CustomRules([CustomRule(name=f"a{at}", pattern="a") for at in range(501)])


def test_levels_have_several_spellings() -> None:
    """As the type, as the seed spells them, as configuration does."""
    names = (
        "HighlySensitive",
        "highly_sensitive",
        "HIGHLY-SENSITIVE",
        Sensitivity.HIGHLY_SENSITIVE,
    )
    assert {Sensitivity.HIGHLY_SENSITIVE} == {read_level(name, "x") for name in names}


def test_too_many_matches_are_one_more_finding() -> None:
    """Over the rest of the text."""
    found = find("a" * (CANDIDATES_MAX + 9), CustomRule(name="a", pattern="a"))
    assert (CANDIDATES_MAX + 1, CANDIDATES_MAX + 9) == (len(found), found[-1].end)
