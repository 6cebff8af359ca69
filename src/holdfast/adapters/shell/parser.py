"""The command parser: bash's grammar, quotes taken off, wrappers taken off.

The shell runs the raw line; this only reads it. Where the two could differ the
line is unclear, never read one way or the other: what is not known, every
expansion whose value is not in the text, and every limit that is reached.
"""

from __future__ import annotations

import posixpath
from functools import lru_cache
from itertools import pairwise

from holdfast.adapters.shell.grammar import Found, Parser, Redirect, Simple
from holdfast.adapters.shell.programs import PLAIN_READERS, SHELLS, safe_name
from holdfast.adapters.shell.scanner import OPAQUE, PLAIN, Unreadable, Word, forbidden_character
from holdfast.adapters.shell.unwrap import READS_INPUT, unwrap
from holdfast.core.commandline import CommandLine, Segment

LINE_BYTES_MAX = 64 * 1024
SEGMENTS_MAX = 500
DEPTH_MAX = 50
BRACES_MAX = 64
_BRACE_PAIRS_MAX = 8
_DEVICES = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/stdin"))
_TELLING = frozenset(("echo", "printf", "exit", "return"))
_GLOB = frozenset("*?[")


class BashParser:
    """Parses lines for `bash -c`; implements `holdfast.ports.shell.ShellParser`."""

    def parse(self, line: str) -> CommandLine:
        """Parse a line; see `ShellParser.parse`."""
        return _parse(line)


@lru_cache(maxsize=64)  # a call is normalised anew with every decision about it
def _parse(line: str) -> CommandLine:
    if len(line) > LINE_BYTES_MAX or len(line.encode("utf-8", "replace")) > LINE_BYTES_MAX:
        return CommandLine(unclear=f"is longer than {LINE_BYTES_MAX} bytes")
    reading = _Reading()
    why = forbidden_character(line)
    if why:
        reading.found.doubt(why)
    try:
        reading.line(line, 0)
    except (Unreadable, RecursionError) as error:
        reading.found.doubt(str(error) or "is nested too deeply")
    if not reading.segments:
        reading.found.doubt("has no command")
    return CommandLine(tuple(reading.segments), reading.found.unclear)


class _Reading:
    """One line being read: the segments so far and the doubts."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.found = Found()
        self._folder = ""

    def line(self, text: str, depth: int, pipe: int = 0, *, wrapped: bool = False) -> None:
        """Read a line, or one that is an argument of another."""
        if depth > DEPTH_MAX:
            raise Unreadable("is nested too deeply")
        start = len(self.found.simples)
        Parser(text, self.found, depth).run()
        simples = self.found.simples[start:]
        del self.found.simples[start:]
        for simple in simples:
            if pipe:
                simple.pipe = pipe
            self._simple(simple, depth, wrapped=wrapped)

    def _simple(self, simple: Simple, depth: int, *, wrapped: bool) -> None:
        argv: list[str] = []
        for word in simple.words:
            self.found.doubt(word.unclear)
            argv += [word.text] if simple.test else self._expanded(word)
        for word in simple.assigned:
            name = word.text.partition("=")[0].removesuffix("+")
            self.found.doubt(
                word.unclear or ("" if safe_name(name) else f"sets the variable {name}")
            )
        if simple.words and not simple.test:
            self._check_words(simple.words)
        reads, writes = self._files(simple.redirects)
        if not argv and not (reads or writes):
            return
        self._emit(Segment(tuple(argv), "", reads, writes, wrapped, simple.pipe), depth)
        if argv and argv[0].rpartition("/")[2] in SHELLS:
            for redirect in simple.redirects:
                text = redirect.body if redirect.operator in ("<<", "<<-") else redirect.target.text
                if redirect.operator in ("<<", "<<-", "<<<"):
                    self.line(text, depth + 1, wrapped=True)

    # --- words -----------------------------------------------------------------------

    def _check_words(self, words: list[Word]) -> None:
        first = words[0]
        plain = {char for char, mark in zip(first.text, first.mask, strict=True) if mark == PLAIN}
        if (
            (plain & _GLOB and first.text != "[")
            or first.text[:1] == "~"
            or (plain & {"{"} and len(first.text) > 1)
        ):
            self.found.doubt("has a pattern where a program should be")
        if OPAQUE in first.mask:
            self.found.doubt("has an expansion where a program should be")
        if not first.text.isascii() or any(char in first.text for char in "\n\t "):
            self.found.doubt("has a program whose name is not plain")
        if any(word.counters for word in words) and first.text not in _TELLING:
            self.found.doubt("uses a variable")
        name = first.text.rpartition("/")[2]
        ended = False
        for word in words[1:]:
            text, mask = word.text, word.mask
            ended = ended or text == "--"
            if text[:1] in _GLOB and mask[:1] == PLAIN and name not in PLAIN_READERS and not ended:
                self.found.doubt("has a pattern that may stand for an option")
            if name in ("cd", "pushd") and any(
                char in _GLOB and mark == PLAIN for char, mark in zip(text, mask, strict=True)
            ):
                self.found.doubt("goes to a folder that is not known")
            if text[:1] == "-" and any(
                char in _GLOB and mark == PLAIN for char, mark in zip(text, mask, strict=True)
            ):
                self.found.doubt("has a pattern in an option")
            if text[:1] == "~" and mask[:1] == PLAIN and text[1:2] not in ("", "/"):
                self.found.doubt("names another folder by ~")

    def _expanded(self, word: Word) -> list[str]:
        """Expand `{a,b}`; what else is in braces stays, or is unclear."""
        if "{" not in word.text or PLAIN not in word.mask:
            return [word.text]
        if word.text.count("{") > _BRACE_PAIRS_MAX:
            self.found.doubt("has braces with too many words")
            return [word.text]
        texts = self._braces(word.text, word.mask)
        # bash drops empty words, and looks for variables, `~` and patterns only now.
        late = any(not text or text[0] in "~*?[" or text[:1] == "-" for text in texts)
        if len(texts) > 1 and (late or "$" in word.text):
            self.found.doubt("has braces that are not understood")
        if len(texts) > BRACES_MAX:
            self.found.doubt("has braces with too many words")
        return texts[:BRACES_MAX]

    def _braces(self, text: str, mask: str) -> list[str]:
        plain = "".join(c if m == PLAIN else "\0" for c, m in zip(text, mask, strict=True))
        start = plain.find("{")
        end = plain.find("}", start)
        if start < 0 or end < 0:
            return [text]
        inside = plain[start + 1 : end]
        if "{" in inside or ".." in inside:
            self.found.doubt("has braces that are not understood")
            return [text]
        if "," not in inside:
            if "}" in plain[end + 1 :] and "," in plain[end:]:
                self.found.doubt("has braces that are not understood")
            return [text]
        commas = [start, *(i for i in range(start + 1, end) if plain[i] == ","), end]
        tails = self._braces(text[end + 1 :], mask[end + 1 :])
        parts = [text[a + 1 : b] for a, b in pairwise(commas)]
        if len(parts) * len(tails) > BRACES_MAX:
            self.found.doubt("has braces with too many words")
            return [text]
        return [text[:start] + part + tail for part in parts for tail in tails]

    # --- redirections ------------------------------------------------------------------

    def _files(self, redirects: list[Redirect]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        reads: list[str] = []
        writes: list[str] = []
        for redirect in redirects:
            target, operator = redirect.target, redirect.operator
            self.found.doubt(target.unclear)
            if operator in ("<<", "<<-", "<<<"):
                continue
            text = target.text
            if operator in (">&", "<&") and text.strip("0123456789-") == "" and text:
                continue
            marks = zip(text, target.mask, strict=True)
            if any(char in "*?[{~" and mark == PLAIN for char, mark in marks) or target.counters:
                self.found.doubt("has a pattern where a file should be")
            if operator in ("<", "<&", "<>"):
                reads.append(text)
            if operator not in ("<", "<&") and text not in _DEVICES:
                writes.append(text)
        return tuple(reads), tuple(writes)

    def _placed(self, files: tuple[str, ...]) -> tuple[str, ...]:
        """Files as they lie behind a `cd`; both places, since it may not have come to it."""
        if not self._folder:
            return files
        placed = (
            posixpath.normpath(posixpath.join(self._folder, file))
            for file in files
            if not file.startswith(("/", "~"))
        )
        return tuple(dict.fromkeys((*files, *placed)))

    # --- segments ----------------------------------------------------------------------

    def _emit(self, segment: Segment, depth: int) -> None:
        """Add a segment and, behind it, what it runs."""
        if len(self.segments) >= SEGMENTS_MAX:
            raise Unreadable(f"has more than {SEGMENTS_MAX} commands")
        if depth > DEPTH_MAX:
            raise Unreadable("is nested too deeply")
        program = segment.argv[0] if segment.argv else ""
        base = program.rpartition("/")[2]
        argv = (base, *segment.argv[1:]) if segment.argv else ()
        inner = unwrap(base, argv[1:]) if argv else []
        writes = segment.writes
        for one in inner:
            argv = one.own or argv
            writes += tuple(text for text in one.writes if text not in _DEVICES)
        if any(text.startswith(("/dev/tcp/", "/dev/udp/")) for text in (*segment.reads, *writes)):
            self.found.doubt("opens a connection")
        reads, writes = self._placed(segment.reads), self._placed(writes)
        self.segments.append(Segment(argv, program, reads, writes, segment.wrapped, segment.pipe))
        if base in ("cd", "pushd"):
            self._folder = posixpath.join(self._folder, argv[1] if len(argv) > 1 else "~")
        for one in inner:
            if one.doubt != READS_INPUT or not segment.reads:
                self.found.doubt(one.doubt)
            if one.line:
                self.line(one.line, depth + 1, segment.pipe, wrapped=True)
            if one.argv:
                self._emit(Segment(one.argv, "", (), (), True, segment.pipe), depth + 1)
