"""Redaction takes out what was found, all of it and nothing else."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.findings import Finding, TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import RedactionStrategy, Span, marker, merge, redact

HASH, MASK, REMOVE = RedactionStrategy.HASH, RedactionStrategy.MASK, RedactionStrategy.REMOVE


def span(text: str, value: str, kind: str, level: Sensitivity = Sensitivity.SENSITIVE) -> Span:
    """The place of a value's first occurrence."""
    at = text.index(value)
    return Span(kind=kind, start=at, end=at + len(value), level=level)


def test_a_replacement_moves_no_other_place() -> None:
    """A card and a password after it are both taken out whole (upstream left "er2")."""
    text = "card 4111-1111-1111-1111 then pw hunter2 end"
    spans = [
        span(text, "hunter2", "password"),
        span(text, "4111-1111-1111-1111", "credit_card"),
    ]
    assert "card [REDACTED:CREDIT_CARD] then pw [REDACTED:PASSWORD] end" == redact(text, spans)


def test_overlapping_places_are_one() -> None:
    """They are replaced together; the highest level names it, then the longest."""
    text = "abcdefghij"
    low = Span(kind="low", start=0, end=6)
    long = Span(kind="long", start=1, end=8)
    high = Span(kind="high", start=5, end=7, level=Sensitivity.CRITICAL)
    assert "[REDACTED:LONG]ij" == redact(text, [low, long])
    assert "[REDACTED:HIGH]ij" == redact(text, [low, long, high])
    both = Span(kind="high", start=0, end=8, level=Sensitivity.CRITICAL)
    assert [both] == merge([low, high, long], 10)


def test_touching_places_are_two() -> None:
    """A value right after another has a marker of its own."""
    spans = [Span(kind="a", start=0, end=2), Span(kind="b", start=2, end=4)]
    assert "[REDACTED:A][REDACTED:B]" == redact("xxyy", spans)


def test_findings_and_matches_are_places() -> None:
    """What detectors and matchers report can be handed over as it is."""
    finding = Finding(kind="email", start=0, end=3, level=Sensitivity.SENSITIVE)
    match = TaintMatch(id="00", kind="token", level=Sensitivity.CRITICAL, start=4, end=7)
    assert "[REDACTED:EMAIL] [REDACTED:TOKEN]" == redact("a@b xyz", [finding, match])


def test_places_outside_the_text_are_cut() -> None:
    """Nothing is raised for a place that is not there."""
    spans = [Span(kind="k", start=-5, end=2), Span(kind="k", start=7, end=99)]
    assert "[REDACTED:K]cdefg[REDACTED:K]" == redact("abcdefghi", spans)
    backwards = [Span(kind="k", start=3, end=3), Span(kind="k", start=5, end=2)]
    assert "abcdefghi" == redact("abcdefghi", backwards)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("credit_card", "4111 1111 1111 1234", "****-****-****-1234"),
        ("card", "378282246310005", "****-****-****-0005"),
        ("credit_card", "NDExMTExMTExMTExMTExMQ==", "[REDACTED:CREDIT_CARD]"),
        ("credit_card", "1234", "[REDACTED:CREDIT_CARD]"),
        ("email", "ada@example.org", "****@example.org"),
        ("email", "YWRhQGV4YW1wbGUub3Jn", "[REDACTED:EMAIL]"),
        ("email", "ada@example.org hidden", "[REDACTED:EMAIL]"),
        ("ssn", "078-05-1120", "***-**-****"),
        ("phone", "+1 202 555 0143", "***-***-****"),
        ("api_key", "sk-123", "[REDACTED:API_KEY]"),
    ],
)
def test_masks(kind: str, value: str, shown: str) -> None:
    """A mask shows the last digits of a card or a domain, and of nothing else."""
    assert f"<{shown}>" == redact(f"<{value}>", [span(f"<{value}>", value, kind)], MASK)


def test_a_mask_shows_nothing_of_a_merged_stretch() -> None:
    """What overlaps with another value is not shown in part."""
    text = "ada@example.org"
    spans = [Span(kind="email", start=0, end=15), Span(kind="host", start=4, end=15)]
    assert "****@example.org" == redact(text, spans, MASK)
    spans = [Span(kind="email", start=0, end=15), Span(kind="host", start=4, end=16)]
    assert "[REDACTED:EMAIL]" == redact(text + "x", spans, MASK)


def test_hash_is_keyed() -> None:
    """Equal values have equal hashes under one key; without a key there is none."""
    digest = hmac.new(b"key", b"secret", hashlib.sha256).hexdigest()[:12]
    text = "secret secret"
    spans = [Span(kind="k", start=0, end=6), Span(kind="k", start=7, end=13)]
    assert f"[HASH:{digest}] [HASH:{digest}]" == redact(text, spans, HASH, key=b"key")
    assert "[REDACTED:K] [REDACTED:K]" == redact(text, spans, HASH)


def test_kinds_cannot_break_out_of_a_marker() -> None:
    """A marker holds capitals, digits and underscores only, and is bounded."""
    assert "[REDACTED:A_B__]" == marker("a]b\n[")
    assert "[REDACTED:VALUE]" == marker("")
    assert len("[REDACTED:]") + 40 == len(marker("x" * 1000))


TEXTS = st.text(st.characters(codec=None), max_size=60)


@settings(max_examples=60)
@given(TEXTS, st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=8))
def test_any_text_and_places(text: str, places: list[tuple[int, int]]) -> None:
    """What lies outside all places stays, in order; the rest is gone; it is idempotent."""
    spans = [Span(kind="k", start=start, end=end) for start, end in places]
    covered = {at for start, end in places for at in range(max(start, 0), end)}
    kept = "".join(char for at, char in enumerate(text) if at not in covered)
    for strategy in RedactionStrategy:
        done = redact(text, spans, strategy, key=b"k")
        assert strategy is not REMOVE or kept == done.replace(marker("k"), "")
        again = [
            Span(kind="other", start=at, end=at + len(marker("k")))
            for at in range(len(done))
            if done.startswith(marker("k"), at)
        ]
        assert done == redact(done, again, strategy, key=b"k")
