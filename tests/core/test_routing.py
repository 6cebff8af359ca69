"""Where content may be processed: every row of the policy engine."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_strategies import of
from holdfast.core.labels import Sensitivity
from holdfast.core.routing import ZONES, Destination, evaluate, most_restrictive
from holdfast.core.security import DataPolicy, Fallback, RoutingDecision, Zone

PUBLIC, NORMAL, SENSITIVE, HIGHLY, CRITICAL = Sensitivity
LOCAL, TEE, CONFIRM, REJECT = RoutingDecision
ORDER = [LOCAL, TEE, CONFIRM, REJECT]
READY = Destination(zone=Zone.PUBLIC, enclave=True, enclave_ready=True)
MISSING = Destination(zone=Zone.PUBLIC, enclave=True)
PLAIN = DataPolicy()


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (Zone.PUBLIC, [LOCAL, LOCAL, LOCAL, CONFIRM, REJECT]),
        (Zone.PRIVATE, [LOCAL, LOCAL, LOCAL, LOCAL, CONFIRM]),
        (Zone.LOCAL, [LOCAL] * 5),
        (Zone.TEE, [LOCAL] * 5),
    ],
)
def test_a_zone_decides_where_there_is_no_enclave(
    zone: Zone, expected: list[RoutingDecision]
) -> None:
    """In clear or as pseudonyms, then asked, then rejected, as the module's table has it."""
    to = Destination(zone=zone)
    assert expected == [evaluate(PLAIN, level, (), to) for level in Sensitivity]


def test_each_zone_has_its_limits() -> None:
    """And they are in order: more may be seen once asked than unasked."""
    assert set(Zone) == set(ZONES)
    for limits in ZONES.values():
        assert limits.clear <= limits.swapped <= limits.asked


@pytest.mark.parametrize(
    ("zone", "sees", "clear"),
    [
        (Zone.PUBLIC, None, NORMAL),
        (Zone.PUBLIC, PUBLIC, PUBLIC),
        (Zone.PUBLIC, CRITICAL, NORMAL),
        (Zone.LOCAL, SENSITIVE, SENSITIVE),
        (Zone.LOCAL, CRITICAL, CRITICAL),
    ],
)
def test_a_declared_level_only_lowers(
    zone: Zone, sees: Sensitivity | None, clear: Sensitivity
) -> None:
    """Nobody is trusted with more by saying so; the other limits stay."""
    limits = Destination(zone=zone, sees=sees).limits
    assert clear == limits.clear
    assert (ZONES[zone].swapped, ZONES[zone].asked) == (limits.swapped, limits.asked)


@pytest.mark.parametrize(
    ("to", "fallback", "expected"),
    [
        (READY, Fallback.REJECT, [LOCAL, LOCAL, TEE, TEE, TEE]),
        (READY, Fallback.ALLOW, [LOCAL, LOCAL, TEE, TEE, TEE]),
        (MISSING, Fallback.REJECT, [LOCAL, LOCAL, CONFIRM, REJECT, REJECT]),
        (MISSING, Fallback.WARN, [LOCAL, LOCAL, LOCAL, CONFIRM, CONFIRM]),
        (MISSING, Fallback.ALLOW, [LOCAL] * 5),
    ],
)
def test_an_enclave_takes_what_is_sensitive(
    to: Destination, fallback: Fallback, expected: list[RoutingDecision]
) -> None:
    """One that is missing is a question or a refusal, unless the policy says otherwise.

    Vector 22: with the default an e-mail address asks, a card number is rejected.
    """
    policy = DataPolicy(fallback=fallback)
    assert expected == [evaluate(policy, level, (), to) for level in Sensitivity]


def test_a_threshold_holds_for_all_above_it() -> None:
    """Ordered comparison: no level in between falls out."""
    policy = DataPolicy(tee_threshold=CRITICAL)
    assert [LOCAL, LOCAL, LOCAL, LOCAL, TEE] == [
        evaluate(policy, level, (), READY) for level in Sensitivity
    ]
    everything = DataPolicy(tee_threshold=PUBLIC, fallback=Fallback.REJECT)
    assert [TEE] * 5 == [evaluate(everything, level, (), READY) for level in Sensitivity]
    missing = [evaluate(everything, level, (), MISSING) for level in Sensitivity]
    assert [LOCAL, LOCAL, CONFIRM, REJECT, REJECT] == missing, "ordinary content needs none"


@pytest.mark.parametrize("to", [READY, MISSING, Destination(zone=Zone.LOCAL)])
def test_what_is_highly_sensitive_may_be_rejected(to: Destination) -> None:
    """Vector 17: `Critical` is rejected with it, enclave or not."""
    policy = DataPolicy(allow_highly_sensitive=False, fallback=Fallback.ALLOW)
    assert [REJECT, REJECT] == [evaluate(policy, level, (), to) for level in (HIGHLY, CRITICAL)]
    assert REJECT != evaluate(policy, SENSITIVE, (), to)


RULES = (("email", TEE), ("phone", CONFIRM), ("card", REJECT), ("name", LOCAL))


@pytest.mark.parametrize(
    ("kinds", "to", "expected"),
    [
        ((), READY, LOCAL),
        (("iban",), READY, LOCAL),
        (("name",), READY, LOCAL),
        (("email",), READY, TEE),
        (("email", "phone"), READY, CONFIRM),
        (("phone", "email", "card"), READY, REJECT),
        (("name", "card"), READY, REJECT),
        (("phone",), Destination(zone=Zone.LOCAL), CONFIRM),
    ],
)
def test_rules_about_kinds(
    kinds: tuple[str, ...], to: Destination, expected: RoutingDecision
) -> None:
    """Of all that match the most restrictive holds, whatever their order."""
    for rules in permutations(RULES):
        assert expected == evaluate(DataPolicy(type_rules=rules), NORMAL, kinds, to)


@pytest.mark.parametrize(
    ("fallback", "level", "expected"),
    [
        (Fallback.REJECT, NORMAL, LOCAL),
        (Fallback.REJECT, SENSITIVE, CONFIRM),
        (Fallback.REJECT, HIGHLY, REJECT),
        (Fallback.WARN, SENSITIVE, LOCAL),
        (Fallback.WARN, HIGHLY, CONFIRM),
        (Fallback.ALLOW, CRITICAL, LOCAL),
    ],
)
def test_a_rule_that_wants_an_enclave_where_none_is_configured(
    fallback: Fallback, level: Sensitivity, expected: RoutingDecision
) -> None:
    """It is missing just as one that is configured and not there."""
    policy = DataPolicy(type_rules=(("email", TEE),), fallback=fallback)
    to = Destination(zone=Zone.LOCAL)
    assert expected == evaluate(policy, level, ("email",), to)
    assert LOCAL == evaluate(policy, level, (), to)


def test_an_enclave_that_is_there_but_not_configured_is_none() -> None:
    """What is ready must have been asked for."""
    policy = DataPolicy(type_rules=(("email", TEE),))
    odd = Destination(zone=Zone.LOCAL, enclave_ready=True)
    assert CONFIRM == evaluate(policy, SENSITIVE, ("email",), odd)


def test_the_most_restrictive_wins() -> None:
    """Whatever the order; none at all is processed."""
    assert LOCAL == most_restrictive()
    for one in ORDER:
        for other in ORDER:
            assert max(one, other, key=ORDER.index) == most_restrictive(one, other)
    assert REJECT == most_restrictive(*ORDER)


@pytest.mark.parametrize("kind", [Zone, Fallback, RoutingDecision])
def test_unknown_words_are_refused(kind: type[Zone]) -> None:
    """There is no zone, fallback or decision that means nothing."""
    for word in ("", "PUBLIC", "cloud", "process_in_tee "):
        with pytest.raises(ValueError, match="is not a valid"):
            kind(word)


def test_the_decisions_have_the_seeds_names() -> None:
    """All four, spelled in lower case (seed A6)."""
    expected = ["process_local", "process_in_tee", "require_confirmation", "reject"]
    assert expected == [one.value for one in RoutingDecision]


DECISIONS = st.tuples(of(DataPolicy), st.lists(st.sampled_from(["a", "b", "c"])), of(Destination))


@given(DECISIONS)
def test_a_higher_level_is_never_freer(
    drawn: tuple[DataPolicy, list[str], Destination],
) -> None:
    """Where an enclave is ready, being sent there counts as freer than being asked."""
    policy, kinds, to = drawn
    decisions = [evaluate(policy, level, tuple(kinds), to) for level in Sensitivity]
    places = [ORDER.index(one) for one in decisions]
    assert sorted(places) == places


@given(DECISIONS, st.sampled_from(list(Sensitivity)), st.sampled_from(ORDER))
def test_a_further_rule_is_never_freer(
    drawn: tuple[DataPolicy, list[str], Destination],
    level: Sensitivity,
    decision: RoutingDecision,
) -> None:
    """Nor is a further kind: both only add to what must hold."""
    policy, kinds, to = drawn
    before = evaluate(policy, level, tuple(kinds), to)
    more = DataPolicy(
        name=policy.name,
        tee_threshold=policy.tee_threshold,
        allow_highly_sensitive=policy.allow_highly_sensitive,
        type_rules=(*policy.type_rules, ("x", decision)),
        fallback=policy.fallback,
    )
    after = evaluate(more, level, (*kinds, "x"), to)
    assert ORDER.index(before) <= ORDER.index(after)


@given(DECISIONS, st.sampled_from(list(Sensitivity)))
def test_nothing_is_sent_to_an_enclave_that_is_not_ready(
    drawn: tuple[DataPolicy, list[str], Destination], level: Sensitivity
) -> None:
    """Whatever the policy says."""
    policy, kinds, to = drawn
    if evaluate(policy, level, tuple(kinds), to) is TEE:
        assert to.enclave and to.enclave_ready
