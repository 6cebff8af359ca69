"""Scopes, roles and what covers what."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput
from holdfast.core.principals import (
    EVERYTHING,
    ROLES,
    SCOPES_MAX,
    VERBS,
    Principal,
    Roles,
    check_scope,
    check_scopes,
    check_task_type,
    common,
    covers,
    is_below,
    is_person,
    top_of,
    within,
)

SINGLE = [f"{name}:{verb}" for name, verbs in VERBS.items() for verb in verbs]
ALL = [*SINGLE, *(f"{name}:*" for name in VERBS), EVERYTHING]
SETS = st.frozensets(st.sampled_from(ALL), max_size=5)


def allowed(scopes: frozenset[str]) -> set[str]:
    """Every single permission that a set of scopes stands for, worked out one by one."""
    return {
        one for one in SINGLE if {EVERYTHING, one, one.split(":", maxsplit=1)[0] + ":*"} & scopes
    }


@pytest.mark.parametrize("scope", ALL)
def test_every_scope_of_the_table_exists(scope: str) -> None:
    assert scope == check_scope(scope)


@pytest.mark.parametrize(
    "scope",
    ["", "sessions", "sessions:", ":read", "*:read", "sessions:fly", "Sessions:read", "**",
     "sessions:read:x", " sessions:read", "sessions:read\n", None, 7],
)  # fmt: skip
def test_unknown_scopes_are_refused(scope: str) -> None:
    with pytest.raises(InvalidInput):
        check_scope(scope)


def test_a_text_is_no_list_of_scopes_and_there_is_a_limit() -> None:
    with pytest.raises(InvalidInput):
        check_scopes("*")
    assert SCOPES_MAX >= len(check_scopes(ALL[:10]))


@given(SETS, SETS)
def test_within_and_common_are_what_the_single_permissions_say(
    one: frozenset[str], other: frozenset[str]
) -> None:
    both = common(one, other)
    assert allowed(both) == allowed(one) & allowed(other)
    assert within(both, one)
    assert within(both, other)
    if within(one, other):
        assert allowed(one) <= allowed(other)


@given(SETS, st.sampled_from(SINGLE))
def test_covers_is_what_the_single_permissions_say(scopes: frozenset[str], one: str) -> None:
    assert covers(scopes, one) is (one in allowed(scopes))


def test_the_roles_are_ordered_by_inclusion() -> None:
    roles = Roles()
    above = {
        ("viewer", "agent"), ("viewer", "approver"), ("viewer", "operator"), ("viewer", "admin"),
        ("agent", "operator"), ("agent", "admin"), ("approver", "operator"),
        ("approver", "admin"), ("operator", "admin"),
    }  # fmt: skip
    for lower, upper in itertools.permutations(ROLES, 2):
        assert roles.below(lower, upper) is ((lower, upper) in above)


def test_an_installation_has_roles_of_its_own_and_task_types_that_take_away() -> None:
    roles = Roles(
        own={"auditor": frozenset({"audit:read"})},
        task_types={"look": frozenset({"sessions:read", "messages:read"})},
    )
    assert frozenset({"audit:read"}) == roles.scopes("auditor")
    assert roles.below("auditor", "operator")
    assert not roles.below("auditor", "agent")
    assert {"sessions:read"} == roles.left_by("look", frozenset({"sessions:*", "audit:read"}))
    assert {"audit:read"} == roles.left_by("default", frozenset({"audit:read"}))


@pytest.mark.parametrize(
    ("own", "task_types"),
    [
        ({"admin": {"audit:read"}}, {}),
        ({"Auditor": {"audit:read"}}, {}),
        ({"auditor": {"audit:fly"}}, {}),
        ({}, {"look": {"everything"}}),
        ({}, {"": {"audit:read"}}),
    ],
)
def test_malformed_roles_are_refused(
    own: dict[str, set[str]], task_types: dict[str, set[str]]
) -> None:
    with pytest.raises(InvalidInput):
        Roles(
            own={name: frozenset(some) for name, some in own.items()},
            task_types={name: frozenset(some) for name, some in task_types.items()},
        )


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Roles().scopes("root")


@pytest.mark.parametrize("text", ["", "Big", "a b", "x" * 33, "1st", "a\n"])
def test_a_task_type_is_a_name(text: str) -> None:
    assert "default" == check_task_type("default")
    with pytest.raises(InvalidInput):
        check_task_type(text)


@pytest.mark.parametrize(
    ("id", "person"),
    [
        ("user:ann", True),
        ("ann", True),
        ("corp/ann", True),
        ("", True),
        ("user:ann/helper", False),
        ("USER:ann/helper", False),
        ("agent:a", False),
        ("Agent:a/b", False),
        ("model:m", False),
        ("tool:t", False),
        ("runtime:timeout", False),
    ],
)
def test_who_may_be_a_person(id: str, person: bool) -> None:
    """What is below a person's name is that person's agent."""
    assert person == is_person(id)


def test_names_stand_below_names() -> None:
    """By their parts: what only begins alike is another's."""
    assert is_below("agent:a/b", "agent:a")
    assert is_below("agent:a/b/c", "agent:a")
    for other in ("agent:a", "agent:ab", "agent:ab/c", "agent:A/b", "user:a/b"):
        assert not is_below(other, "agent:a")
    tops = [top_of(one) for one in ("agent:a", "agent:a/b/c", "user:ann/helper")]
    assert ["agent:a", "agent:a", "user:ann"] == tops
    counted = {Principal(id=id, workspace="w").counted for id in ("agent:a", "agent:a/b/c")}
    assert 1 == len(counted) and Principal(id="agent:a", workspace="x").counted not in counted


def test_a_principal_may_what_its_scopes_permit_in_its_workspace() -> None:
    one = Principal(id="agent:a", workspace="red", scopes=frozenset({"sessions:*"}))
    assert one.may("sessions:delete")
    assert not one.may("messages:read")
    assert one.of("red")
    assert not one.of("blue")
    assert Principal(id="user:root", workspace="*").of("blue")
