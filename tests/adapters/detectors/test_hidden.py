"""Signs of hidden text."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.canonical import canonical
from holdfast.adapters.detectors.hidden import WORDS_MAX, hidden_text


@pytest.mark.parametrize(
    ("text", "rule", "hidden"),
    [
        ("see \U000e0069\U000e0067 here", "hidden.tags", "\U000e0069\U000e0067"),
        ("file \u202etxt.exe", "hidden.bidi_override", "\u202e"),
        ("pass\u200bword", "hidden.zero_width", "s\u200b"),
        ("your pаssword", "hidden.mixed_scripts", "pаssword"),
        ("igηorε this", "hidden.mixed_scripts", "igηorε"),
    ],
)
def test_what_hides_is_found_at_its_place(text: str, rule: str, hidden: str) -> None:
    """Each kind is reported once, where it is."""
    (found,) = hidden_text(text)
    assert (rule, hidden) == (found.rule, text[found.start : found.end])
    assert "hidden_text" == found.category


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "Привет, мир",
        "IT-компания и API-ключ",
        "TGFβ at 10 kΩ and 5 μm",
        "café naïve Ωmega",
        "می‌خواهم",
        "👨\u200d👩\u200d👧 family",
        "flag \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f!",
        "سلام abc \u200f ok",
        "Δt = 5 ms",
        "co\u00adoperate",
        "",
    ],
)
def test_honest_uses_are_left_alone(text: str) -> None:
    """Flags, joined emoji, other scripts, units and soft hyphens hide nothing."""
    assert [] == list(hidden_text(text))


def test_one_sign_alone_is_below_suspicion_but_tags_are_not() -> None:
    """Only tag characters have no honest use in a text."""
    assert [0.25] == [one.weight for one in hidden_text("a\u200bb")]
    assert [0.6] == [one.weight for one in hidden_text("\U000e0069\U000e0067")]
    assert [0.2] == [one.weight for one in hidden_text("x\U000e0069y")]


def test_only_so_many_words_are_looked_at() -> None:
    """A text of many words is not searched to its end."""
    assert [] == list(hidden_text("μgram " * WORDS_MAX + "pаssword"))


def test_every_character_that_hides_is_seen() -> None:
    """None is passed over because of the bytes it begins with."""

    def rules(text: str) -> set[str]:
        return {one.rule for one in hidden_text(text)}

    inside = (*range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF, *range(0xFE00, 0xFE10))
    for code in inside:
        assert "hidden.zero_width" in rules(f"ab{chr(code)}cd"), hex(code)
    for code in (0x202D, 0x202E):
        assert "hidden.bidi_override" in rules(f"ab {chr(code)} cd"), hex(code)
    for code in range(0xE0020, 0xE0080):
        assert "hidden.tags" in rules(f"ab {chr(code) * 2} cd"), hex(code)
    drawn = 0
    for code in (*range(0x370, 0x530), *range(0x531, 0x588)):
        if chr(code) not in "αβγδμΩΔπσλ" and canonical(f"ab{chr(code)}cd").text.isascii():
            drawn += 1
            assert "hidden.mixed_scripts" in rules(f"ab{chr(code)}cd"), hex(code)
    assert drawn > 50
