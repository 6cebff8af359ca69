"""The default classifier as a whole: the vectors, hostile texts, any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.detectors.custom import CustomRule
from holdfast.adapters.detectors.fast import WEAK_WITHOUT_EXTRA, FastClassifier
from holdfast.core.findings import NOTHING
from holdfast.core.labels import Sensitivity
from holdfast.ports.detector import Classifier

FAST: Classifier = FastClassifier()
STRICT = FastClassifier(packs=["hipaa", "pci-dss", "gdpr"])
PIECES = (
    "my password is ", "密码是", "İ", "\u200b", "\ud800", "4111 1111 1111 1111", "ghp_", "\0", "@",
    "a.b@c.de", "key=", "://u:", "+1 415", "eyJ", "-----BEGIN PRIVATE KEY-----", "1-", "１",
    "é", " ",
    "\n", "\"", "card ", "diagnosed with ", "token: a1b2c3d4e5", "DOB 1980-01-02", "::1",
    "IBAN GB82",
)  # fmt: skip
HOSTILE = (
    "1", "1-", "1 ", "1.", "a.", "a-", "a@", "@", "sk-", "4111 ", "4 1 1 1", "a@b.c", "key=",
    "token=", "token=a1b2c3d4e5 ", "://a:b@", "http://a:b", "password is ", "eyJ",
    "eyJhbGci.", "+1",
    "密码是", "4\u200b", "é密", "\ud800", "tel 1 ", "0x", "GB82 ", "a:",
    "-----BEGIN RSA PRIVATE KEY-----",
    " ", "(", "abandon ", "12 Main ", "AKIA", "card is 1 ", "\u202e", "-", ":", "_", "%B4", "mg 1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "level", "values"),
    [("My card is 378282246310005", "HIGHLY_SENSITIVE", {"378282246310005"}),
     ("123e4567-e89b-12d3-a456-426614174000", "NORMAL", set()),
     ("0000 0000 0000 0000", "NORMAL", set()),
     ("the password is required for login", "NORMAL", set()),
     ("密码是" + "中" * 50, "CRITICAL", {"中" * 50}),
     ("İİİİ my password is hunter2", "CRITICAL", {"hunter2"}),
     ("commit 0123456789abcdef0123456789abcdef01234567", "NORMAL", set()),
     ("at 1707734400", "NORMAL", set()), ("", "NORMAL", set()),
     ("4111\u200b1111\u200b1111\u200b1111", "HIGHLY_SENSITIVE",
      {"4111\u200b1111\u200b1111\u200b1111"})],
)  # fmt: skip
def test_vectors(text: str, level: str, values: set[str]) -> None:
    """The level, and exactly these values."""
    found = FAST.classify(text)
    assert Sensitivity[level] == found.level
    assert values == {text[one.start : one.end] for one in found.findings}


def test_the_level_is_that_of_the_highest_raw_match() -> None:
    """An address whose first part is a key is both, and as high as the key."""
    key = "ghp_" + "a1B2c3D4e5F6" * 3
    found = FAST.classify(f"{key}@example.com")
    assert {"email", "api_key"} <= {one.kind for one in found.findings}
    assert Sensitivity.HIGHLY_SENSITIVE == found.level


def test_a_plain_text_costs_nothing() -> None:
    """The very same answer each time."""
    assert NOTHING is FAST.classify("Just a sentence about the garden.")


def test_packs_lift_only_what_they_match() -> None:
    """And say what they ask for."""
    plain, matched = STRICT.classify("hello there"), STRICT.classify("NPI 1234567893")
    assert (Sensitivity.NORMAL, Sensitivity.HIGHLY_SENSITIVE) == (plain.level, matched.level)
    assert (False, True) == (
        STRICT.demands(plain).tee_mandatory, STRICT.demands(matched).tee_mandatory
    )  # fmt: skip


def test_rules_of_the_operator_are_run() -> None:
    """Beside all others."""
    own = FastClassifier(custom=[CustomRule(name="project", pattern="凤凰", level="critical")])
    assert Sensitivity.CRITICAL == own.classify("项目凤凰").level


def test_without_the_extra_it_says_so() -> None:
    """For every text."""
    bare = FastClassifier(extra=False)
    for text in ("", "hello", "mail a@b.co"):
        assert (WEAK_WITHOUT_EXTRA,) == bare.classify(text).weak


def test_a_canonical_of_the_caller_is_used() -> None:
    """For text that is not ASCII."""
    other = FastClassifier(canonical=lambda text: ("a@b.co", [0] * 6))
    (found,) = other.classify("é").findings
    assert ("email", 0, 1) == (found.kind, found.start, found.end)


@given(
    st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=()), max_size=9))
)
def test_any_text_is_accepted(pieces: list[str]) -> None:
    """Nothing is raised, places are in the text, in order, and the level covers them."""
    text = "".join(pieces)
    found = STRICT.classify(text)
    assert found == STRICT.classify(text)
    assert list(found.findings) == sorted(found.findings, key=lambda one: (one.start, -one.end))
    for one in found.findings:
        assert 0 <= one.start < one.end <= len(text)
        assert one.level <= found.level
        assert 0.0 < one.confidence <= 1.0


def test_logs_and_tables_are_ordinary() -> None:
    """A thousand lines of times, and of numbers, count as what they are."""
    log = "".join(
        f"2024-01-01 12:{at // 60 % 60:02}:{at % 60:02} 0.{at} INFO ok\n" for at in range(1000)
    )
    table = "".join(
        f"{at} {at * 7 % 97} {at * 13 % 89} 19{at % 90 + 10} 0.25\n" for at in range(1000)
    )
    assert (Sensitivity.NORMAL, Sensitivity.NORMAL) == (
        FAST.classify(log).level, FAST.classify(table).level
    )  # fmt: skip


def spent_ms(text: str) -> float:
    """The processor's time for a text, the best of five."""
    best = 1e9
    for _ in range(5):
        started = time.process_time()
        FAST.classify(text)
        best = min(best, (time.process_time() - started) * 1e3)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    """Ten times as much takes about ten times as long; `bench/content.py` has the bar of 50 ms."""
    whole, tenth = (spent_ms((piece * length)[:length]) for length in (100_000, 10_000))
    assert whole < 20 * max(tenth, 2.0)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_of_a_tenth(piece: str) -> None:
    """10,000 characters of anything, for every run of the tests: no square, no hang."""
    assert 50.0 > spent_ms((piece * 10_000)[:10_000])
