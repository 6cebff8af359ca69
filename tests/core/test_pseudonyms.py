"""Pseudonyms stand for values and lead back to them, and to nobody else's."""

from __future__ import annotations

import hashlib
import json
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.pseudonyms import (
    NAME_CHARS_MAX,
    VALUES_MAX,
    Pseudonyms,
    Restorer,
    name_of,
)

ADA, BOB = "ada@example.org", "bob@example.org"
LEVEL = Sensitivity.SENSITIVE
CRITICAL = Sensitivity.CRITICAL


def id_of(value: str, key: str = "key") -> str:
    """What a keyed fingerprint looks like."""
    return hashlib.sha256((key + value).encode("utf-8", "surrogatepass")).hexdigest()


def learn(
    vault: Pseudonyms,
    value: str,
    kind: str = "email",
    level: Sensitivity = LEVEL,
    key: str = "key",
) -> str:
    """Teach a vault a value; returns its name."""
    return vault.learn(id_of(value, key), kind, level, value.encode("utf-8", "replace"))


def match(
    text: str, value: str, kind: str = "email", level: Sensitivity = LEVEL, at: int | None = None
) -> TaintMatch:
    """The first place of a value, or one that begins at `at`."""
    start = text.index(value) if at is None else at
    return TaintMatch(id=id_of(value), kind=kind, level=level, start=start, end=start + len(value))


def swapped(vault: Pseudonyms, text: str, *values: str) -> str:
    """A text with these values swapped for names."""
    return vault.swap(text, [match(text, value) for value in values])


def test_values_are_swapped_and_restored() -> None:
    """Names say what they stand for, and lead back, whatever case a model writes them in."""
    vault = Pseudonyms()
    first, second = learn(vault, ADA), learn(vault, BOB)
    text = f"from {ADA} to {BOB}"
    shown = swapped(vault, text, ADA, BOB)
    assert f"from {first} to {second}" == shown
    assert first.startswith("PRIVATE-EMAIL-") and first != second
    assert ((first, "email", LEVEL), (second, "email", LEVEL)) == vault.named(f"{shown} {first}")
    assert text == vault.restore(shown)
    assert text == vault.restore(shown.lower())


def test_names_are_stable() -> None:
    """A name is made of fingerprint and kind alone: of no order, no vault and no process."""
    one, two = Pseudonyms(), Pseudonyms()
    learn(two, BOB)
    assert learn(one, ADA) == learn(one, ADA) == learn(two, ADA) == name_of(id_of(ADA), "email")
    assert learn(one, BOB) == learn(two, BOB)
    assert learn(one, ADA, key="other") != learn(one, ADA)
    assert learn(one, ADA, "login") != learn(one, ADA)
    assert "PRIVATE-EMAIL-AAAAAAAAAAAAA" == name_of("00" * 16, "email")


def test_unknown_names_stay() -> None:
    """A guess, a beginning and another session's name restore nothing."""
    vault = Pseudonyms()
    name = learn(vault, ADA)
    forged = name[:-1] + ("A" if name[-1] != "A" else "B")
    other = learn(Pseudonyms(), ADA, key="other session")
    text = f"{forged} {other} PRIVATE-EMAIL-2-AAAAAAAAAA PRIVATE-EMAIL- PRIVATE {name}X {name}1"
    assert text == vault.restore(text)
    assert () == vault.named(text)
    assert "PRIVATE-" + ADA == vault.restore("PRIVATE-" + name)
    assert ADA + ADA + name[:9] == vault.restore(name + name + name[:9])


def test_an_empty_vault_knows_nothing() -> None:
    """A session without values changes no text."""
    vault = Pseudonyms()
    name = name_of(id_of(ADA), "email")
    assert (name, ()) == (vault.restore(name), vault.named(name))


def test_only_allowed_names_are_restored() -> None:
    """What the receiver may not see stays a name, and is still known by it."""
    vault = Pseudonyms()
    ada, key = learn(vault, ADA), learn(vault, "hunter2", "password", CRITICAL)
    assert f"{ADA} {key}" == vault.restore(f"{ada} {key}", allowed={ada})
    assert f"{ada} {key}" == vault.restore(f"{ada} {key}", allowed=())
    assert json.dumps(f"{ADA} {key}") == vault.restore_json(
        json.dumps(f"{ada} {key}"), allowed={ada}
    )
    assert {ada} == vault.up_to(LEVEL) == vault.up_to(Sensitivity.HIGHLY_SENSITIVE)
    assert frozenset() == vault.up_to(Sensitivity.NORMAL)
    assert {ada, key} == vault.up_to(CRITICAL)
    assert ((key, "password", CRITICAL),) == vault.named(f"x {key}.")


def test_values_are_restored_within_json() -> None:
    """Quotes, line breaks and odd characters of a value keep the document whole."""
    vault = Pseudonyms()
    value = 'a "b"\n\\c\0ä'
    arguments = json.dumps({"to": learn(vault, value, "note")})
    assert {"to": value} == json.loads(vault.restore_json(arguments))


def test_swapping_twice_is_swapping_once() -> None:
    """A name stays as it is, and a place outside of a text is none."""
    vault = Pseudonyms()
    name = learn(vault, ADA)
    shown = swapped(vault, f"to {ADA}", ADA)
    assert shown == swapped(vault, shown) == f"to {name}"
    assert "ab" == vault.swap("ab", [match("ab" * 20, ADA, at=9)])


def test_of_values_at_one_place_the_most_secret_names_it() -> None:
    """A value that was registered twice is restored to the same, under the stricter name."""
    vault = Pseudonyms()
    mild = learn(vault, "hunter2hunter2", "email")
    strict = learn(vault, "hunter2hunter2", "password", CRITICAL)
    text = "x hunter2hunter2"
    found = [match(text, "hunter2hunter2"), match(text, "hunter2hunter2", "password", CRITICAL)]
    assert f"x {strict}" == vault.swap(text, found) == vault.swap(text, reversed(found))
    assert f"x {mild}" == vault.swap(text, found[:1])


def test_of_values_that_are_alike_the_one_written_so_is_meant() -> None:
    """A matcher finds both `j.doe@` and `jdoe@` at one place; each leads to its own."""
    vault = Pseudonyms()
    for value in ("j.doe@example.org", "jdoe@example.org"):
        learn(vault, value)
    for value in ("j.doe@example.org", "jdoe@example.org"):
        found = [
            TaintMatch(id=id_of(one), kind="email", level=LEVEL, start=0, end=len(value))
            for one in ("jdoe@example.org", "j.doe@example.org")
        ]
        assert value == vault.restore(vault.swap(value, found))


def test_where_none_covers_the_place_a_marker_stands() -> None:
    """Overlapping values, and one that nobody learned, are gone for good."""
    vault = Pseudonyms()
    learn(vault, "abcdef")
    learn(vault, "defghi")
    text = "abcdefghi"
    shown = vault.swap(text, [match(text, "abcdef"), match(text, "defghi")])
    assert "[REDACTED:EMAIL]" == shown == vault.restore(shown)
    assert "[REDACTED:EMAIL]" == swapped(vault, BOB, BOB)


def test_the_vault_is_bounded() -> None:
    """What comes after the last name is redacted, for good; known values keep theirs."""
    vault = Pseudonyms()
    for number in range(VALUES_MAX):
        vault.learn(f"{number:016x}", "n", LEVEL, b"v")
    known = name_of(f"{0:016x}", "n")
    assert VALUES_MAX == len(vault)
    assert "[REDACTED:EMAIL]" == learn(vault, ADA)
    assert "[REDACTED:EMAIL]" == swapped(vault, ADA, ADA)
    assert known == vault.learn(f"{0:016x}", "n", LEVEL, b"v")
    assert VALUES_MAX == len(vault)


def test_two_values_never_share_a_name() -> None:
    """Where 64 bits of two fingerprints are the same, the second value leads nowhere."""
    vault = Pseudonyms()
    first, second = "ab" * 8 + "01" * 8, "ab" * 8 + "02" * 8
    name = vault.learn(first, "email", LEVEL, ADA.encode())
    assert name == name_of(second, "email")
    assert "[REDACTED:EMAIL]" == vault.learn(second, "email", LEVEL, BOB.encode())
    place = TaintMatch(id=second, kind="email", level=LEVEL, start=0, end=len(BOB))
    assert "[REDACTED:EMAIL]" == vault.swap(BOB, [place])
    assert ADA == vault.restore(name)


def test_values_are_not_shown() -> None:
    """Nothing that prints a vault prints a value; a cleared one has none."""
    vault = Pseudonyms()
    given = bytearray(ADA.encode())
    name = vault.learn(id_of(ADA), "email", LEVEL, given)
    given[:] = bytes(len(given))
    assert ADA == vault.restore(name), "it keeps a copy of its own"
    assert "Pseudonyms(1 values)" == repr(vault) == str(vault)
    vault.clear()
    assert (0, name) == (len(vault), vault.restore(name))
    assert name == learn(vault, ADA)


def test_any_kind_makes_a_name() -> None:
    """A kind's odd characters are left out, and it is bounded."""
    vault = Pseudonyms()
    kinds = ("credit_card", "", "]\n[", "x" * 1_000, "é", "a--b", "x" * 31 + "_y")
    for kind in (*kinds, "private", "my private key", "privprivate-ate", "no-private"):
        name = learn(vault, ADA + kind, kind)
        assert len(name) <= NAME_CHARS_MAX
        assert ADA + kind == vault.restore(name)
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


# --- in pieces -------------------------------------------------------------------------

VAULT = Pseudonyms()
NAMES = [
    learn(VAULT, value, kind)
    for value, kind in ((ADA, "email"), ('q"\n', "note"), ("x", "a-b"), ("y", "k" * 40))
]
ALLOWED = (*NAMES[:2], NAMES[3])
PIECES = st.one_of(
    st.sampled_from(
        [*NAMES, *(name[:9] for name in NAMES), "PRIVATE-", "P", "X", "privat", "-1-", "\ud800"]
    ),
    st.text("PRIVATE-k1é ", max_size=8),
)


@settings(max_examples=100)
@given(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(st.integers(1, 9), min_size=1),
    st.booleans(),
)
def test_pieces_are_restored_as_the_whole(text: str, sizes: list[int], within_json: bool) -> None:
    """Whatever the chunking, a stream restores what the whole text would."""
    restorer = Restorer(VAULT, within_json=within_json, allowed=ALLOWED)
    left, at, turn = "", 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        left += restorer.push(text[at : at + size])
        at, turn = at + size, turn + 1
    restore = VAULT.restore_json if within_json else VAULT.restore
    assert restore(text, allowed=ALLOWED) == left + restorer.finish()


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
        st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["k", "l_m"]))
    )
)
def test_any_value_comes_back(values: list[tuple[str, str]]) -> None:
    """Restoring is the inverse of swapping, for any text."""
    vault = Pseudonyms()
    text = "".join(f" {value}" for value, _ in values)
    places, at = [], 0
    for value, kind in values:
        learn(vault, value, kind)
        places.append(match(text, value, kind, at=at + 1))
        at += 1 + len(value)
    if not any(value.upper().startswith("PRIVATE") for value, _ in values):
        assert text == vault.restore(vault.swap(text, places))


def test_a_value_is_as_secret_as_it_was_ever_said_to_be() -> None:
    """Its level rises, in whatever order it is learned, and never falls."""
    for levels in ((2, 4), (4, 2)):
        vault = Pseudonyms()
        names = {vault.learn("ab" * 32, "secret", Sensitivity(one), b"x9") for one in levels}
        (name,) = names
        assert ((name, "secret", Sensitivity.CRITICAL),) == vault.named(f"say {name}.")
        assert frozenset() == vault.up_to(Sensitivity.SENSITIVE)
        assert 1 == len(vault) and "say x9." == vault.restore(f"say {name}.")


def test_swapping_takes_time_in_proportion_to_what_is_swapped() -> None:
    """Sixteen times as many places take nothing like 256 times as long."""

    def spent(count: int) -> float:
        vault = Pseudonyms()
        vault.learn("ab" * 32, "secret", Sensitivity.SENSITIVE, b"secret123")
        text = "secret123 " * count
        matches = [
            TaintMatch(id="ab" * 32, kind="secret", level=Sensitivity.SENSITIVE,
                       start=at, end=at + 9)
            for at in range(0, len(text), 10)
        ]  # fmt: skip
        taken = []
        for _ in range(3):
            started = time.process_time()
            assert count == vault.swap(text, matches).count("PRIVATE-SECRET-")
            taken.append(time.process_time() - started)
        return min(taken)

    assert spent(8_000) <= 64 * max(spent(500), 0.001)
