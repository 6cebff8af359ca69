"""The names of content security: each resolves and comes from where it says."""

from __future__ import annotations

import pytest

from holdfast import security


def test_names_are_sorted_and_have_a_home() -> None:
    """One line for each name in both tables."""
    assert sorted(security.__all__) == security.__all__
    assert {*security.__all__} == {*security._HOME}
    assert security.__all__ == dir(security)


@pytest.mark.parametrize("name", security.__all__)
def test_every_name_resolves(name: str) -> None:
    """To something that says what it is."""
    found = getattr(security, name)
    assert found.__doc__
    assert found is getattr(security, name)


def test_other_names_are_not_there() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="nosuch"):
        _ = security.nosuch
