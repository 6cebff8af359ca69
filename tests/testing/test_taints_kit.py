"""The kit writes values in many ways and judges what is left of them."""

from __future__ import annotations

import base64

from holdfast.core.labels import Sensitivity
from holdfast.testing.taints_kit import ENCODINGS, Hidden, hide, pieces_left, taint


def test_encodings_are_different() -> None:
    """Each way makes another text of a value, whatever stands around it."""
    made = {str(hide("aB3-dE6.gH9?kL2 nOp", encoding)) for encoding in ENCODINGS}
    assert len(ENCODINGS) == len(made) == 40


def test_what_is_hidden_inside_more_has_its_own_place() -> None:
    """The occurrence is what has a bit of the value, the rest stands around."""
    hidden = hide("secret123", "base64 inside, phase 1")
    assert b"#secret123 and more" == base64.b64decode(str(hidden))
    assert ("I", "3NlY3JldDEyM", "yBhbmQgbW9yZQ==") != (hidden.before, "", "")
    assert "I" == hidden.before
    assert Hidden("321terces") == hide("secret123", "reversed")


def test_pieces_are_judged() -> None:
    """Four characters in a row count, unless they stood around anyway."""
    assert [] == pieces_left("secret", "see ret [X]")
    assert ["cret"] == pieces_left("secret", "a cret")
    assert [] == pieces_left("secret", "a cret", around="cret")


def test_values_are_made() -> None:
    """Each value has an id of its own that does not show it."""
    one, two = taint("secret-value-1"), taint("secret-value-2", level=Sensitivity.NORMAL)
    assert one.id != two.id
    assert b"secret-value-1" == one.value
    assert b"secret" not in bytes.fromhex(one.id)
