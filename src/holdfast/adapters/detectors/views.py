"""Views: a text read in other ways, as somebody reads it who was told to decode.

Rules
- A finder must fire first; a text without codes costs the finders alone.
- A view never grows: decoding shrinks a text, the other views keep its length.
- Of each code all runs are decoded and read together, so that decoys gain nothing.
- A stretch of a decoded run has the whole run for its origin.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial

from holdfast.adapters.detectors.spans import Encoded, Linear

# A stretch of a view: where it starts there, its start and end in the source, and the
# name of the code it was decoded from, or "" if it was copied; "=" before a name says
# that each character stands for one. A hostile text holds tens of thousands of them, so
# that they are bare tuples.
Piece = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A text read in another way.

    Args:
        name: the way, as "base64".
        pieces: its stretches in order, worked out when first asked for; None if every
            character stands for the one of its place, counted from the end if `backwards`.
        squeezed: whether the gaps between words are gone.
    """

    name: str
    text: str
    pieces: Callable[[], list[Piece]] | None = None
    backwards: bool = False
    squeezed: bool = False

    def origin(self, start: int, end: int) -> tuple[int, int, str]:
        """Return the place in the source of a stretch, and the code it came from.

        The code is "" if the stretch was only copied, so that the source shows it too.
        """
        if self.backwards:
            return len(self.text) - end, len(self.text) - start, self.name
        if self.pieces is None:
            return start, end, self.name
        pieces = self.pieces()
        first = _piece_at(pieces, start)
        last = max(_piece_at(pieces, max(end - 1, start)), first)
        codes = [code for _, _, _, code in pieces[first : last + 1] if code]
        at, source_start, _, code = pieces[first]
        if code[:1] in ("", "="):
            source_start += start - at
        at, begin, source_end, code = pieces[last]
        if code[:1] in ("", "="):
            source_end = min(begin + end - at, source_end)
        return source_start, source_end, codes[0].lstrip("=") if codes else ""


def _piece_at(pieces: list[Piece], place: int) -> int:
    return max(bisect_right(pieces, place, key=_start_of) - 1, 0)


def _same(pieces: list[Piece]) -> list[Piece]:
    return pieces


def _start_of(piece: Piece) -> int:
    return piece[0]


# --- codes that stand for bytes -----------------------------------------------------

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r"
PRINTABLE_SHARE = 0.85
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
SHORT_CHARS = 24


def readable(data: bytes) -> str | None:
    """Return bytes as text, or None if they are none: of UTF-8 or of UTF-16."""
    if not data:
        return None
    zeros = data.count(0)
    if zeros:
        if zeros * 5 < len(data) * 2 or len(data) < 8:
            return None
        little = data[1::2].count(0) >= data[0::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", "replace")
    strange = len(data.translate(None, _PRINTABLE))
    if strange > len(data) * (1 - PRINTABLE_SHARE):
        if min(data) < 0x20 and _CONTROL.search(data):
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return data.decode(errors="replace")


_BASE64 = Linear(r"[A-Za-z0-9+/_-]{16}")
BASE64_CHARS_MIN = 16
_BASE64_ONLY = bytes(
    code if code < 0x7F and (chr(code).isalnum() or chr(code) in "+/_-") else 0x20
    for code in range(0x100)
)
_TO_STANDARD = str.maketrans("-_", "+/", "\n=")
_HEX = Linear(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s:,;-]{0,2}){10,}")
_HEX_MARKS = re.compile(r"0x|\\x|[\s:,;-]")
_BINARY = Linear(r"(?:[01]{8}\s?){6,}")
_BASE32 = Linear(r"[A-Z2-7]{24,}")


def _from_base64(run: str) -> str | None:
    code = run.translate(_TO_STANDARD)
    if code.islower() or code.isupper() or code.isdigit():
        return None
    if len(code) < SHORT_CHARS:
        # Too short for a phrase in another script: bytes that are no ASCII are no text.
        data = binascii.a2b_base64(code[: len(code) // 4 * 4])
        return readable(data) if data.isascii() else None
    # The run may start with letters of the text around it: at most three do not matter.
    for shift in range(4):
        part = code[shift:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            text = readable(binascii.a2b_base64(part + "=" * (-len(part) % 4)))
        except binascii.Error:
            continue
        if text is not None:
            return text
    return None


def _from_hex(run: str) -> str | None:
    code = _HEX_MARKS.sub("", run)
    for shift in range(2):
        part = code[shift:]
        text = readable(bytes.fromhex(part[: len(part) // 2 * 2]))
        if text is not None:
            return text
    return None


def _from_binary(run: str) -> str | None:
    bits = "".join(run.split())
    return readable(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _from_base32(run: str) -> str | None:
    code = run[: len(run) // 8 * 8]
    return readable(base64.b32decode(code)) if code else None


def _base64_runs(text: Encoded) -> Iterator[tuple[int, int]]:
    """Yield the long runs of the alphabet; those of neighbouring lines are one."""
    if not _BASE64.found(text):
        return
    data = text.data
    at = seen = place = 0
    narrow = len(data) == len(text.text)
    waiting: tuple[int, int] | None = None
    for run in data.translate(_BASE64_ONLY).split():
        if len(run) < BASE64_CHARS_MIN:
            continue
        start = data.index(run, at)
        at = start + len(run)
        place = start if narrow else place + text.count(seen, start)
        if waiting and start == seen + 1 and data[seen] == 0x0A:
            waiting = waiting[0], place + len(run)
        else:
            if waiting:
                yield waiting
            waiting = place, place + len(run)
        place += len(run)
        seen = at
    if waiting:
        yield waiting


_BYTE_CODES: tuple[
    tuple[str, Callable[[Encoded], Iterator[tuple[int, int]]], Callable[[str], str | None]], ...
] = (
    ("base64", _base64_runs, _from_base64),
    ("hex", _HEX.spans, _from_hex),
    ("binary", _BINARY.spans, _from_binary),
    ("base32", _BASE32.spans, _from_base32),
)


def _decoded_runs(text: Encoded) -> Iterator[View]:
    """Read together all runs of one code that decode to text."""
    for name, runs, decode in _BYTE_CODES:
        parts: list[str] = []
        pieces: list[Piece] = []
        at = 0
        for start, end in runs(text):
            decoded = decode(text.text[start:end])
            if decoded is None:
                continue
            parts.append(decoded + "\n")
            padding = (
                0 if text.text[end : end + 1] != "=" else 1 + (text.text[end + 1 : end + 2] == "=")
            )
            pieces.append((at, start, end + padding, name))
            at += len(parts[-1])
        if parts:
            yield View(name=name, text="".join(parts), pieces=partial(_same, pieces))


# --- codes that stand for single characters -------------------------------------------

# Each branch starts with a literal: the engine then skips to the next of the three.
_ENTITY = r"(?:\#[0-9]{1,7};?|\#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z]{2,8};)"
_ESCAPED = (
    r"(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}"
    r"|U[0-9A-Fa-f]{8}|[0-7]{3}|[nrt/\"'])"
)
_CODE_RUNS = (
    r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    rf"|&{_ENTITY}(?:&{_ENTITY})*"
    rf"|\\{_ESCAPED}(?:\\{_ESCAPED})*"
)
_CODES = re.compile(_CODE_RUNS)
_CODES_APART = re.compile(f"({_CODE_RUNS})")  # splitting is quicker than a call for each
_ONE_ENTITY = re.compile(f"&{_ENTITY}")
_entity = lru_cache(maxsize=4_096)(html.unescape)
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]+)\}|[uUx]([0-9A-Fa-f]+)|([0-7]{3})|(.))")
CODES_FEW = 64
CODES_AROUND = 160
_CHARACTERS = {"n": "\n", "r": "\n", "t": " "}


def _from_percent(run: str) -> str:
    return bytes.fromhex(run.replace("%", "")).decode(errors="replace")


def _from_entities(run: str) -> str:
    return _ONE_ENTITY.sub(lambda found: _entity(found[0]), run)


def _from_escapes(run: str) -> str:
    return _ESCAPE.sub(_escaped, run)


def _escaped(found: re.Match[str]) -> str:
    if found[4]:
        return _CHARACTERS.get(found[4], found[4])
    code = int(found[3], 8) if found[3] else int(found[1] or found[2], 16)
    # Halves of a pair stay lone: what they hide above U+FFFF is no letter of a rule.
    return chr(code) if code < 0x110000 else "\ufffd"


_DECODERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "%": ("percent", _from_percent),
    "&": ("html", _from_entities),
    "\\": ("escape", _from_escapes),
}


def _decoded_codes(text: str) -> Iterator[View]:
    """Read codes for single characters in their place, with the text around them."""
    if "%" not in text and "&" not in text and "\\" not in text:
        return
    known = _Known()
    parts = _CODES_APART.split(text)
    parts[1::2] = map(known.__getitem__, parts[1::2])
    decoded = "".join(parts)
    if decoded == text:
        return
    if len(parts) // 2 <= CODES_FEW:
        yield _code_windows(text, known)
        return
    pieces = cache(partial(_code_pieces, text, known))
    yield View(name="codes", text=decoded, pieces=pieces)


def _code_windows(text: str, known: _Known) -> View:
    """Read a few codes with no more of the text around them than a phrase takes."""
    windows: list[tuple[int, int]] = []
    for found in _CODES.finditer(text):
        first, last = max(0, found.start() - CODES_AROUND), found.end() + CODES_AROUND
        if windows and first <= windows[-1][1]:
            first = windows.pop()[0]
        windows.append((first, min(last, len(text))))
    parts: list[str] = []
    pieces: list[Piece] = []
    at = 0
    for first, last in windows:
        window = text[first:last]
        pieces += [
            (at + place, first + start, first + end, code)
            for place, start, end, code in _code_pieces(window, known)
        ]
        parts.append(_CODES.sub(lambda found: known[found[0]], window) + "\n")
        at += len(parts[-1])
    return View(name="codes", text="".join(parts), pieces=partial(_same, pieces))


class _Known(dict[str, str]):
    """Runs of codes and what they stand for."""

    def __missing__(self, run: str) -> str:
        decoded = self[run] = _DECODERS[run[0]][1](run)
        return decoded


def _code_pieces(text: str, known: _Known) -> list[Piece]:
    pieces: list[Piece] = []
    at = done = 0
    for found in _CODES.finditer(text):
        start, end = found.span()
        if start > done:
            pieces.append((at, done, start, ""))
            at += start - done
        run = found[0]
        name = _DECODERS[run[0]][0] if known[run] != run else ""
        pieces.append((at, start, end, name))
        at += len(known[run])
        done = end
    pieces.append((at, done, len(text), ""))
    return pieces


# --- other ways of writing ------------------------------------------------------------

_SPACED = Linear(r"(?:[a-z0-9\pL][\s!-/:-@\[-`{-~]{1,3}){7,}[a-z0-9\pL]")
_GAPS = re.compile(r"[\s!-/:-@\[-`{-~]+")
_LEET = Linear(
    r"[a-z][0134578@$|]+[a-z]|\b[0134578@$|]{1,2}[a-z]{1,2}[0134578@$|]"
    r"|[a-z][0134578@$]{2}\b|\b[0134578@$|][a-z]{3}|[a-z]{3}[0134578@$|]\b"
)
LEET_AROUND = 80
# With more such words than this the whole text is read so.
LEET_WORDS_MAX = 100
_LEET_I = str.maketrans("0134578@$|9+", "oieastbasigt")
_LEET_L = str.maketrans("0134578@$|9+", "oleastbaslgt")
ROT13 = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM",
)


def decoded_views(text: Encoded) -> Iterator[View]:
    """Yield the views that decode a text.

    Args:
        text: canonical, with its case.
    """
    yield from _decoded_codes(text.text)
    yield from _decoded_runs(text)


def rewritten_views(text: Encoded) -> Iterator[View]:
    """Yield the views of another spelling: letters spaced out, digits for letters.

    Args:
        text: canonical, in lower case.
    """
    spaced = _squeezed(text)
    if spaced is not None:
        yield spaced
    leet = _leet(text)
    if leet is not None:
        yield leet


def _squeezed(text: Encoded) -> View | None:
    """Read the runs of single letters without the gaps between them."""
    parts: list[str] = []
    pieces: list[Piece] = []
    at = 0
    for start, end in _SPACED.spans(text):
        parts.append(_GAPS.sub("", text.text[start:end]) + "\n")
        pieces.append((at, start, end, "spaced"))
        at += len(parts[-1])
    if not parts:
        return None
    return View(name="spaced", text="".join(parts), pieces=partial(_same, pieces), squeezed=True)


def _leet(text: Encoded) -> View | None:
    """Read digits as letters, in and around the words that hold both."""
    windows: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(_LEET.spans(text)):
        if number == LEET_WORDS_MAX:
            windows = [(0, len(text.text))]
            break
        first, last = max(0, start - LEET_AROUND), min(len(text.text), end + LEET_AROUND)
        if windows and first <= windows[-1][1]:
            first = windows.pop()[0]
        windows.append((first, last))
    if not windows:
        return None
    parts: list[str] = []
    pieces: list[Piece] = []
    at = 0
    for first, last in windows:
        window = text.text[first:last]
        # A one may be an i or an l.
        for alphabet in (_LEET_I, _LEET_L) if "1" in window else (_LEET_I,):
            parts.append(window.translate(alphabet) + "\n")
            pieces.append((at, first, last, "=leet"))
            at += len(parts[-1])
    return View(name="leet", text="".join(parts), pieces=partial(_same, pieces))


def rot13_view(text: str) -> View:
    """Return the view that turns each letter by half the alphabet."""
    return View(name="rot13", text=text.translate(ROT13))


def reversed_view(text: str) -> View:
    """Return the view from the last character to the first."""
    return View(name="reversed", text=text[::-1], backwards=True)
