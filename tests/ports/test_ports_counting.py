"""What is a count, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.ports.counting import VERSION_MAX, Count

DIGEST = "0a" * 32


@pytest.mark.parametrize(
    ("version", "digest", "sound"),
    [
        (0, "", True),
        (1, DIGEST, True),
        (VERSION_MAX, DIGEST, True),
        (0, DIGEST, False),
        (1, "", False),
        (-1, DIGEST, False),
        (VERSION_MAX + 1, DIGEST, False),
        (1, DIGEST[1:], False),
        (1, DIGEST.upper(), False),
        (1, "g" * 64, False),
    ],
)
def test_a_count_is_nothing_yet_or_a_version_and_its_digest(
    version: int, digest: str, sound: bool
) -> None:
    """Nothing in between is one."""
    assert sound is Count(version=version, digest=digest).sound


@pytest.mark.parametrize("count", [(True, DIGEST), (1.0, DIGEST), ("1", DIGEST), (1, None), (0, 0)])
def test_what_is_of_another_type_is_none(count: tuple[Any, Any]) -> None:
    """It may come from a file that anybody wrote."""
    assert not Count(version=count[0], digest=count[1]).sound
