"""Signs that somebody hides something from the eye of a reader.

Each has honest uses, so that one alone weighs less than suspicion; only tag
characters, which no one can see and every model reads, stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from holdfast.adapters.detectors.canonical import canonical
from holdfast.core.findings import Evidence

HIDDEN = "hidden_text"
# Flags of countries' parts are a black flag and up to six tags: those are honest.
_TAGS = re.compile("(?:(?<=\U0001f3f4)[\U000e0020-\U000e007f]{1,7})|([\U000e0020-\U000e007f]+)")
_OVERRIDE = re.compile("[\u202d\u202e]")
_INSIDE = re.compile("[A-Za-z][\u200b-\u200f\u2060-\u2064\ufeff\ufe00-\ufe0f]+(?=[A-Za-z])")
_LETTER = "A-Za-z\u0370-\u03ff\u0400-\u052f\u0531-\u0587"
_WORD = re.compile(f"[{_LETTER}]{{4,40}}")
_SEAM = re.compile("[A-Za-z][\u0370-\u03ff\u0400-\u052f\u0531-\u0587]"
                   "|[\u0370-\u03ff\u0400-\u052f\u0531-\u0587][A-Za-z]")  # fmt: skip
WORDS_MAX = 200
# What these begin with in UTF-8: bytes are found at once, members of a set one by one.
_TAG_BYTES = (b"\xf3\xa0",)
_OVERRIDE_BYTES = (b"\xe2\x80\xad", b"\xe2\x80\xae")
_INSIDE_BYTES = (b"\xe2\x80", b"\xe2\x81", b"\xef\xbb\xbf", b"\xef\xb8")
_LETTER_BYTES = tuple(bytes((code,)) for code in range(0xCD, 0xD7))


def hidden_text(text: str) -> Iterator[Evidence]:
    """Yield what hides in a text: at most one piece of evidence of each kind."""
    if text.isascii():
        return
    data = text.encode(errors="surrogatepass")
    tags = _first_tags(text) if _holds(data, _TAG_BYTES) else None
    if tags is not None:
        # A single tag may be a leftover; two letters and more are a text.
        weight = 0.6 if tags.end() - tags.start() > 1 else 0.2
        yield _evidence("hidden.tags", weight, tags)
    if _holds(data, _OVERRIDE_BYTES) and (found := _OVERRIDE.search(text)) is not None:
        yield _evidence("hidden.bidi_override", 0.3, found)
    if _holds(data, _INSIDE_BYTES) and (found := _INSIDE.search(text)) is not None:
        yield _evidence("hidden.zero_width", 0.25, found)
    if _holds(data, _LETTER_BYTES) and (found := _mixed_word(text)) is not None:
        yield _evidence("hidden.mixed_scripts", 0.3, found)


def _holds(data: bytes, any_of: tuple[bytes, ...]) -> bool:
    return any(one in data for one in any_of)


def _first_tags(text: str) -> re.Match[str] | None:
    return next((found for found in _TAGS.finditer(text) if found[1]), None)


def _mixed_word(text: str) -> re.Match[str] | None:
    """Find a word of Latin letters and of others that are drawn like them."""
    if _SEAM.search(text) is None:
        return None
    for number, word in enumerate(_WORD.finditer(text)):
        if number == WORDS_MAX:
            return None
        if word[0].isascii() or _SEAM.search(word[0]) is None:
            continue
        # `TGFβ` and `kΩ` are honest: Greek at an end, after few Latin letters.
        inner = word[0].strip("\u03b1\u03b2\u03b3\u03b4\u03bc\u03a9\u0394\u03c0\u03c3\u03bb")
        if not inner.isascii() and canonical(word[0]).text.isascii():
            return word
    return None


def _evidence(rule: str, weight: float, found: re.Match[str]) -> Evidence:
    return Evidence(category=HIDDEN, rule=rule, weight=weight, start=found.start(), end=found.end())
