"""Folding: one form for all the ways in which the same letters can be written.

Only letters and digits stay; they become lower case ASCII where they can: accents
and width go, and letters of other scripts that look like a Latin one become that
one. A value and the texts it is looked for in are folded alike, so what counts is
that equal things stay equal. Everything works on UTF-8; bytes that are none (the
rubbish of a decoder that was out of step) are left out like punctuation.
"""

from __future__ import annotations

import re
import unicodedata

ERRORS = "surrogateescape"

_KEPT = bytes(code for code in range(256) if code >= 0x80 or chr(code).isalnum())
_DROPPED = bytes(code for code in range(256) if code not in _KEPT)
_LOWER = bytes(range(256)).lower()
_IS_KEPT = [code in _KEPT for code in range(256)]
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")

# Small letters of Cyrillic, Greek and others by the Latin letter they look like. Where
# capital and small form look like different ones (Greek eta, nu, upsilon) the capital's
# counts: both have to become the same.
_LOOK_ALIKE = {
    "a": "аɑα", "b": "вβьƄ", "c": "сϲᴄ", "d": "ԁɗ", "e": "еєεҽ", "f": "ƒϝ", "g": "ɡց",
    "h": "һнհη", "i": "іιıɩӏ", "j": "јϳʝ", "k": "кκқ", "l": "ⅼǀ", "m": "мμ", "n": "пոν",
    "o": "оοσօ", "p": "рρ", "q": "ԛզ", "r": "гʀ", "s": "ѕꜱʂ", "t": "тτ", "u": "սʋц",
    "v": "ѵᴠ", "w": "ԝωѡա", "x": "хχ", "y": "уүγυ", "z": "ζᴢ",
}  # fmt: skip
_LATIN = {like: latin for latin, likes in _LOOK_ALIKE.items() for like in likes}
FOLDS_KEPT_MAX = 65_536


def _fold_char(char: str) -> str:
    made = []
    for part in unicodedata.normalize("NFKD", char):
        digit = unicodedata.digit(part, None)
        if digit is not None:
            made.append(str(digit))
        elif part in _LATIN:
            made.append(_LATIN[part])
        else:  # also of a mark that is a letter in capitals, the Greek iota below
            made.extend(_LATIN.get(low, low) for low in part.casefold() if low.isalnum())
    return "".join(made)


class _Folds(dict[str, str]):
    """The fold of each character that was met; bounded."""

    def __missing__(self, char: str) -> str:
        if len(self) >= FOLDS_KEPT_MAX:
            self.clear()
        self[char] = made = _fold_char(char)
        return made


_folds = _Folds()


def _fold_run(found: re.Match[str]) -> str:
    return "".join([_folds[char] for char in found[0]])


def fold(data: bytes) -> bytes:
    """Return the fold of a text in UTF-8."""
    if not data.isascii():
        # What is not UTF-8 is left out first; `positions` steps over it alike.
        text = _NOT_ASCII.sub(_fold_run, data.decode("utf-8", "ignore"))
        data = text.encode("utf-8", "replace")
    return data.translate(_LOWER, _DROPPED)


def backwards(value: bytes) -> bytes:
    """Return a value back to front, by characters."""
    return value.decode("utf-8", ERRORS)[::-1].encode("utf-8", ERRORS)


_SMALL = bytes(range(ord("a"), ord("z") + 1))
_MOVED = _SMALL[13:] + _SMALL[:13]
_ROT13 = bytes.maketrans(_SMALL + _SMALL.upper(), _MOVED + _MOVED.upper())


def rot13(value: bytes) -> bytes:
    """Return a value with its ASCII letters moved by half the alphabet."""
    return value.translate(_ROT13)


def positions(data: bytes) -> list[int]:
    """Return, for every byte of a fold, where the character it came from begins."""
    if data.isascii():
        return [at for at, code in enumerate(data) if _IS_KEPT[code]]
    found: list[int] = []
    at = 0
    for char in data.decode("utf-8", ERRORS):
        if char < "\x80":
            if _IS_KEPT[ord(char)]:
                found.append(at)
            at += 1
            continue
        found.extend([at] * len(_whole(_folds[char])))
        at += 1 if "\udc80" <= char <= "\udcff" else len(char.encode())
    return found


def inner(value: bytes) -> tuple[int, int]:
    """Where a value's first letter or digit begins, and where its last one ends."""
    if value.isascii():
        first, last = len(value.lstrip(_DROPPED)), len(value.rstrip(_DROPPED))
        return len(value) - first, last
    text = value.decode("utf-8", ERRORS)
    kept = [bool(_whole(_folds[char])) for char in text]
    first = kept.index(True)
    last = len(kept) - kept[::-1].index(True)
    return len(text[:first].encode("utf-8", ERRORS)), len(text[:last].encode("utf-8", ERRORS))


def _whole(folded: str) -> bytes:
    return folded.encode("utf-8", "replace").translate(_LOWER, _DROPPED)


def width(data: bytes, at: int) -> int:
    """Return how many bytes the character that begins there has."""
    code = data[at]
    if code < 0xC0:
        return 1
    return 2 if code < 0xE0 else 3 if code < 0xF0 else 4


def is_word(data: bytes, at: int, *, before: bool) -> bool:
    """Whether the character before or at a place is one that words are made of.

    Scripts that are written without spaces have no such characters: there a word
    may end anywhere.
    """
    piece = data[max(at - 4, 0) : at] if before else data[at : at + 4]
    if not piece:
        return False
    code = piece[-1] if before else piece[0]
    if code < 0x80:
        return _IS_KEPT[code]
    text = piece.decode("utf-8", "ignore")
    char = text[-1:] if before else text[:1]
    return char.isalnum() and ord(char) < 0x0E00
