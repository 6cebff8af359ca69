"""JSON of a server as typed values."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.client import values
from holdfast.client.decode import member, read, read_json, read_list, written
from holdfast.core.errors import BadAnswer, InvalidInput
from holdfast.core.settings import ConfirmationPolicy, ModelSettings
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Hue(StrEnum):
    """An enumeration."""

    RED = "red"


@dataclass(frozen=True)
class Inner:
    """Within another."""

    number: int = 3


@dataclass(frozen=True)
class Outer:
    """Has a field of every kind."""

    name: str
    hue: Hue
    share: float
    inner: Inner | None
    many: tuple[Inner, ...]
    by_name: Mapping[str, int]
    anything: object
    flag: bool = False
    texts: tuple[str, ...] = field(default_factory=tuple)


WHOLE = {
    "name": "n",
    "hue": "red",
    "share": 1,
    "inner": None,
    "many": [{"number": 4}, {}],
    "by_name": {"a": 1},
    "anything": [1, "x"],
    "of a newer server": 7,
}


def test_a_value_is_read_by_its_type() -> None:
    """Every kind of field is read, defaults fill in, what is not known is left out."""
    found = read(Outer, WHOLE)
    assert Outer("n", Hue.RED, 1.0, None, (Inner(4), Inner()), {"a": 1}, [1, "x"]) == found
    assert isinstance(found.share, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 3),
        ("name", None),
        ("hue", "blue"),
        ("hue", 1),
        ("share", "1"),
        ("share", True),
        ("inner", []),
        ("inner", {"number": True}),
        ("many", {"number": 4}),
        ("many", [{"number": "4"}]),
        ("by_name", [1]),
        ("by_name", {"a": "1"}),
        ("flag", 1),
        ("texts", "abc"),
    ],
)
def test_what_has_another_type_is_refused(name: str, value: object) -> None:
    """The error names the field and not the value."""
    with pytest.raises(BadAnswer, match=name) as caught:
        read(Outer, {**WHOLE, name: value})
    assert repr(value) not in caught.value.message or value in (3, 1, None)


@pytest.mark.parametrize("name", ["name", "hue", "share", "inner", "many", "by_name", "anything"])
def test_what_is_missing_is_refused(name: str) -> None:
    """A field without a default has to be there."""
    with pytest.raises(BadAnswer, match=f"Outer.{name}"):
        read(Outer, {key: value for key, value in WHOLE.items() if key != name})


KINDS = [one for one in vars(values).values() if is_dataclass(one)]


@settings(max_examples=100)
@given(value=JSON, kind=st.sampled_from(KINDS))
def test_any_json_is_read_or_refused(value: object, kind: type) -> None:
    """Whatever a server says, nothing but `BadAnswer` comes of it."""
    with contextlib.suppress(BadAnswer):
        assert isinstance(read(kind, value), kind)
    with contextlib.suppress(BadAnswer):
        assert isinstance(read_list(kind, value), list)
    with contextlib.suppress(BadAnswer):
        member(value, "a")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200_000, b"<html>"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Neither bytes that are no text nor a tower of brackets does more than that."""
    with pytest.raises(BadAnswer, match="not JSON"):
        read_json(body)


def test_only_what_is_no_default_is_written() -> None:
    """A library's own configuration is sent as the server takes it."""
    config = SessionConfig(
        system_prompt="Be brief.",
        model=ModelSettings(provider="openai", model="m"),
        budget=Budget(usd="2.00"),
        tools=("read",),
        confirmation_policy=ConfirmationPolicy(quorum=3),
    )
    assert {
        "system_prompt": "Be brief.",
        "model": {"provider": "openai", "model": "m"},
        "budget": {"usd": "2.00"},
        "tools": ["read"],
        "confirmation_policy": {"quorum": 3},
    } == written(config)
    assert ["red", {"a": None}] == written((Hue.RED, {"a": None}))


@pytest.mark.parametrize("value", [object(), {1: "a"}, b"x", {"a": {3}, "b": object()}])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    """Nothing is sent as its `repr`."""
    with pytest.raises(InvalidInput):
        written(value)
