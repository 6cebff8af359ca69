"""What a session keeps to about content, and that it only gets stricter."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import StrEnum
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.labels import Sensitivity
from holdfast.core.security import (
    KINDS_MAX,
    PACKS_MAX,
    RULES_MAX,
    STRATEGIES,
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
    Zone,
    stricter,
)

Word = TypeVar("Word", bound=StrEnum)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FlowMode, ["observe", "provenance", "strict"]),
        (InjectionDefense, ["observe", "messages", "all"]),
        (Zone, ["public", "private", "local", "tee"]),
        (Fallback, ["allow", "warn", "reject"]),
        (RoutingDecision, ["process_local", "process_in_tee", "require_confirmation", "reject"]),
    ],
)
def test_words_are_in_order(kind: type[StrEnum], words: list[str]) -> None:
    """The laxest first, and a word that is not one of them is refused."""
    assert words == [one.value for one in kind]
    for word in ("", words[0].upper(), f"{words[-1]} "):
        with pytest.raises(ValueError, match="is not a valid"):
            kind(word)


def test_defaults_are_the_compatible_ones() -> None:
    """Three kinds ask, five are refused; what is missing an enclave is rejected."""
    security = Security()
    assert (True, "", 3, 5) == (
        security.enabled,
        security.problem,
        security.warn_kinds,
        security.reject_kinds,
    )
    assert (Sensitivity.SENSITIVE, True, Fallback.REJECT) == (
        security.data.tee_threshold,
        security.data.allow_highly_sensitive,
        security.data.fallback,
    )
    assert (FlowMode.PROVENANCE, InjectionDefense.MESSAGES) == (security.flow, security.injection)


@pytest.mark.parametrize(
    ("security", "problem"),
    [
        (Security(redaction="keep"), "redaction"),
        (Security(rules=(CustomRule(name="n", pattern="x"),) * (RULES_MAX + 1)), "rules"),
        (Security(rules=(CustomRule(name="", pattern="x"),)), "rules"),
        (Security(rules=(CustomRule(name="n" * 33, pattern="x"),)), "rules"),
        (Security(rules=(CustomRule(name="n" * 32, pattern="x"),)), ""),
        (Security(data=DataPolicy(type_rules=(("é" * 17, RoutingDecision.REJECT),))), "data"),
        (Security(data=DataPolicy(type_rules=(("é" * 16, RoutingDecision.REJECT),))), ""),
        (Security(packs=("gdpr",) * (PACKS_MAX + 1)), "packs"),
        (Security(warn_kinds=-1), "warn_kinds"),
        (Security(warn_kinds=KINDS_MAX + 1), "warn_kinds"),
        (Security(reject_kinds=-1), "reject_kinds"),
        (Security(reject_kinds=KINDS_MAX + 1), "reject_kinds"),
        (Security(half_life_days=0), "half_life_days"),
        (Security(half_life_days=36_501), "half_life_days"),
        (Security(warn_kinds=0, reject_kinds=KINDS_MAX, half_life_days=36_500), ""),
        (Security(rules=(CustomRule(name="n", pattern="x"),) * RULES_MAX), ""),
        (Security(packs=("gdpr",) * PACKS_MAX, half_life_days=1, redaction="hash"), ""),
    ],
)
def test_what_is_out_of_range_is_named(security: Security, problem: str) -> None:
    """Both sides of each limit."""
    assert problem == security.problem


def rule(name: str) -> CustomRule:
    """A rule of the classifier."""
    return CustomRule(name=name, pattern=name)


OUTER = Security(
    flow=FlowMode.STRICT,
    reader=Sensitivity.NORMAL,
    redaction="mask",
    rules=(rule("a"), rule("b")),
    packs=("gdpr",),
    hosts=("b.test", "a.test"),
    dangerous=("bash(curl:*)",),
    data=DataPolicy(
        name="house",
        tee_threshold=Sensitivity.HIGHLY_SENSITIVE,
        type_rules=(("email", RoutingDecision.REJECT),),
        fallback=Fallback.WARN,
    ),
    warn_kinds=2,
    reject_kinds=0,
    half_life_days=10,
    taints=False,
)
INNER = Security(
    flow=FlowMode.OBSERVE,
    injection=InjectionDefense.ALL,
    reader=Sensitivity.CRITICAL,
    redaction="remove",
    rules=(rule("b"), rule("c")),
    packs=("hipaa", "gdpr"),
    hosts=("c.test", "b.test"),
    dangerous=("bash(wget:*)",),
    data=DataPolicy(
        name="own",
        allow_highly_sensitive=False,
        type_rules=(("phone", RoutingDecision.REQUIRE_CONFIRMATION),),
        fallback=Fallback.ALLOW,
    ),
    warn_kinds=0,
    reject_kinds=4,
    half_life_days=90,
)


def test_the_stricter_of_each_holds() -> None:
    """Field by field, and lists that restrict are joined."""
    expected = Security(
        flow=FlowMode.STRICT,
        injection=InjectionDefense.ALL,
        reader=Sensitivity.NORMAL,
        redaction="remove",
        rules=(rule("a"), rule("b"), rule("c")),
        packs=("gdpr", "hipaa"),
        hosts=("b.test",),
        dangerous=("bash(curl:*)", "bash(wget:*)"),
        data=DataPolicy(
            name="own",
            tee_threshold=Sensitivity.SENSITIVE,
            allow_highly_sensitive=False,
            type_rules=(
                ("email", RoutingDecision.REJECT),
                ("phone", RoutingDecision.REQUIRE_CONFIRMATION),
            ),
            fallback=Fallback.WARN,
        ),
        warn_kinds=2,
        reject_kinds=4,
        half_life_days=90,
        taints=True,
    )
    assert expected == stricter(OUTER, INNER)


def test_one_that_is_switched_off_leaves_the_other() -> None:
    """A session cannot switch off what the installation wants."""
    off = Security(enabled=False, flow=FlowMode.OBSERVE)
    assert OUTER == stricter(OUTER, off) == stricter(off, OUTER)
    assert not stricter(off, replace(off, taints=False)).enabled


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), (), ()),
        (("a.test",), (), ("a.test",)),
        ((), ("a.test",), ("a.test",)),
        (("b.test", "a.test"), ("a.test", "b.test"), ("a.test", "b.test")),
        (("a.test",), ("b.test",), ("none.invalid",)),
        (("a.test",), ("none.invalid",), ("none.invalid",)),
    ],
)
def test_hosts_are_those_that_both_allow(
    one: tuple[str, ...], other: tuple[str, ...], both: tuple[str, ...]
) -> None:
    """Lists that have none in common allow none, and not all of them."""
    assert both == stricter(Security(hosts=one), Security(hosts=other)).hosts


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, None, None),
        (None, True, True),
        (True, True, True),
        (True, False, False),
        (None, False, False),
    ],
)
def test_extraction_is_off_if_either_says_so(
    one: bool | None, other: bool | None, both: bool | None
) -> None:
    """Who says nothing leaves it to the other; two who say nothing switch nothing on."""
    assert both is stricter(Security(extraction=one), Security(extraction=other)).extraction
    assert both is stricter(Security(extraction=other), Security(extraction=one)).extraction


def test_a_way_of_redacting_that_is_unknown_is_not_lost() -> None:
    """It is found to be out of range afterwards."""
    for one, other in (
        (Security(redaction="x"), Security()),
        (Security(), Security(redaction="x")),
    ):
        assert "redaction" == stricter(one, other).problem


NAMES = st.sampled_from([(), ("a",), ("b", "a"), ("a", "c", "c"), ("d",), ("d", "b", "a", "c")])
SECURITIES = st.builds(
    Security,
    enabled=st.sampled_from([True, True, True, False]),
    flow=st.sampled_from(FlowMode),
    injection=st.sampled_from(InjectionDefense),
    reader=st.sampled_from(Sensitivity),
    redaction=st.sampled_from(STRATEGIES),
    rules=NAMES.map(lambda names: tuple(rule(name) for name in names)),
    packs=NAMES,
    hosts=NAMES,
    dangerous=NAMES,
    data=st.builds(
        DataPolicy,
        name=st.just("one"),
        tee_threshold=st.sampled_from(Sensitivity),
        allow_highly_sensitive=st.booleans(),
        type_rules=st.tuples(NAMES, st.sampled_from(RoutingDecision)).map(
            lambda drawn: tuple((name, drawn[1]) for name in drawn[0])
        ),
        fallback=st.sampled_from(Fallback),
    ),
    warn_kinds=st.integers(0, 9),
    reject_kinds=st.integers(0, 9),
    half_life_days=st.integers(1, 99),
    taints=st.booleans(),
    extraction=st.sampled_from([None, True, False]),
)


def plain(security: Security) -> Security:
    """The same, where the order and repetition of lists do not count."""
    return replace(
        security,
        rules=tuple(sorted(set(security.rules), key=lambda one: one.name)),
        packs=tuple(sorted(set(security.packs))),
        hosts=tuple(sorted(set(security.hosts))),
        dangerous=tuple(sorted(set(security.dangerous))),
        data=replace(security.data, type_rules=tuple(sorted(set(security.data.type_rules)))),
    )


def order(one: Word, kind: type[Word]) -> int:
    """The place of a word among those of its kind."""
    return list(kind).index(one)


def below(strict: int, lax: int) -> bool:
    """Whether a limit is at most another one, where 0 is no limit."""
    return lax == 0 or 0 < strict <= lax


def not_looser(joined: Security, one: Security) -> dict[str, bool]:
    """For each field, whether it is at least as strict as in one of the two."""
    hosts = not one.hosts or set(joined.hosts) <= {*one.hosts, "none.invalid"}
    return {
        "enabled": joined.enabled >= one.enabled,
        "flow": order(joined.flow, FlowMode) >= order(one.flow, FlowMode),
        "injection": order(joined.injection, InjectionDefense)
        >= order(one.injection, InjectionDefense),
        "reader": joined.reader <= one.reader,
        "redaction": STRATEGIES.index(joined.redaction) >= STRATEGIES.index(one.redaction),
        "rules": set(joined.rules) >= set(one.rules),
        "packs": set(joined.packs) >= set(one.packs),
        "hosts": hosts and bool(joined.hosts) >= bool(one.hosts),
        "dangerous": set(joined.dangerous) >= set(one.dangerous),
        "data": joined.data.tee_threshold <= one.data.tee_threshold
        and joined.data.allow_highly_sensitive <= one.data.allow_highly_sensitive
        and set(joined.data.type_rules) >= set(one.data.type_rules)
        and order(joined.data.fallback, Fallback) >= order(one.data.fallback, Fallback),
        "warn_kinds": below(joined.warn_kinds, one.warn_kinds),
        "reject_kinds": below(joined.reject_kinds, one.reject_kinds),
        "half_life_days": joined.half_life_days >= one.half_life_days,
        "taints": joined.taints >= one.taints,
        "extraction": one.extraction is not False or joined.extraction is False,
    }


@given(SECURITIES, SECURITIES)
def test_joining_is_never_looser_than_either(one: Security, other: Security) -> None:
    """In no field, for any of the two that is switched on; and every field is looked at."""
    joined = stricter(one, other)
    for each in (one, other):
        if each.enabled:
            kept = not_looser(joined, each)
            assert {field.name for field in fields(Security)} == set(kept)
            assert [] == [name for name, ok in kept.items() if not ok]


@given(SECURITIES, SECURITIES)
def test_joining_does_not_depend_on_the_order(one: Security, other: Security) -> None:
    """Up to the order of lists."""
    both, turned = plain(stricter(one, other)), plain(stricter(other, one))
    if one.enabled or other.enabled:
        assert both == turned
    else:
        assert not both.enabled and not turned.enabled


@given(SECURITIES, SECURITIES)
def test_joining_again_changes_nothing(one: Security, other: Security) -> None:
    """With itself, and with what it was joined from."""
    assert plain(one) == plain(stricter(one, one))
    joined = stricter(one, other)
    if joined.enabled:
        assert plain(joined) == plain(stricter(joined, other)) == plain(stricter(one, joined))
