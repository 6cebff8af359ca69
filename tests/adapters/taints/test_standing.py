"""Where values stand in one level."""

from __future__ import annotations

import pytest

from holdfast.adapters.taints.levels import Level
from holdfast.adapters.taints.registry import Registry
from holdfast.adapters.taints.standing import LIKENESS_CHECKS_MAX, standing
from holdfast.core.labels import Sensitivity
from holdfast.testing.taints_kit import taint


def places(text: str, *values: str, levels: str = "") -> dict[str, list[str]]:
    """What each value stands as; its level is a digit of `levels`."""
    registry = Registry()
    registry.add(
        [
            taint(value, id=value, level=Sensitivity(int(levels[index]) if levels else 2))
            for index, value in enumerate(values)
        ]
    )
    data = text.encode()
    found: dict[str, list[str]] = {}
    for variant, where in standing(registry, Level(data)):
        for pattern in variant.owners:
            stood = [data[start:end].decode() for start, end in where]
            found.setdefault(registry.entries[pattern.entry].id, []).extend(stood)
    return found


def test_of_values_within_a_value_one_place_is_told() -> None:
    """The longest is followed everywhere, the others are told where they are first."""
    text = "abcdefghij x abcdefghij"
    assert {
        "abcdefghij": ["abcdefghij", "abcdefghij"],
        "abcdefgh": ["abcdefgh"],
        "cdefghij": ["cdefghij"],
    } == places(text, "abcdefghij", "abcdefgh", "cdefghij")


def test_what_is_more_secret_is_followed_within_what_is_less() -> None:
    """Wherever it stands."""
    text = "abcdefghij x abcdefghij"
    found = places(text, "abcdefghij", "abcdefgh", "cdefghij", levels="234")
    assert ["abcdefgh"] * 2 == found["abcdefgh"]
    assert ["cdefghij"] * 2 == found["cdefghij"]


def test_signs_that_stick_out_are_followed() -> None:
    """Before what begins at the same place, after what ends there."""
    text = "##abcdefghij! ##abcdefghij!"
    found = places(text, "abcdefghij", "##abcdefgh", "cdefghij!")
    assert ["##abcdefgh"] * 2 == found["##abcdefgh"]
    assert ["cdefghij!"] * 2 == found["cdefghij!"]


@pytest.mark.parametrize("value", ["12345678", "hunt2"])
def test_what_must_stand_alone_is_looked_at_one_by_one(value: str) -> None:
    """What is longer does not stand for what is shorter there."""
    more = value + "9"
    assert {value: [value], more: [more]} == places(f"{value} and {more}.", value, more)
    assert {} == places(f"0{more}9", value, more)


def test_pieces_of_values_are_followed_up_to_a_limit() -> None:
    """A text that is full of pieces costs what so many comparisons do."""
    value = "kD8wq2Lm4zT9xRb7"
    assert {value: ["kD8wqXLm4zT9xRb7"]} == places("it is kD8wqXLm4zT9xRb7.", value)
    lures = "kD8wq-----------, " * (LIKENESS_CHECKS_MAX + 1)
    assert {} == places(lures + "kD8wqXLm4zT9xRb7", value)
