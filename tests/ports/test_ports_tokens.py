"""The chain of token events, and when a row is live."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from holdfast.ports.tokens import GENESIS, TokenEvent, TokenRow, TokenState, chained, token_scope

KEY = bytes(32)
EVENT = TokenEvent(
    seq=1,
    token=b"t" * 16,
    tenant="w",
    kind="created",
    generation=1,
    time_ms=5,
    expires_ms=9,
    actor=3,
    why="",
    hash=b"",
)


@pytest.mark.parametrize("name", [one.name for one in fields(TokenEvent) if one.name != "hash"])
def test_every_field_is_in_the_hash(name: str) -> None:
    """None can be changed without it showing."""
    value: Any = getattr(EVENT, name)
    other = value + (1 if isinstance(value, int) else b"x" if isinstance(value, bytes) else "x")
    assert chained(GENESIS, EVENT, KEY) != chained(GENESIS, replace(EVENT, **{name: other}), KEY)


def test_place_and_key_are_in_the_hash_and_borders_matter() -> None:
    """What stands before it, who may write, and where one text ends."""
    found = chained(GENESIS, EVENT, KEY)
    assert found == chained(GENESIS, replace(EVENT, hash=b"x"), KEY)
    assert found != chained(b"\1" * 32, EVENT, KEY) and found != chained(GENESIS, EVENT, b"k" * 32)
    one, two = replace(EVENT, tenant="ab", kind="c"), replace(EVENT, tenant="a", kind="bc")
    assert chained(GENESIS, one, KEY) != chained(GENESIS, two, KEY)


def test_a_row_is_live_until_it_expires() -> None:
    """Strictly, and only in its first state."""
    row = TokenRow(
        id=b"i" * 16,
        tenant="w",
        agent=1,
        digest=b"d",
        created_ms=0,
        expires_ms=10,
        ends_ms=20,
        span_ms=10,
        sealed=b"",
    )
    assert row.live(9) and not row.live(10)
    assert not any(replace(row, state=TokenState(state)).live(9) for state in (1, 2))
    assert "token:aa" == token_scope("aa")
