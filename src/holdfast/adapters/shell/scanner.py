"""Words of a bash command line: quotes, escapes and expansions.

The scanner goes over the text once, from left to right. It removes quotes as
bash does and keeps, for every character of a word, whether it was quoted. What
bash would replace by something else (variables, substitutions, arithmetic) stays
in the word as it is written and makes the line unclear.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

BLANK = " \t"
META = " \t\n;&|()<>"
PLAIN, QUOTED, OPAQUE = ".", "q", "$"

_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _NAME_FIRST | frozenset("0123456789")
_SPECIAL = frozenset("@*#?-$!0123456789")
_EXPANDS = _SPECIAL | _NAME_FIRST | frozenset("({[")
_COUNTERS = frozenset("?$!#")
_ANSI_C = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r",
    "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_OCTAL = frozenset("01234567")
_HEX = frozenset("0123456789abcdefABCDEF")
DEPTH_MAX = 50


class Unreadable(Exception):
    """The line, or the rest of it, cannot be read."""


@dataclass(slots=True)
class Word:
    """One word.

    Args:
        text: with quotes removed; expansions as they are written.
        mask: for each character whether it was plain, quoted or of an expansion.
        start: where the word begins.
        unclear: why its value is not known, or "".
        counters: it holds `$?`, `$$`, `$!` or `$#`, whose values are numbers.
        substituted: commands in it run first and their output is part of it.
    """

    start: int = 0
    chars: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    unclear: str = ""
    counters: bool = False
    substituted: bool = False

    @property
    def text(self) -> str:
        """The word with quotes removed."""
        return "".join(self.chars)

    @property
    def mask(self) -> str:
        """For each character of `text` whether it was quoted."""
        return "".join(self.marks)

    def put(self, text: str, mark: str) -> None:
        """Append text."""
        self.chars.extend(text)
        self.marks.extend(mark * len(text))

    def doubt(self, why: str) -> None:
        """Say that the value is not known; the first reason stays."""
        self.unclear = self.unclear or why

    def plain(self) -> str | None:
        """The text if no character was quoted or expanded, else None."""
        unquoted = self.marks.count(PLAIN) == len(self.marks)
        return self.text if unquoted and not self.unclear else None


def forbidden_character(line: str) -> str:
    """Say which character of a line makes it unreadable, or return "".

    Control characters, format characters (which can turn the direction of text
    around) and lone surrogates are refused wherever they are: what a person is
    shown would not be what runs.
    """
    if line.isascii() and line.isprintable():
        return ""
    for char in line:
        if char in "\n\t":
            continue
        kind = unicodedata.category(char)
        if kind[0] == "C" or kind in ("Zl", "Zp"):
            return f"has the character U+{ord(char):04X}"
    return ""


class Scanner:
    """Reads words from a text; `grammar.Parser` adds what stands between them.

    Args:
        text: the command line, without the characters `forbidden_character` names.
        depth: how deep this text is nested in another one.
    """

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth

    # --- characters ------------------------------------------------------------------

    def peek(self, offset: int = 0) -> str:
        """The character at the place, or "" at the end."""
        at = self.at + offset
        return self.text[at] if at < len(self.text) else ""

    def ahead(self, text: str) -> bool:
        """Whether that text comes next."""
        return self.text.startswith(text, self.at)

    def commands(self, closing: str) -> None:
        """Read nested commands up to a closing parenthesis; the grammar does that."""
        raise NotImplementedError

    def nested(self, text: str) -> None:
        """Read the commands of a text that stands in this one, such as of backquotes."""
        raise NotImplementedError

    def deeper(self) -> None:
        """Go one level deeper.

        Raises:
            Unreadable: it is too deep.
        """
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise Unreadable("is nested too deeply")

    # --- words -----------------------------------------------------------------------

    def word(self) -> Word:
        """Read one word; the place is at its first character."""
        word = Word(self.at)
        while (char := self.peek()) and (char not in META or self._process(word)):
            if char == "\\":
                self._escape(word)
            elif char == "'":
                self._single(word)
            elif char == '"':
                self.at += 1
                self._double(word, '"')
            elif char == "$":
                self._dollar(word, quoted=False)
            elif char == "`":
                self._backquotes(word, quoted=False)
            elif char not in META:
                if not char.isascii() and unicodedata.category(char)[0] == "Z":
                    word.doubt(f"has the character U+{ord(char):04X} outside quotes")
                word.put(char, PLAIN)
                self.at += 1
        return word

    def _process(self, word: Word) -> bool:
        """Read `<(…)` or `>(…)` as part of a word; False if there is none."""
        if not (self.ahead("<(") or self.ahead(">(")) or word.chars:
            return False
        start = self.at
        self.at += 2
        self._commands(word)
        word.put(self.text[start : self.at], OPAQUE)
        return True

    def _commands(self, word: Word) -> None:
        self.deeper()
        self.commands(")")
        self.depth -= 1
        word.substituted = True
        word.doubt("runs a command to make a word of another")

    def _escape(self, word: Word) -> None:
        char = self.peek(1)
        if not char:
            raise Unreadable("ends in a backslash")
        if char == "\n":
            # bash joins lines before it looks for anything else: `$` and a name, say.
            word.doubt("continues a line within a word")
        else:
            word.put(char, QUOTED)
        self.at += 2

    def _single(self, word: Word) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unreadable("has a quote that is not closed")
        self._quoted(word, self.text[self.at + 1 : end])
        self.at = end + 1

    @staticmethod
    def _quoted(word: Word, text: str) -> None:
        word.put(text, QUOTED)
        if not text:
            word.marks.append("")  # an empty pair of quotes makes a word, too

    def _double(self, word: Word, closing: str) -> None:
        """Read what stands in double quotes, or with closing "" all the text."""
        start = len(word.chars)
        while (char := self.peek()) != closing:
            if not char:
                raise Unreadable("has a quote that is not closed")
            if char == "\\" and self.peek(1) in ("$", "`", "\\", "\n", closing or "\\"):
                if self.peek(1) != "\n":
                    word.put(self.peek(1), QUOTED)
                elif self.text[self.at - 1] == "$":
                    word.doubt("continues a line within a word")
                self.at += 2
            elif char == "$":
                self._dollar(word, quoted=True)
            elif char == "`":
                self._backquotes(word, quoted=True)
            else:
                word.put(char, QUOTED)
                self.at += 1
        self.at += len(closing)
        if len(word.chars) == start:
            word.marks.append("")

    def _dollar(self, word: Word, *, quoted: bool) -> None:
        start = self.at
        following = self.peek(1)
        if following == "'" and not quoted:
            self._ansi_c(word)
        elif following == '"' and not quoted:
            word.doubt("has a string that is translated")
            self.at += 2
            self._double(word, '"')
        elif following in _EXPANDS:
            self._expansion(word, following)
            word.put(self.text[start : self.at], OPAQUE)
        else:
            word.put("$", QUOTED if quoted else PLAIN)
            self.at += 1

    def _expansion(self, word: Word, following: str) -> None:
        """Read an expansion; the place is at its dollar sign."""
        if self.ahead("$((") or following == "[":
            self._arithmetic(word, "]" if following == "[" else "))")
        elif following == "(":
            self.at += 2
            self._commands(word)
        elif following == "{":
            self._braces(word)
        elif following in _NAME_FIRST:
            self.at += 2
            while self.peek() in _NAME:
                self.at += 1
            word.doubt("uses a variable")
        else:
            self.at += 2
            if following in _COUNTERS:
                word.counters = True
            else:
                word.doubt("uses a variable")

    def _braces(self, word: Word) -> None:
        """Read `${…}`; commands inside of it are read as well."""
        self.deeper()
        word.doubt("uses a variable")
        self.at += 2
        inner = Word()
        while (char := self.peek()) != "}":
            self._inside(char, inner)
        self.at += 1
        self.depth -= 1
        word.substituted = word.substituted or inner.substituted

    def _arithmetic(self, word: Word, closing: str) -> None:
        """Read `$((…))` or `$[…]`; commands inside of it are read as well."""
        self.deeper()
        word.doubt("computes a number")
        self.at += 1 + len(closing)
        opening, end = ("(", ")") if closing == "))" else ("[", "]")
        open_, inner = len(closing), Word()
        while open_:
            char = self.peek()
            open_ += (char == opening) - (char == end)
            self._inside(char, inner)
        self.depth -= 1
        word.substituted = word.substituted or inner.substituted

    def _inside(self, char: str, inner: Word) -> None:
        """Read one element of an expansion's own text."""
        if not char:
            raise Unreadable("has an expansion that is not closed")
        if char == "\\":
            self.at += 2
        elif char == "'":
            self._single(inner)
        elif char == '"':
            self.at += 1
            self._double(inner, '"')
        elif char == "$":
            self._dollar(inner, quoted=True)
        elif char == "`":
            self._backquotes(inner, quoted=True)
        else:
            self.at += 1

    def _backquotes(self, word: Word, *, quoted: bool) -> None:
        start = self.at
        self.at += 1
        unescaped = '$`\\"' if quoted else "$`\\"
        parts: list[str] = []
        while (char := self.peek()) != "`":
            if not char:
                raise Unreadable("has backquotes that are not closed")
            if char == "\\" and self.peek(1) and self.peek(1) in unescaped:
                self.at += 1
                char = self.peek()
            parts.append(char)
            self.at += 1
        self.at += 1
        self.deeper()
        self.nested("".join(parts))
        self.depth -= 1
        word.substituted = True
        word.doubt("runs a command to make a word of another")
        word.put(self.text[start : self.at], OPAQUE)

    # --- $'…' ------------------------------------------------------------------------

    def _ansi_c(self, word: Word) -> None:
        self.at += 2
        parts: list[str] = []
        while (char := self.peek()) != "'":
            if not char:
                raise Unreadable("has a quote that is not closed")
            self.at += 1
            parts.append(self._ansi_escape(word) if char == "\\" else char)
        self.at += 1
        self._quoted(word, "".join(parts))

    def _ansi_escape(self, word: Word) -> str:
        char = self.peek()
        if not char:
            raise Unreadable("has a quote that is not closed")
        if char in _ANSI_C:
            self.at += 1
            decoded = _ANSI_C[char]
        elif char in _OCTAL:
            decoded = self._code(word, _OCTAL, 3, 8)
        elif char in "xuU" and self.peek(1) in _HEX:
            self.at += 1
            decoded = self._code(word, _HEX, {"x": 2, "u": 4, "U": 8}[char], 16)
        elif char in "xuUc":
            word.doubt("has an escape that is not understood")
            self.at += 1
            return char
        else:
            return "\\"  # an unknown escape stays as it is
        if decoded not in "\n\t" and not decoded.isprintable():
            word.doubt("has a control character in quotes")
        return decoded

    def _code(self, word: Word, digits: frozenset[str], most: int, base: int) -> str:
        start = self.at
        while self.at - start < most and self.peek() in digits:
            self.at += 1
        code = int(self.text[start : self.at], base)
        if not 0 < code < 128:  # bytes of an encoding, or the end of the string
            word.doubt("has an escape that is not ASCII")
            return "?"
        return chr(code)

    # --- here-documents ----------------------------------------------------------------

    def body(self, text: str) -> Word:
        """Read the body of a here-document whose delimiter was not quoted."""
        own, self.text, place, self.at = self.text, text, self.at, 0
        word = Word()
        try:
            self._double(word, "")
        finally:
            self.text, self.at = own, place
        return word
