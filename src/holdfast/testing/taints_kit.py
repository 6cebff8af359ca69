"""How a value can be written so that it is not seen at once: for suites and benchmarks.

`ENCODINGS` is the list that every matcher must see through. `pieces_left` judges
what a redaction left of an occurrence, by the text alone.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint

PIECE_CHARS = 4
ZERO_WIDTH = "\u200b"
_ALIKE = str.maketrans("aceiopsxy", "асеіорѕху")


def taint(
    value: str, *, id: str = "", kind: str = "secret", level: Sensitivity = Sensitivity.CRITICAL
) -> Taint:
    """Make a value to look for."""
    return Taint(
        id=id or hashlib.sha256(value.encode()).hexdigest()[:16],
        kind=kind,
        level=level,
        value=bytearray(value.encode()),
    )


@dataclass(frozen=True, slots=True)
class Hidden:
    """An occurrence of a value, and what stands right around it."""

    occurrence: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return self.before + self.occurrence + self.after


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _inside(before: str, after: str, *, url: bool = False) -> Callable[[str], Hidden]:
    """Make base64 of more than the value; its occurrence is what has any bit of it."""

    def made(value: str) -> Hidden:
        encode = base64.urlsafe_b64encode if url else base64.b64encode
        text = encode((before + value + after).encode()).decode()
        first = len(before) * 8 // 6
        last = -(-len((before + value).encode()) * 8 // 6)
        return Hidden(text[first:last], text[:first], text[last:])

    return made


def _full_width(value: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


def _escaped(text: str, units: str, form: str) -> str:
    data = text.encode("utf-16-be" if units == "utf-16" else "utf-8")
    size = 2 if units == "utf-16" else 1
    codes = [int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size)]
    return "".join(form.format(code) for code in codes)


def _some_percent(value: str) -> str:
    """Every second character percent-encoded."""
    return "".join(
        _escaped(char, "utf-8", "%{:02X}") if at % 2 else quote(char)
        for at, char in enumerate(value)
    )


_ENCODINGS: dict[str, Callable[[str], str | Hidden]] = {
    "plain": lambda value: value,
    "upper": str.upper,
    "lower": str.lower,
    "swapped case": str.swapcase,
    "spaced": " ".join,
    "dashed": "-".join,
    "dotted": ".".join,
    "separators removed": lambda value: "".join(c for c in value if c not in " -._"),
    "reversed": lambda value: value[::-1],
    "rot13": lambda value: codecs.encode(value, "rot13"),
    "base64": _b64,
    "base64 unpadded": lambda value: _b64(value).rstrip("="),
    "base64 url-safe": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 url-safe unpadded": (
        lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")
    ),
    "base64 inside, phase 0": _inside("###", " and more"),
    "base64 inside, phase 1": _inside("#", " and more"),
    "base64 inside, phase 2": _inside("##", " and more"),
    "base64 url-safe inside, phase 1": _inside("?", "??", url=True),
    "base64 url-safe inside, phase 2": _inside("??", "??", url=True),
    "base64 after other letters": lambda value: Hidden(_b64(value), before="x"),
    "base64 twice": lambda value: _b64(_b64(value)),
    "base64 of reversed": lambda value: _b64(value[::-1]),
    "base64 of upper": lambda value: _b64(value.upper()),
    "base32": lambda value: base64.b32encode(value.encode()).decode(),
    "base32 small": lambda value: base64.b32encode(value.encode()).decode().lower(),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "hex spaced": lambda value: value.encode().hex(" "),
    "percent where needed": lambda value: quote(value, safe=""),
    "percent in part": _some_percent,
    "percent": lambda value: _escaped(value, "utf-8", "%{:02X}"),
    "percent small": lambda value: _escaped(value, "utf-8", "%{:02x}"),
    "HTML decimal": lambda value: "".join(f"&#{ord(c)};" for c in value),
    "HTML hexadecimal": lambda value: "".join(f"&#x{ord(c):x};" for c in value),
    "\\u": lambda value: _escaped(value, "utf-16", "\\u{:04x}"),
    "\\x": lambda value: _escaped(value, "utf-8", "\\x{:02x}"),
    "zero-width": ZERO_WIDTH.join,
    "homoglyphs": lambda value: value.translate(_ALIKE),
    "full-width": _full_width,
    "gzip+base64": lambda value: base64.b64encode(
        gzip.compress(f"it is {value}".encode(), mtime=0)
    ).decode(),
}
ENCODINGS = tuple(_ENCODINGS)
"""Names of ways to write a value; one of 8 letters or more is seen in each."""


def hide(value: str, encoding: str) -> Hidden:
    """Write a value in one of the `ENCODINGS`."""
    made = _ENCODINGS[encoding](value)
    return made if isinstance(made, Hidden) else Hidden(made)


def pieces_left(occurrence: str, redacted: str, around: str = "") -> list[str]:
    """Pieces of an occurrence, four characters each, that still stand in a text.

    Args:
        around: the text that stood around it, whose own pieces do not count.
    """
    size = PIECE_CHARS
    pieces = {occurrence[at : at + size] for at in range(len(occurrence) - size + 1)}
    return sorted(piece for piece in pieces if piece in redacted and piece not in around)
