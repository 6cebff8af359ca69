"""A value is grounded as what it is, by whole words, and never by a part of something else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.runtime.grounding import (
    PLACES_MAX,
    TEXT_CHARS_MAX,
    Said,
    Value,
    embedded,
    leaves,
    number,
    switch,
    typed,
    value_of,
    words_of,
)


def says(text: str, leaf: str | int | float, *, as_id: bool = False) -> bool:
    """Whether a text grounds a value."""
    said = Said()
    said.add(text)
    return said.says(value_of(leaf, as_id=as_id))


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("Invite Dora to Slack", "Dora"),
        ("post it to #general.", "general"),
        ("post it to general", "#general"),
        ("Alice's inbox", "Alice"),
        ("the Follow-up meeting today", "follow-up meeting"),
        ("to External_0, please", "External_0"),
        ("ask R&D.", "R&D"),
        ("run 'make *.o' now", "make *.o"),
        ("write to bob@mail.example!", "bob@mail.example"),
        ("mailto:bob@mail.example", "bob@mail.example"),
        ("see https://www.site.example/a?b=1", "site.example/a?b=1"),
        ("see site.example:8080/x", "site.example:8080/x"),
        ("from 10.0.0.1", "10.0.0.1"),
        ("visit bücher.example", "bücher.example"),
        ("pay GB29 NWBK 6016 1331 9268 19 now", "GB29NWBK60161331926819"),
        ("pay 1,000 EUR", 1000),
        ("pay $98.70", 98.7),
        ("pay -5", -5),
        ("a 19.5% rise", "19.5%"),
        ("on 2024-05-20 at 10:00", "2024-05-20 10:00"),
        ("from 2024-05-20T10:00 on", "2024-05-20 10:00"),
        ("May 20th at 10am for 1 hour", "2024-05-20 11:00"),
        ("add it to January 2nd 2025", "2025-01-02 00:00"),
        ("add it to January 2nd 2025", "2025-01-02 23:59"),
        ("ＦＵＬＬ width", "full"),
    ],
)
def test_what_was_said_is_grounded(text: str, leaf: str | float) -> None:
    """However it is spelled."""
    assert says(text, leaf)


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("see www.dora-web.example", "dora"),
        ("write to bob@mail.example", "bob"),
        ("Alice-Smith", "Alice"),
        ("the x-ray report", "ray report"),
        ("to External_0", "External"),
        ("Johnson", "John"),
        ("list the notes", "../notes"),
        ("list the notes", "notes; rm x"),
        ("list the notes", "/notes | sh"),
        ("ask R&D.evil", "R&D"),
        ("x*", "*"),
        ("nothing much", "*"),
        ("'..' and '!!'", "??"),
        ("", ""),
        ("see site.example/a", "site.example/b"),
        ("see site.example", "site.example.evil.example"),
        ("pay 1,000 EUR", 1),
        ("pay 1,000 EUR", 0),
        ("prices rose 10%", 10),
        ("transaction 7", 7),
        ("the event 15", "1.5"),
        ("file 5", "-5"),
        ("file 10", "10%"),
        ("#7", 7),
        ("pay 7", -7),
        ("2024-05-13", 13),
        ("GB29NWBK60161331926819", "60161331926819"),
        ("pay GB29 NWBK 6016 1331 9268 19", "60161331"),
        ("a" * 200 + "123456", "b" * 200 + "123456"),
        ("May 20 at 10am", "2024-05-20 11:00"),
        ("May 20 at 10am", "2024-05-20 00:00"),
        ("May 20 at 10", "2024-05-20 23:59"),
        ("10:00", "2024-05-20 10:00"),
        ("this afternoon, May 20, at 9:00", "2024-05-20 12:00"),
    ],
)
def test_what_was_not_said_is_not(text: str, leaf: str | float) -> None:
    """A part of a word, of an account, of a number or of an address is none of them."""
    assert not says(text, leaf)


@pytest.mark.parametrize(
    ("text", "leaf", "expected"),
    [
        ("delete file 13", "13", True),
        ("delete file 13", 13, True),
        ("delete #13", "13", True),
        ("the file '13'", "13", True),
        ("pay 13", "13", False),
        ("June 13", "13", False),
        ("2024-05-13", "13", False),
        ("file 'a1'", "a1", True),
    ],
)
def test_an_id_is_grounded_as_an_id(text: str, leaf: str | int, expected: bool) -> None:
    """Two digits that stand anywhere are no id."""
    assert expected == says(text, leaf, as_id=True)


def test_what_is_issued_is_an_id_or_a_day_and_no_number() -> None:
    """Transaction 4 says nothing of an amount of 4."""
    said = Said()
    for value in (4, "2024-05-20 10:00", "msg_123456", "2024-01-02"):
        said.take(value)
    assert said.says(value_of("4", as_id=True))
    assert not said.says(value_of(4))
    assert said.says(value_of("2024-05-20 10:00"))
    assert said.says(value_of("2024-01-02"))
    assert said.says(value_of("msg_123456", as_id=True))


def test_two_texts_do_not_make_a_phrase_together() -> None:
    """What is joined is kept apart."""
    one, other = Said(), Said()
    one.add("new")
    other.add("york 'a b' & on may 5 at 10:00")
    one.join(other)
    assert not one.says(value_of("new york"))
    assert one.says(value_of("york"))
    assert one.says(value_of("2024-05-05 10:00"))
    assert one.says(Value("literal", "&"))
    assert {"a b"} == one.quoted


def test_too_many_places_ground_nothing() -> None:
    """A word that stands a thousand times within longer ones is not looked for further."""
    assert not says("x-dora " * (PLACES_MAX + 1) + "Dora", "Dora")
    assert not says("x&y-" * (PLACES_MAX + 1) + " x&y", "x&y")


def test_of_a_long_text_the_beginning_counts() -> None:
    """And nothing after it."""
    assert not says("x" * TEXT_CHARS_MAX + " Dora", "Dora")


def test_links_addresses_and_accounts_are_seen_in_a_text() -> None:
    """Days, words and small numbers are not."""
    text = "Hi, see (https://evil.example/x), 10.0.0.1 or a@b.example; IBAN GB29NWBK1 2024-05-20 7."
    assert [
        ("url", "https://evil.example/x"),
        ("url", "10.0.0.1"),
        ("email", "a@b.example"),
    ] == [(value.kind, written) for value, written in embedded(text)]
    assert [("account", "GB29NWBK6016")] == [
        (value.kind, written) for value, written in embedded("to GB29NWBK6016")
    ]


@pytest.mark.parametrize(
    ("token", "kinds"),
    [
        ("a@b.example", ["email"]),
        ("https://x@b.example/", ["url"]),
        ("www.x", ["url"]),
        ("x.example?q", ["url"]),
        ("2024-05-20", ["date"]),
        ("1234567", ["number", "account"]),
        ("word", []),
        ("€5", ["number"]),
    ],
)
def test_tokens_have_types(token: str, kinds: list[str]) -> None:
    """A link with a user in it is a link."""
    assert kinds == [one.kind for one in typed(token)]


def test_numbers_have_one_form() -> None:
    """Whatever their zeros, their grouping and their sign."""
    assert ["1000", "98.7", "-5", "0", "7", "10%"] == [
        number(one) for one in ("1,000", "98.70", "-05", "0.0", "+7", "10.0%")
    ]


def test_values_within_values_are_found() -> None:
    """Names of fields and switches are none, and what is too deep is left out."""
    deep: object = "x"
    for _ in range(30):
        deep = [deep]
    value = {"a": [1, "b", True, None, {"c": 2.5}], "d": ("e",), "f": deep, "g": object()}
    assert [1, "b", 2.5, "e"] == list(leaves(value))
    assert [1, "b", True, 2.5, "e"] == list(leaves(value, switches=True))


def test_a_switch_is_said_by_its_name() -> None:
    """Whichever way it is set."""
    said = Said()
    said.add("Make it a dry run")
    assert said.says(switch("dry_run"))
    assert not said.says(switch("force"))


def test_a_text_without_words_is_itself() -> None:
    """So that no two of them are the same."""
    assert ["a b", "!!", ""] == [words_of(one) for one in ("a-b", " !! ", " ")]


anything = st.text(max_size=200) | st.sampled_from(["\ud800", "\0", "'" * 9, "1,000", "a@", "://"])


@given(anything, anything)
def test_no_text_is_too_strange(text: str, leaf: str) -> None:
    """Nothing is raised; an empty text grounds nothing that has a word."""
    for as_id in (False, True):
        says(text, leaf, as_id=as_id)
        assert not leaf.strip() or not says("", leaf, as_id=as_id)
    list(embedded(text))


@given(st.lists(st.sampled_from(["dora", "-", " ", "x", "&", "5", ","]), max_size=20))
def test_a_longer_word_grounds_no_part(pieces: list[str]) -> None:
    """`dora` is grounded just where it stands by itself."""
    text = "".join(pieces)
    alone = any(word.strip("-&") == "dora" for word in text.replace(",", " ").split())
    assert alone == says(text, "dora")


@given(st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda one: round(one, 2)))
def test_a_number_grounds_itself(value: float) -> None:
    """As it is written."""
    assert says(f"pay {json.dumps(value)} now", value) or "e" in json.dumps(value)


@pytest.mark.parametrize("piece", ["a", "1,", "1,000", "x.y", "' ", "\ud800\0", "a b-", "&", "@."])
def test_long_texts_take_linear_time(piece: str) -> None:
    """20 KB of anything are taken in and looked through at once."""
    text = piece * (20_000 // len(piece))
    started = time.perf_counter()
    assert not says(text, "never said")
    says(text, text)
    list(embedded(text))
    assert 5 > time.perf_counter() - started
