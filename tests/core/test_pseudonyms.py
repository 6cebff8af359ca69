"""Pseudonyms stand for values and lead back to them, and to nobody else's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.pseudonyms import NAME_CHARS_MAX, Pseudonyms, Restorer
from holdfast.core.redaction import Span

KEY = b"0123456789abcdef"
ADA, BOB = "ada@example.org", "bob@example.org"


def spans(text: str, *values: str, kind: str = "email") -> list[Span]:
    """The first place of each value."""
    return [Span(kind=kind, start=(at := text.index(v)), end=at + len(v)) for v in values]


def swapped(vault: Pseudonyms, text: str, *values: str) -> str:
    """A text with these values swapped for names."""
    return vault.swap(text, spans(text, *values))


def test_values_are_swapped_and_restored() -> None:
    """Names are numbered by first appearance, say what they stand for, and lead back."""
    vault = Pseudonyms(KEY)
    text = f"from {ADA} to {BOB}"
    shown = swapped(vault, text, ADA, BOB)
    first, second = vault.named(shown)
    assert f"from {first} to {second}" == shown
    assert ["PRIVATE-EMAIL-1", "PRIVATE-EMAIL-2"] == [n.rpartition("-")[0] for n in (first, second)]
    assert text == vault.restore(shown)
    assert text == vault.restore(shown.lower())


def test_names_are_stable() -> None:
    """The same value has the same name, in this vault and in another with the same key."""
    one, two = Pseudonyms(KEY), Pseudonyms(KEY)
    assert one.name(ADA, "email") == one.name(ADA, "email") == two.name(ADA, "email")
    assert one.name(BOB, "email") == two.name(BOB, "email")
    assert one.name(ADA, "email") != Pseudonyms(b"f" * 16).name(ADA, "email")
    assert one.name(ADA, "login") != one.name(ADA, "email")
    assert 3 == len(one)


def test_forged_and_unknown_names_stay() -> None:
    """A guessed check, an unused number or another session's name restores nothing."""
    vault = Pseudonyms(KEY)
    name = vault.name(ADA, "email")
    forged = name[:-1] + ("A" if name[-1] != "A" else "B")
    other = Pseudonyms(b"f" * 16).name(ADA, "email")
    text = f"{forged} {other} PRIVATE-EMAIL-2-AAAAA PRIVATE-EMAIL- PRIVATE"
    assert text == vault.restore(text)
    assert "PRIVATE-" + ADA == vault.restore("PRIVATE-" + name)
    assert name == Pseudonyms(KEY).restore(name)


def test_only_allowed_names_are_restored() -> None:
    """What the receiver may not see stays a name."""
    vault = Pseudonyms(KEY)
    ada, bob = vault.name(ADA, "email"), vault.name(BOB, "email")
    assert f"{ADA} {bob}" == vault.restore(f"{ada} {bob}", allowed={ada})
    assert f"{ada} {bob}" == vault.restore(f"{ada} {bob}", allowed=())


def test_a_name_is_no_beginning_of_another() -> None:
    """EMAIL-1 and EMAIL-12 are told apart, also with letters right behind."""
    vault = Pseudonyms(KEY)
    names = [vault.name(f"v{number}", "email") for number in range(1, 13)]
    assert "v12s v1s v1v12" == vault.restore(f"{names[11]}s {names[0]}s {names[0]}{names[11]}")


def test_values_are_restored_within_json() -> None:
    """Quotes, line breaks and odd characters of a value keep the document whole."""
    vault = Pseudonyms(KEY)
    value = 'a "b"\n\\c\ud800ä'
    arguments = json.dumps({"to": vault.name(value, "note")})
    assert {"to": value} == json.loads(vault.restore_json(arguments))


def test_swapping_twice_is_swapping_once() -> None:
    """A name that a detector takes for a value keeps standing for its own."""
    vault = Pseudonyms(KEY)
    shown = swapped(vault, f"to {ADA}", ADA)
    (name,) = vault.named(shown)
    assert shown == swapped(vault, shown, name)
    assert 1 == len(vault)


def test_the_vault_is_bounded() -> None:
    """What comes after the last name is redacted, for good."""
    vault = Pseudonyms(KEY, values_max=1)
    shown = swapped(vault, f"{ADA} {BOB}", ADA, BOB)
    assert f"{vault.name(ADA, 'email')} [REDACTED:EMAIL]" == shown
    assert f"{ADA} [REDACTED:EMAIL]" == vault.restore(shown)


def test_values_are_not_shown() -> None:
    """Nothing that prints a vault prints a value; a cleared one has none."""
    vault = Pseudonyms(KEY)
    name = vault.name(ADA, "email")
    assert "Pseudonyms(1 values)" == repr(vault) == str(vault)
    vault.clear()
    assert (0, name) == (len(vault), vault.restore(name))
    assert name == vault.name(ADA, "email")


def test_any_kind_makes_a_name() -> None:
    """A kind's odd characters are left out, and it is bounded."""
    vault = Pseudonyms(KEY)
    for kind in ("credit_card", "", "]\n[", "x" * 1_000, "é", "a--b", "x" * 31 + "_y"):
        name = vault.name(ADA + kind, kind)
        assert len(name) <= NAME_CHARS_MAX
        assert ADA + kind == vault.restore(name)
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def test_a_key_is_needed() -> None:
    """A short key is a mistake of the program."""
    with pytest.raises(AssertionError):
        Pseudonyms(b"short")


# --- in pieces -------------------------------------------------------------------------

VAULT = Pseudonyms(KEY)
NAMES = [
    VAULT.name(value, kind) for value, kind in ((ADA, "email"), ('q"\n', "note"), ("x", "a-b"))
]
PIECES = st.one_of(
    st.sampled_from(
        [*NAMES, *(name[:9] for name in NAMES), "PRIVATE-", "P", "privat", "-1-", "\ud800"]
    ),
    st.text("PRIVATE-k1é ", max_size=8),
)


@settings(max_examples=60)
@given(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(st.integers(1, 9), min_size=1),
    st.booleans(),
)
def test_pieces_are_restored_as_the_whole(text: str, sizes: list[int], within_json: bool) -> None:
    """Whatever the chunking, a stream restores what the whole text would."""
    restorer = Restorer(VAULT, within_json=within_json, allowed=NAMES[:2])
    left, at, turn = "", 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        left += restorer.push(text[at : at + size])
        at, turn = at + size, turn + 1
    restore = VAULT.restore_json if within_json else VAULT.restore
    assert restore(text, allowed=NAMES[:2]) == left + restorer.finish()


def test_ordinary_text_is_not_held_back() -> None:
    """Only what may become a name waits."""
    restorer = Restorer(VAULT)
    pieces = ("hello ", NAMES[0][:-1], NAMES[0][-1:] + " ")
    assert ["hello ", "", ADA + " "] == [restorer.push(piece) for piece in pieces]
    assert "P" * 100 == restorer.push("P" * 101)
    assert "P" == restorer.finish()


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec=None), min_size=1), st.sampled_from(["k", "l_m"]))
    )
)
def test_any_value_comes_back(values: list[tuple[str, str]]) -> None:
    """Restoring is the inverse of swapping, for any text."""
    vault = Pseudonyms(KEY)
    text = "".join(value for value, _ in values)
    places, at = [], 0
    for value, kind in values:
        places.append(Span(kind=kind, start=at, end=at + len(value)))
        at += len(value)
    assert text == vault.restore(vault.swap(text, places))
