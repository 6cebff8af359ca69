"""The reader of the server's sections; how the file is refused is in test_serving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.runtime.policyserving import read_serving


@contextmanager
def unnamed(key: tuple[str, int, str, int]) -> Iterator[None]:
    """Let errors pass as they are."""
    yield


def test_lists_become_tuples_and_sections_that_are_not_there_say_nothing() -> None:
    found = read_serving({"server": {"cors_origins": ["https://a.example"]}}, unnamed)
    assert {("server", "cors_origins"): ("https://a.example",)} == dict(found.values)
    assert {} == dict(found.roles.own)


def test_bounds_are_those_of_the_table() -> None:
    with pytest.raises(InvalidInput, match=r"tokens\.life_days is 1 to"):
        read_serving({"tokens": {"life_days": 0}}, unnamed)
