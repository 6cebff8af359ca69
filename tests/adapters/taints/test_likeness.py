"""Likeness finds a long value with a few characters changed."""

from __future__ import annotations

import random

import pytest

from holdfast.adapters.taints.likeness import alike, changes_max, nearest, seeds

VALUE = b"k3jd8f7sma01pqlx92nv"


def distance(one: bytes, two: bytes) -> int:
    """Edit distance of `one` to the most like stretch that ends `two`, the slow way."""
    row = [0] * (len(two) + 1)
    for at, code in enumerate(one, 1):
        last, row[0] = row[0], at
        for index, other in enumerate(two, 1):
            last, row[index] = (
                row[index],
                min(row[index] + 1, row[index - 1] + 1, last + (code != other)),
            )
    return min(row)


def test_seeds_cover_a_value() -> None:
    """One piece more than there may be changes, and each long enough to be rare."""
    for size in (16, 17, 40, 256):
        value = bytes(index % 251 for index in range(size))
        made = seeds(value)
        assert changes_max(size) + 1 == len(made)
        assert value == b"".join(piece for _, piece in made)
        assert all(value[at : at + len(piece)] == piece for at, piece in made)
        assert 5 <= min(len(piece) for _, piece in made)


def test_nearest_agrees_with_the_slow_way() -> None:
    """The bit vectors count what the table counts."""
    chance = random.Random(3)
    for _ in range(150):
        one = bytes(chance.choices(b"abc", k=chance.randint(1, 12)))
        two = bytes(chance.choices(b"abc", k=chance.randint(0, 20)))
        assert distance(one, two) == nearest(one, two).changes


@pytest.mark.parametrize(
    "changed",
    [
        b"k3jd8f7smX01pqlx92nv",
        b"k3jd8f7sma01pqlXX2nv",
        b"k3jd8fsma01pqlx92nv",
        b"k3jd8f7sma01pqlx9Y2nv",
    ],
)
def test_changed_values_are_alike(changed: bytes) -> None:
    """Changed, lost and added characters, with the place of what stands there."""
    text = b"itis" + changed + b"then"
    places = set()
    for seed_at, piece in seeds(VALUE):
        at = text.find(piece)
        if at >= 0:
            places.add(alike(VALUE, text, seed_at, at))
    assert {(4, 4 + len(changed))} == places


def test_other_values_are_not() -> None:
    """The same value is no change of itself; too many changes make another."""
    assert alike(VALUE, b"xx" + VALUE, 0, 2) is None
    assert alike(VALUE, VALUE[:6] + b"zzzzzzzzzzzzzz", 0, 0) is None
    assert alike(VALUE, VALUE[:5] + VALUE[:4:-1], 0, 0) is None
    assert alike(VALUE, b"", 5, 0) is None
