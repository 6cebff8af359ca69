"""Two network policies at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.narrowing import narrower
from holdfast.core.network import RULES_MAX, NetworkPolicy, NetworkRule, Scheme, judge_request

HOSTS = ("a.test", "*.test", "b.a.test", "*.a.test", "other.org", "192.0.2.7")
PORTS = (80, 443, 8443)
METHODS = ("", "GET", "POST", "PUT")

rules = st.builds(
    NetworkRule,
    host=st.sampled_from(HOSTS),
    ports=st.lists(st.sampled_from(PORTS), min_size=1, unique=True).map(tuple),
    methods=st.lists(st.sampled_from(METHODS[1:]), unique=True).map(tuple),
    schemes=st.lists(st.sampled_from(Scheme), min_size=1, unique=True).map(tuple),
) | st.builds(
    NetworkRule, host=st.sampled_from(HOSTS), schemes=st.just((Scheme.HTTP, Scheme.HTTPS))
)
policies = st.builds(
    NetworkPolicy,
    rules=st.lists(rules, max_size=4).map(tuple),
    bytes_max=st.none() | st.integers(0, 1000),
    unsafe_addresses=st.lists(st.sampled_from(("10.0.0.1:443", "10.0.0.2:80")), unique=True).map(
        tuple
    ),
)


@given(
    policies,
    policies,
    st.sampled_from(("a.test", "x.test", "b.a.test", "c.a.test", "other.org", "192.0.2.7")),
    st.sampled_from(PORTS),
    st.sampled_from(METHODS),
    st.sampled_from(Scheme),
)
def test_it_lets_through_just_what_both_do(
    one: NetworkPolicy, other: NetworkPolicy, host: str, port: int, method: str, scheme: Scheme
) -> None:
    """Judged request by request, either way round."""
    allowed = [
        judge_request(each, scheme, host, port, method=method).allowed for each in (one, other)
    ]
    for both in (narrower(one, other), narrower(other, one)):
        assert both is not None
        assert all(allowed) is judge_request(both, scheme, host, port, method=method).allowed


@given(policies, policies)
def test_the_lower_budget_and_the_common_exceptions_hold(
    one: NetworkPolicy, other: NetworkPolicy
) -> None:
    """A limit of one is a limit of both; an address is excepted where both except it."""
    both = narrower(one, other)
    assert both is not None
    known = {one.bytes_max, other.bytes_max} - {None}
    assert both.bytes_max == (min(known) if known else None)  # type: ignore[type-var]  # without None
    assert set(both.unsafe_addresses) == {*one.unsafe_addresses} & {*other.unsafe_addresses}


def test_what_says_nothing_changes_nothing() -> None:
    """None is no policy; one without rules lets nothing through beside any."""
    listed = NetworkPolicy(rules=(NetworkRule(host="a.test"),))
    assert narrower(None, None) is None
    assert listed == narrower(listed, None) == narrower(None, listed) == narrower(listed, listed)
    assert NetworkPolicy() == narrower(listed, NetworkPolicy()) == narrower(NetworkPolicy(), listed)


def test_the_most_rules_a_policy_has_are_kept() -> None:
    """Pairs beyond are left out: that lets through less."""
    some = range(1, 21)
    wild = tuple(NetworkRule(host="*.a.test", ports=(99, n)) for n in some)
    named = tuple(NetworkRule(host=f"x{n}.a.test", ports=(99, *some)) for n in some)
    both = narrower(NetworkPolicy(rules=wild), NetworkPolicy(rules=named))
    assert both is not None and RULES_MAX == len(both.rules) < len(wild) * len(named)
