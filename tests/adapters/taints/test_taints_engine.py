"""The engine finds what it should, where it is, and nothing else."""

from __future__ import annotations

import base64
import random
import string
import time
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.taints.engine import TaintEngine
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import redact
from holdfast.testing.taints_kit import ENCODINGS, hide, pieces_left, taint


def knowing(*values: str) -> TaintEngine:
    """An engine with values in session "s", each its own id."""
    engine = TaintEngine()
    engine.load("s", [taint(value, id=value) for value in values])
    return engine


def stood(engine: TaintEngine, text: str) -> list[tuple[str, str]]:
    """What was found in a text: what it stood as, and through what."""
    return [(text[match.start : match.end], match.view) for match in engine.scan("s", text)]


def test_card_and_password_are_both_gone() -> None:
    """Test vector 12: no tail of the second value survives the first's replacement."""
    text = "card 4111-1111-1111-1111 then pw hunter2 end"
    shown = redact(text, knowing("4111-1111-1111-1111", "hunter2").scan("s", text))
    assert "card [REDACTED:SECRET] then pw [REDACTED:SECRET] end" == shown


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("c2VjcmV0MTIz", ""),
        ("eHNlY3JldDEyMw==", "e"),
        ("736563726574313233", ""),
        ("%73%65%63%72%65%74%31%32%33", ""),
        ("s e c r e t 1 2 3", ""),
        ("321terces", ""),
        ("SECRET123", ""),
    ],
)
def test_every_form_is_redacted(text: str, left: str) -> None:
    """Test vector 13."""
    shown = redact(text, knowing("secret123").scan("s", text))
    assert left + "[REDACTED:SECRET]" == shown


def test_views_say_how_it_was_hidden() -> None:
    """Through what it was read, the outermost first."""
    engine = knowing("secret123")
    twice = base64.b64encode(base64.b64encode(b"321terces")).decode()
    for text, view in (
        ("Secret 123", ""),
        ("frperg123", "rot13"),
        ("321terces", "reversed"),
        (hide("secret123", "gzip+base64").occurrence, "base64>gzip"),
        (twice, "base64>base64>reversed"),
    ):
        assert [(text, view)] == stood(engine, text)


def test_signs_around_a_value_go_with_it() -> None:
    """A value's first and last signs are a part of it where they are there."""
    engine = knowing("##secret123!?")
    assert [("##secret123!?", "")] == stood(engine, "a ##secret123!? b")
    assert [("# # s e c r e t 1 2 3 !", "")] == stood(engine, "## # s e c r e t 1 2 3 ! b ?")
    assert [("?!321terces##", "reversed")] == stood(engine, "x?!321terces##")
    assert [("secret123", "")] == stood(engine, "(secret123)")
    assert [("secret123!", "")] == stood(engine, "secret123!")


def test_numbers_stand_together() -> None:
    """Few digits are no part of more digits and are not gathered from all over."""
    engine = knowing("123456")
    assert [("123456", ""), ("12 34 56", "")] == stood(engine, "x123456 or 12 34 56.")
    for text in ("1234567", "0123456", "12 and 34 56", "12 -- 34 56", "12\n3456"):
        assert [] == stood(engine, text)
    assert [("4111111111111111", "")] == stood(knowing("4111-1111-1111-1111"), "94111111111111111")


def test_words_need_boundaries_where_their_script_has_them() -> None:
    """A short value is found as a word, resolved from escapes too, not in base64."""
    engine = knowing("hunter2", "王小明明")
    assert [("王小明明", "")] == stood(engine, "我叫王小明明。")
    assert [("hunter%32", "escaped")] == stood(engine, "x=hunter%32")
    assert [] == stood(engine, base64.b64encode(b"so hunter2 it is").decode())
    assert [] == stood(engine, "éhunter2 hunter2é")


def test_values_made_of_signs() -> None:
    """Case does not matter; they are found encoded, too."""
    value = "P@$$!w#r%Ä^&*"
    engine = knowing(value)
    encoded = base64.b64encode(value.encode()).decode()
    for text in (value, value.lower(), value[::-1], encoded):
        assert text in [found for found, _ in stood(engine, text)]


def test_changed_values() -> None:
    """A few characters of a long secret changed; not of an address, not too many."""
    engine = knowing("kD8wq2Lm4zT9xRb7", "somebody.long@example.org")
    assert [("kD8wqXLm4zT9xRb7", "changed")] == stood(engine, "it is kD8wqXLm4zT9xRb7.")
    text = base64.b64encode(b"kD8wq2Lm4z9xRb7").decode()
    assert [("base64>changed")] == [view for _, view in stood(engine, text)]
    assert [] == stood(engine, "kD8wqXXXX4T9xRb7 somebodi.long@example.org")
    spread = "kD8w" + " " * 40 + "qX" + " " * 40 + "Lm4zT9xRb7"
    assert [] == stood(engine, spread)


def test_an_occurrence_is_one_match() -> None:
    """A value that overlaps itself is one place; each form is reported once."""
    assert [("abcabcabcabcabcabc", "")] == stood(knowing("abcabcabc"), "x abcabcabcabcabcabc y")
    assert [("secret123", ""), ("secret123", "")] == stood(
        knowing("secret123"), "secret123 %20secret123"
    )


@pytest.mark.parametrize("value", ["ßßßßßßßß", "ssssssss", "SsSsSsSs", "#secret123", "secret123#"])
def test_what_is_decoded_beside_it_does_not_hide_a_value(value: str) -> None:
    """Signs and letters of one decoding never join those of the next one."""
    coded = [base64.b64encode(part.encode()).decode() for part in ("it ends so#", value, "#so it")]
    for text in (
        f"Look%20is {hide(value, 'percent')} ss",
        f"Look%20is {hide(value, 'hex')} ss {hide(value, 'hex')}",
        " ".join(coded),
        " ".join([coded[0], base64.b64encode((value.strip("#") + " is").encode()).decode()]),
    ):
        matches = knowing(value, "other-thing-1").scan("s", text)
        assert matches, text
        shown = redact(text, matches)
        assert [] == pieces_left(str(hide(value, "percent")), shown) and coded[1] not in shown


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        ("ßaßaß----", "reversed"),  # it reads the same backwards but for its signs
        ("----aabbcc11", "full-width"),
        ("000000ᾀ0", "upper"),  # the iota below becomes a letter of its own
    ],
)
def test_signs_and_marks_go_with_a_value(value: str, encoding: str) -> None:
    """Found once by the property with all letters of Unicode."""
    text = f"Look: {hide(value, encoding)} is it."
    shown = redact(text, knowing(value).scan("s", text))
    assert "Look: [REDACTED:SECRET] is it." == shown


@settings(max_examples=60, deadline=None)
@given(
    value=st.one_of(
        st.text(string.ascii_letters + string.digits + "-_.#", min_size=8, max_size=40),
        st.text("sSß#", min_size=8, max_size=12),
    ).filter(lambda value: sum(char.isalnum() for char in value) >= 8 and not value.isdigit()),
    encoding=st.sampled_from(ENCODINGS),
    lead=st.sampled_from(["Look: ", "Look%20is ", "&amp;s ", "c3Nzc3Nzc3NzcyM= "]),
)
def test_any_value_in_any_encoding(value: str, encoding: str, lead: str) -> None:
    """It is found, and no four characters of it are left, whatever is decoded beside it."""
    hidden = hide(value, encoding)
    before, after = lead + hidden.before, hidden.after + " is it."
    text = before + hidden.occurrence + after
    matches = knowing(value).scan("s", text)
    assert matches
    shown = redact(text, matches)
    assert [] == pieces_left(hidden.occurrence, shown, before + after + "[REDACTED:SECRET]")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None), max_size=80), st.text(st.characters(codec=None)))
def test_any_text_and_any_value(text: str, value: str) -> None:
    """Nothing is raised for what a text says; places lie within it."""
    engine = TaintEngine()
    given_value = taint("x", id="1")
    given_value.value[:] = value.encode("utf-8", "surrogatepass")
    engine.load("s", [given_value, taint("hunter2", id="2")])
    for match in engine.scan("s", text + value + text):
        assert 0 <= match.start < match.end <= len(text + value + text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_values_of_other_scripts(encoding: str) -> None:
    """Accents, Cyrillic, Greek, Chinese and Korean are found in every encoding alike."""
    values = ("Pässwörter-2024x", "пароль-секрет-9", "密码是秘密的一个钥匙", "비밀번호는여덟자리",
              "Ηλιος-Καφες-12", "123456")  # fmt: skip
    engine = knowing(*values)
    for value in values:
        hidden = hide(value, encoding)
        found = engine.scan("s", f"Look: {hidden} ok")
        assert value in {match.id for match in found}


HOSTILE = {
    "one letter": "a" * 20_000,
    "capitals": "A" * 20_000,
    "percent": "%41" * 7_000,
    "ampersand": "&" + "a" * 20_000,
    "backslashes": "\\" * 20_000,
    "lines": ("A" * 76 + "\n") * 260,
    "digits": "1 2 3 4 5 6 7 " * 1_400,
    "surrogates": "\ud800" * 20_000,
    "marks": "e\u0301" * 10_000,
    "base64 of rubbish": base64.b64encode(random.Random(1).randbytes(15_000)).decode(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time(name: str) -> None:
    """Sixteen times the text takes nothing like 256 times as long."""
    engine = knowing("aaaaaaaa", "123456", "kD8wq2Lm4zT9xRb7", "hunter2", "p@$$!w#r%d^&*")
    text = HOSTILE[name]

    def best(size: int) -> float:
        spent = []
        for _ in range(5):
            started = time.process_time()
            engine.scan("s", text[:size])
            spent.append(time.process_time() - started)
        return min(spent)

    assert best(len(text)) <= 100 * max(best(len(text) // 16), 0.0005)


@pytest.mark.parametrize("letter", "vwxz015/+A")
def test_digits_in_base64_whatever_stands_before_them(letter: str) -> None:
    """What a letter before a run decodes to may be a digit; it is none of the number's."""
    for value in ("42950305424", "810431466"):
        encoded = base64.b64encode(value.encode()).decode()
        for text in (f"somebody said {letter}{encoded} ok", f"{letter}{encoded}"):
            assert encoded.rstrip("=") in [
                found.rstrip("=") for found, _ in stood(knowing(value), text)
            ]


def covered(matches: Iterable[TaintMatch], least: Sensitivity) -> set[int]:
    """The characters at which something stands that is at least so secret."""
    return {at for match in matches if match.level >= least for at in range(match.start, match.end)}


@st.composite
def related(draw: st.DrawFn) -> tuple[list[str], str]:
    """Values that begin with, end with and contain each other, and a text made of them."""
    letters = draw(st.sampled_from(["ab", "a", "ab#", "sSß#", "12", "1a", "$#", "ab \t", "密码a"]))
    base = draw(st.text(letters, min_size=24, max_size=40))
    part = st.tuples(st.integers(0, 30), st.integers(4, 20)).map(
        lambda one: base[one[0] : one[0] + one[1]]
    )
    change = st.sampled_from([str, str.upper, "#{}".format, "{}!?".format, "-".join])
    values = draw(st.lists(st.builds(lambda one, how: how(one), part, change), max_size=7))
    values.append(base[:16])
    hidden = st.builds(
        lambda value, encoding: str(hide(value, encoding)) if value.strip() else value,
        st.sampled_from(values),
        st.sampled_from(ENCODINGS),
    )
    parts = draw(st.lists(st.one_of(st.sampled_from(values), part, hidden), max_size=6))
    return values, draw(st.sampled_from([" ", "", "#", " and "])).join(parts)


@settings(max_examples=80, deadline=None)
@given(related(), st.lists(st.sampled_from(Sensitivity), min_size=8, max_size=8))
def test_many_values_are_found_as_each_is_alone(
    given: tuple[list[str], str], levels: list[Sensitivity]
) -> None:
    """Each is told, and what has to be taken out is the same whatever the level."""
    values, text = given
    taints = [
        taint(value, id=str(index), level=level)
        for index, (value, level) in enumerate(zip(values, levels, strict=False))
    ]
    together = TaintEngine()
    together.load("s", taints[:3])
    together.scan("s", "what is built first and what comes later are apart")
    together.load("s", taints)
    found = together.scan("s", text)
    alone: list[TaintMatch] = []
    for one in taints:
        engine = TaintEngine()
        engine.load("s", [one])
        alone += engine.scan("s", text)
    plain = [match for match in alone if "changed" not in match.view]  # these are sampled
    assert {match.id for match in plain} <= {match.id for match in found}
    for level in Sensitivity:
        assert covered(plain, level) <= covered(found, level)
        if not any("changed" in match.view for match in found):
            assert covered(plain, level) == covered(found, level)


@pytest.mark.parametrize("hidden", ["percent", "hex", "base64", "escapes"])
def test_a_value_that_is_packed_twice_side_by_side(hidden: str) -> None:
    """Each decoding is by itself, at every depth, also of a value that overlaps itself."""
    if hidden == "escapes":
        inner = "".join(f"\\u{ord(char):04x}" for char in "ssssssss")
    else:
        inner = hide("ssssssss", hidden).occurrence
    packed = base64.b64encode(inner.encode()).decode()
    text = f"{packed} and {packed}"
    shown = redact(text, knowing("ssssssss").scan("s", text))
    assert not pieces_left(packed, shown, " and [REDACTED:SECRET]")


def both_cases(char: str) -> str:
    """A letter in small and as a capital."""
    return char + char.upper()


def test_many_spellings_of_a_value_are_each_told_where_they_stand() -> None:
    """Each once, and besides the one that is spelled just so and the most secret one."""
    spelled = ["".join(mixed) for mixed in product(*map(both_cases, "abcdefgh"))]
    engine = TaintEngine()
    engine.load("s", [taint(one, id=one) for one in spelled])
    text = "aBcDeFgH " * 50 + "abcdefgh"
    matches = engine.scan("s", text)
    assert set(spelled) == {match.id for match in matches}
    assert 50 == sum(match.id == "aBcDeFgH" for match in matches)
    assert len(matches) < len(spelled) + 3 * 51


def test_signs_before_many_values_within_each_other_go_with_them() -> None:
    """More of them begin at one place, each with signs of its own, than are followed."""
    values = [f"{'#' * size}{'a' * (8 + size)}" for size in range(40)]
    engine = knowing(*values)
    for value in values:
        text = f"x {value} y {'a' * 60} {value} z"
        assert not pieces_left(value, redact(text, engine.scan("s", text)), "[REDACTED:SECRET]")


NESTED: dict[str, Callable[[int], tuple[list[str], str]]] = {
    "one letter": lambda count: (["a" * (8 + size) for size in range(count)], "a" * 20_000),
    "signs": lambda count: (["$" * (8 + size) for size in range(count)], "$" * 20_000),
    "beginnings": lambda count: (
        [BASE[: 8 + size] for size in range(count)],
        BASE[: count + 8] * (20_000 // count),
    ),
    "ends": lambda count: (
        [BASE[count - size : count + 8] for size in range(count)],
        BASE[: count + 8] * (20_000 // count),
    ),
    "signs before and after": lambda count: (
        [f"{'#' * size}{'a' * (8 + count - size)}{'!' * size}" for size in range(count)],
        ("#" * count + "a" * (count + 8) + "!" * count) * (20_000 // (3 * count)),
    ),
    "spellings": lambda count: (
        ["".join(one) for one in islice(product(*map(both_cases, "abcdefghij")), count)],
        "abcdefghij " * 1_800,
    ),
    "encoded": lambda count: (
        ["a" * (8 + size) for size in range(count)],
        base64.b64encode(b"a" * 15_000).decode(),
    ),
}  # fmt: skip
BASE = "".join(random.Random(5).choices(string.ascii_lowercase, k=2_000))


@pytest.mark.slow
@pytest.mark.parametrize("name", NESTED)
def test_values_within_values_take_no_time_for_each(name: str) -> None:
    """A hundred times as many take nothing like a hundred times as long."""

    def spent(count: int) -> float:
        values, text = NESTED[name](count)
        engine = knowing(*values)
        assert len(values) == len({match.id for match in engine.scan("s", text)})
        taken = []
        for _ in range(2):
            started = time.process_time()
            engine.scan("s", text)
            taken.append(time.process_time() - started)
        return min(taken)

    assert spent(1_000) <= 12 * max(spent(10), 0.01)


@pytest.mark.parametrize("letter", ["a", "$"])
def test_values_within_values_take_no_memory_for_each_place(letter: str) -> None:
    """A text that is full of many values is not held as all the places they stand at."""
    engine = knowing(*(letter * size for size in range(8, 48)))
    text = letter * 20_000
    assert engine.scan("s", "none of them") == ()
    tracemalloc.start()
    try:
        assert 40 == len(engine.scan("s", text))
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
