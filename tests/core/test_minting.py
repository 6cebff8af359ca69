"""Minting only narrows."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, ScopeDenied
from holdfast.core.minting import Wanted, minted
from holdfast.core.principals import ROLES, VERBS, Principal, Roles, within
from holdfast.core.tokens import check_agent

SCOPES = sorted(f"{what}:{verb}" for what, verbs in VERBS.items() for verb in (*verbs, "*"))
MAKER = Principal(id="agent:a", workspace="w", role="operator", scopes=ROLES["operator"])


NAMES = ["a", "b", "a/b", "A", "a.b", "user:a", "user:a/b", "agent:a", "ab", "a/b/c", "a@b", "b/a"]


def maker(**more: Any) -> Principal:
    """An operator of the workspace "w"."""
    given: dict[str, Any] = {"id": "agent:a", "workspace": "w", "role": "operator"}
    return Principal(**{**given, "scopes": ROLES["operator"], **more})


@given(
    st.sampled_from(sorted(ROLES)),
    st.none() | st.sets(st.sampled_from(SCOPES), max_size=6),
    st.sampled_from(sorted(ROLES)),
    st.sets(st.sampled_from(SCOPES), max_size=8),
)
def test_nobody_gives_what_it_has_not(
    role: str, scopes: set[str] | None, by_role: str, by_scopes: set[str]
) -> None:
    """Whatever is asked for: what is given is within what the maker has."""
    by = maker(role=by_role, scopes=frozenset(by_scopes))
    try:
        wanted = Wanted(role=role, scopes=scopes, workspace="w", principal=by.id)
        found = minted(wanted, Roles(), by)
    except (InvalidInput, ScopeDenied):
        return
    assert by.may("tokens:create")
    assert within(found.scopes, by.scopes) and within(found.scopes, ROLES[role])
    assert within(ROLES[role], ROLES[by_role])


@pytest.mark.parametrize(("lower", "upper"), [*product(sorted(ROLES), sorted(ROLES))])
def test_roles_are_given_downwards(lower: str, upper: str) -> None:
    """A role is given by one that includes it, and by no other."""
    by = maker(role=upper, scopes=frozenset({"*"}))
    wanted = Wanted(role=lower, workspace="w", principal="agent:b")
    if within(ROLES[lower], ROLES[upper]):
        assert within(minted(wanted, Roles(), by).scopes, ROLES[lower])
    else:
        with pytest.raises(ScopeDenied, match="above its own"):
            minted(wanted, Roles(), by)


def test_the_program_gives_what_it_likes() -> None:
    """Nobody above it; but a role's scopes are all that a role has."""
    everything = Wanted(role="admin", workspace="*", every_session=True)
    assert frozenset({"*"}) == minted(everything, Roles(), None).scopes
    for wrong in (
        Wanted(role="admin", workspace="*"),
        Wanted(role="viewer", scopes=["messages:send"]),
        Wanted(role="viewer", scopes=["nothing"]),
        Wanted(role="nobody"),
        Wanted(role="viewer", task_type="No"),
    ):
        with pytest.raises(InvalidInput):
            minted(wrong, Roles(), None)


def test_a_task_type_goes_down_unchanged() -> None:
    """It takes away; below it there is no other."""
    roles = Roles(task_types={"read": frozenset({"sessions:*", "tokens:create"})})
    found = minted(Wanted(role="agent", task_type="read", workspace="w"), roles, MAKER)
    assert {"sessions:read", "sessions:create", "sessions:write", "tokens:create"} == found.scopes
    by = maker(task_type="read")
    assert "read" == minted(Wanted(role="agent", workspace="w"), roles, by).task_type
    with pytest.raises(ScopeDenied):
        minted(Wanted(role="agent", workspace="w", task_type="default"), roles, by)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        (Wanted(role="viewer", workspace="w"), maker(scopes=frozenset({"sessions:*"}))),
        (Wanted(role="viewer", workspace="x"), MAKER),
        (Wanted(role="viewer", workspace="w", every_session=True), maker(session="s")),
        (Wanted(role="viewer", workspace="w"), maker(role="gone")),
    ],
)
def test_more_than_there_is_to_give_is_denied(wanted: Wanted, by: Principal) -> None:
    """No scope, another workspace, more sessions, a role that is no more."""
    with pytest.raises(ScopeDenied):
        minted(wanted, Roles(), by)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans())
def test_a_name_is_given_by_itself_and_from_above(wanted: str, own: str, revokes: bool) -> None:
    """Whatever it begins with: by its parts, and case counts; who may revoke gives any."""
    asked, by_id = check_agent(wanted), check_agent(own)
    parts, above = asked.split("/"), by_id.split("/")
    may = revokes or parts[: len(above)] == above
    scopes = frozenset({"sessions:read", "tokens:create", *(["tokens:revoke"] if revokes else [])})
    by = maker(id=by_id, scopes=scopes)
    wish = Wanted(role="viewer", workspace="w", principal=asked)
    if may:
        assert minted(wish, Roles(), by).scopes <= scopes
    else:
        with pytest.raises(ScopeDenied, match=f"neither {by_id} nor below"):
            minted(wish, Roles(), by)


def test_an_administrator_gives_in_every_workspace() -> None:
    """The star is in all of them."""
    by = maker(workspace="*", role="admin", scopes=frozenset({"*"}))
    assert minted(Wanted(role="agent", workspace="x"), Roles(), by).scopes == ROLES["agent"]
