"""What the shell found in a text, as events keep it."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.findings import Threat
from holdfast.core.inspection import KIND_BYTES_MAX, NOTHING, Inspected, kept
from holdfast.core.labels import Sensitivity


def test_nothing_found_is_ordinary_and_clean() -> None:
    """Looked at, and nothing there: of the ordinary level, not a public one."""
    assert Inspected() == NOTHING
    assert (Sensitivity.NORMAL, Threat.CLEAN, 0) == (NOTHING.level, NOTHING.threat, NOTHING.score)
    assert () == NOTHING.names


def test_names_are_the_kinds_alone() -> None:
    """Without how many values of them were new."""
    assert ("email", "phone") == Inspected(kinds=(("email", 2), ("phone", 0))).names


def test_a_finding_is_not_changed() -> None:
    """What is on record stays as it is."""
    with pytest.raises(FrozenInstanceError):
        NOTHING.score = 9  # type: ignore[misc]  # that it is refused is the fact


@pytest.mark.parametrize("kind", ["email", "k" * KIND_BYTES_MAX, "employee id", "\u5de5\u53f7", ""])
def test_a_short_kind_is_remembered_by_its_name(kind: str) -> None:
    """In any script."""
    assert kind == kept(kind)


@given(st.text(max_size=80) | st.sampled_from(["\ud800", "\ud800" * 20, "\0" * 6, '"' * 17]))
def test_a_kind_is_bounded_whatever_it_is(kind: str) -> None:
    """As it is written; and another one is still another one."""
    written = json.dumps(kept(kind), ensure_ascii=False).encode()
    assert len(written) <= KIND_BYTES_MAX + 2
    assert kept(kind) == kept(kept(kind))
    assert kept(kind).isprintable()
    long = kind + "k" * (KIND_BYTES_MAX + 1)
    assert kept(long).startswith("kind-")
    assert kept(long) != kept(f"{long}k")
