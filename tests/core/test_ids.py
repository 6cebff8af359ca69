"""Ids: path-safe on every disk (seed D4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidSessionId
from holdfast.core.ids import ID_CHARS_MAX, EffectRef, generated_id, validate_id


@pytest.mark.parametrize(
    "text", ["a", "A-b_c.d", "0", "-", "_x", "a" * ID_CHARS_MAX, "con1", "com10", "acon"]
)
def test_safe_id_is_returned(text: str) -> None:
    """A path-safe id is returned as it is."""
    assert text == validate_id(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must not be empty"),
        ("a" * (ID_CHARS_MAX + 1), "longer than 128"),
        (".hidden", "unsafe"),
        ("a..b", "unsafe"),
        ("a.", "unsafe"),
        ("a/b", "unsafe"),
        ("a\\b", "unsafe"),
        ("a b", "unsafe"),
        ("a\n", "unsafe"),
        ("a\0", "unsafe"),
        ("é", "unsafe"),
        ("~", "unsafe"),
        ("CON", "reserved"),
        ("nul.txt", "reserved"),
        ("Lpt9", "reserved"),
        ("com1.a.b", "reserved"),
    ],
)
def test_unsafe_id_is_refused(text: str, words: str) -> None:
    """What another disk would take for something else is refused, and the text says why."""
    with pytest.raises(InvalidSessionId, match=words):
        validate_id(text)


def test_what_is_no_text_is_refused() -> None:
    """A number is no id."""
    with pytest.raises(InvalidSessionId, match="must not be empty"):
        validate_id(7)


def test_label_names_the_thing() -> None:
    """The message names what was checked."""
    with pytest.raises(InvalidSessionId, match=r"^Tenant must not be empty"):
        validate_id("", "Tenant")


@given(st.text(max_size=140))
def test_accepted_ids_are_safe(text: str) -> None:
    """Whatever is accepted has no separator, no leading dot and no parent in it."""
    try:
        validate_id(text)
    except InvalidSessionId:
        return
    assert text and len(text) <= ID_CHARS_MAX
    assert text.isascii() and not set(text) & set('/\\:*?"<>| \0')
    assert not text.startswith(".") and not text.endswith(".") and ".." not in text


@given(st.binary(min_size=16, max_size=16))
def test_generated_ids_are_safe(random: bytes) -> None:
    """A generated id is `sess-` and 32 hex digits, and passes the check."""
    made = generated_id(random)
    assert made == validate_id(made)
    assert 37 == len(made) and made.startswith("sess-")


def test_generated_id_needs_its_bytes() -> None:
    """Fewer random bytes are a mistake of the caller."""
    with pytest.raises(AssertionError):
        generated_id(b"short")


def test_effect_ref_is_a_pair() -> None:
    """A reference is the cause's version and the place there."""
    assert (3, 1) == EffectRef(3, 1)
    assert EffectRef(3, 0) < EffectRef(3, 1) < EffectRef(4, 0)
