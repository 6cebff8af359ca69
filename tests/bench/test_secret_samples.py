"""The made-up keys by which the classifier is measured."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from secret_samples import is_held_out, samples


def test_there_are_many_providers_and_half_are_held_out() -> None:
    """At least 200; neither part is less than two fifths."""
    providers = {one.provider for one in samples(1)}
    held_out = {name for name in providers if is_held_out(name)}
    assert 200 <= len(providers)
    assert 0.4 <= len(held_out) / len(providers) <= 0.6


def test_samples_are_the_same_for_the_same_seed() -> None:
    """And others for another."""
    assert list(samples(2)) == list(samples(2))
    assert list(samples(2)) != list(samples(2, seed=21))


def test_a_key_stands_where_it_is_said_to() -> None:
    """Without blanks, and nowhere at the edge of nothing."""
    for one in samples(6):
        key = one.text[one.start : one.end]
        assert len(key) >= 15
        assert not any(char.isspace() for char in key)
