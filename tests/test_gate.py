"""The names of the gate: each resolves and comes from where it says."""

from __future__ import annotations

import pytest

from holdfast import gate


def test_names_are_sorted_and_have_a_home() -> None:
    """One line for each name in both tables."""
    assert sorted(gate.__all__) == gate.__all__
    assert {*gate.__all__} == {*gate._HOME}
    assert gate.__all__ == dir(gate)


@pytest.mark.parametrize("name", gate.__all__)
def test_every_name_resolves(name: str) -> None:
    """To something that says what it is."""
    found = getattr(gate, name)
    assert found.__doc__
    assert found is getattr(gate, name)


def test_other_names_are_not_there() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="nosuch"):
        _ = gate.nosuch
