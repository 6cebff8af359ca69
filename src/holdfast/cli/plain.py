"""Text of models, tools and files made harmless for a terminal.

Whatever a model or a tool says may hold control characters that move the cursor,
rewrite what stands there, fill the clipboard or turn the reading direction
around. Each of them is replaced by a visible sign, one by one, so that a text
that arrives in pieces is as safe as a whole one.
"""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
# Marks that are shown although their category is not Cc or Cf: line and paragraph separator.
_SEPARATORS = "\u2028\u2029"
# Joiners that ordinary scripts and emoji need; they cannot reorder or hide a text.
_JOINERS = "\u200c\u200d"
_SHOWN = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def safe(text: str) -> str:
    """Replace every control and invisible formatting character by a visible sign.

    Kept are newlines, tabs and the joiners of ordinary scripts; a carriage return
    before a newline is dropped.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(_sign(char) for char in text.replace("\r\n", "\n"))


def one_line(text: str, width: int = 100) -> str:
    """Make a text safe, put it on one line and cut it to a width in characters."""
    flat = " ".join(safe(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def _sign(char: str) -> str:
    if char in _KEPT or char in _JOINERS:
        return char
    code = ord(char)
    if code in _SHOWN:
        return _SHOWN[code]
    category = unicodedata.category(char)
    if category == "Cs":
        return "\ufffd"
    if category in ("Cc", "Cf") or char in _SEPARATORS:
        return f"<U+{code:04X}>"
    return char
