"""Matching: whether a rule fits a part of an action. Compiled once, see `policies`.

What a pattern is compared with (seed D7):

- a command line: each simple command, word for word. `git status:*` is those
  words and any more, `*` within a word any characters of it, a word `*` exactly
  one word, a last `**` any rest.
- paths: each path relative to the workspace, or absolute for a pattern that begins
  with `/` or `~/`. `*` stays within one segment, `**` crosses, and a last `/**`
  is the folder itself as well.
- else: the normalised arguments as JSON text, where `*` is any characters.

What denies or asks is compared without regard to case and to where a program
lies; what allows is exact, and a program named without a path is only one of
the system's own folders.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from holdfast.core.actions import Action, PathUse
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.granting import path_text, segment_text
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation

SYSTEM_FOLDERS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"})
NO_FILES = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
"""Redirections that write no file."""

HOMES = ("/root", "/home/*", "/Users/*")
"""What `~` may stand for: the core knows nobody's home."""


class Part:
    """One thing a rule is compared with: a command, a path, or the arguments.

    Args:
        tool: the tool whose rules are asked.
        text: makes what a literal rule names.
        words: of a command; program: as it was written.
        inside, real: of a path, relative to the workspace or None, and absolute.
        operation: what is done with the path.
        files: what a command is redirected to; a literal rule for it covers them.
    """

    __slots__ = (
        "_keys", "_text", "files", "folded", "inside", "kind", "operation", "program", "real",
        "tool", "words",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        tool: str,
        text: Callable[[], str] | str,
        *,
        words: tuple[str, ...] = (),
        program: str = "",
        inside: str | None = None,
        real: str = "",
        operation: Operation = Operation.EXECUTE,
        files: tuple[Part, ...] = (),
    ) -> None:
        self.operation, self.files = operation, files
        self.kind, self.tool, self._text = kind, tool, text
        self.words, self.program = words, program
        self.inside, self.real = inside, real
        self.folded: Part | None = None
        self._keys: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What rules that may fit are looked up by; those without a key always may."""
        if not self._keys:
            found = [""]
            if self.kind == "command":
                found += self.words[:1]
                if self.program:
                    found.append(self.program.rpartition("/")[2])
            else:
                inside, real = self.inside or "", self.real
                found += [f"{inside.partition('/')[0]}/", f"/{inside.rpartition('/')[2]}"]
                found.append(f"/{real.rpartition('/')[2]}")
            self._keys = tuple(dict.fromkeys(one.casefold() for one in found))
        return self._keys

    @property
    def text(self) -> str:
        """What a literal rule has to be."""
        if not isinstance(self._text, str):
            self._text = self._text()
        return self._text

    def fold(self) -> Part:
        """The same without case."""
        if self.folded is None:
            self.folded = Part(
                self.kind,
                self.tool,
                self.text.casefold() if self.kind == "text" else self._text,
                words=tuple(word.casefold() for word in self.words),
                program=self.program.casefold(),
                inside=None if self.inside is None else self.inside.casefold(),
                real=self.real.casefold(),
            )
        return self.folded


@dataclass(slots=True)  # not frozen: one is made for most judgements
class Case:
    """An action as rules see it; nobody changes it, since one of a line or of paths is shared.

    Args:
        tool: its name in lower case.
        parts: each has to be allowed; of any one a denial is enough.
        reads: files that a command is redirected from: only a denial matters.
        writes: files it is redirected to: allowed by rules of `write`.
        unclear: the command line is not understood for certain.
        blind: the arguments are too long to be compared.
        kept: what policies say of it, or None if it is judged this once; see `policies`.
    """

    tool: str
    parts: tuple[Part, ...]
    reads: tuple[Part, ...] = ()
    writes: tuple[Part, ...] = ()
    unclear: bool = False
    blind: bool = False
    kept: dict[object, object] | None = None

    @property
    def by_tool(self) -> tuple[tuple[str, tuple[Part, ...]], ...]:
        """Its parts by the tool whose rules are asked."""
        if not (self.reads or self.writes):
            return ((self.tool, self.parts),)
        files = (("write", self.writes), ("read", self.reads))
        return ((self.tool, self.parts), *(pair for pair in files if pair[1]))

    @property
    def all(self) -> tuple[Part, ...]:
        """Everything that has to be allowed."""
        return (*self.parts, *self.writes) if self.writes else self.parts


def case_of(action: Action, workspace: str) -> Case:
    """Take an action apart.

    Args:
        workspace: absolute path, or "" for a session without one.
    """
    tool = action.name.casefold()
    line = action.command
    if line is not None:
        key = (Case, tool, workspace)
        known = line.kept(key)
        if not isinstance(known, Case):
            known = _line_case(line, tool, workspace)
            line.keep(key, known)
        return known
    if action.paths:
        return _paths_case(action.paths, tool, workspace)
    return Case(tool, (Part("text", tool, action.subject),), blind=not action.subject)


@lru_cache(maxsize=256)
def _paths_case(paths: tuple[PathUse, ...], tool: str, workspace: str) -> Case:
    """The case of resolved paths; a call is judged with every decision about it, as a line is."""
    found = tuple(
        Part(
            "path",
            tool,
            path_text(use),
            inside=use.inside,
            real=use.real or _absolute(use.given, use.inside, workspace),
            operation=use.operation,
        )
        for use in paths
    )
    return Case(tool, found, kept={})


def _line_case(line: CommandLine, tool: str, workspace: str) -> Case:
    parts: list[Part] = []
    reads: list[Part] = []
    writes: list[Part] = []
    for one in line.segments:
        text = partial(segment_text, one)  # made only when a literal rule asks for it
        files = _written(one, workspace) if one.writes else ()
        parts.append(Part("command", tool, text, words=one.argv, program=one.program, files=files))
        if one.reads:
            reads += [_file(Operation.READ, path, workspace) for path in one.reads]
        writes += files
    found = (tuple(parts), tuple(reads), tuple(writes))
    return Case(tool, *found, unclear=bool(line.unclear), kept={})


def _written(segment: Segment, workspace: str) -> tuple[Part, ...]:
    found = (_file(Operation.WRITE, path, workspace) for path in segment.writes)
    return tuple(file for file in found if file.real not in NO_FILES)


def _absolute(given: str, inside: str | None, workspace: str) -> str:
    if inside is not None:
        return posixpath.normpath(posixpath.join(workspace, inside)) if workspace else ""
    if given.startswith(("/", "~")) or not workspace:
        return posixpath.normpath(given)
    return posixpath.normpath(posixpath.join(workspace, given))


def _file(operation: Operation, path: str, workspace: str) -> Part:
    """A redirection's file, placed by its words alone: what is linked is not seen here."""
    real = _absolute(path, None, workspace)
    root = posixpath.normpath(workspace) if workspace else ""
    inside = None
    if root and (real == root or real.startswith(root.rstrip("/") + "/")):
        inside = "." if real == root else real[len(root.rstrip("/")) + 1 :]
    text = real if inside is None else inside
    return Part("path", operation.value, text, inside=inside, real=real, operation=operation)


# --- patterns -------------------------------------------------------------------


def star(pieces: tuple[str, ...], text: str) -> bool:
    """Whether a text is these pieces with anything between them; takes linear time."""
    if len(pieces) == 1:
        return text == pieces[0]
    first, last = pieces[0], pieces[-1]
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for piece in pieces[1:-1]:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


_ANY = ("**",)
Glob = tuple[tuple[str, ...], ...]


def _glob(segments: Iterable[str], *, literal: bool) -> Glob:
    return tuple(
        (one,) if literal else _ANY if one == "**" else tuple(one.split("*")) for one in segments
    )


def crosses(pattern: Glob, segments: list[str]) -> bool:
    """Whether a path fits a pattern in which `**` is any number of segments."""
    at = place = 0
    mark, resume = -1, 0
    while at < len(segments):
        if place < len(pattern) and pattern[place] is _ANY:
            mark, resume = place, at
            place += 1
        elif place < len(pattern) and star(pattern[place], segments[at]):
            at, place = at + 1, place + 1
        elif mark >= 0:
            resume += 1
            at, place = resume, mark + 1
        else:
            return False
    return all(one is _ANY for one in pattern[place:])


class Matcher:
    """One rule, compiled.

    Raises:
        MalformedRule: its text does not parse.
    """

    __slots__ = (
        "_base", "_free", "_glob", "_home", "_path", "_placed", "_who", "_words", "command_key",
        "loose", "path_key", "rule", "whole",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.whole = rule.whole
        self.loose = rule.effect is not RuleEffect.ALLOW
        self._who = (rule.role, rule.task_type) if rule.role or rule.task_type else None
        pattern = rule.pattern or ""
        if self.loose and not rule.literal:
            pattern = pattern.casefold()
        words = pattern.split()
        self._free = bool(words) and (words[-1] == "**" or words[-1].endswith(":*"))
        if self._free:
            words = words[:-1] if words[-1] == "**" else [*words[:-1], words[-1][:-2]]
        self._words = tuple(tuple(word.split("*")) for word in words if word)
        self._home = pattern.startswith("~/")
        self._path = _compile_path(pattern)
        self._glob = tuple(pattern.replace("**", "*").split("*"))
        first = "*".join(self._words[0]) if self._words else ""
        self._placed = "/" in first
        self._base = tuple(first.rpartition("/")[2].split("*"))
        self.command_key = _plain(first.rpartition("/")[2])
        self.path_key = self._key_of_path(pattern)

    def _key_of_path(self, pattern: str) -> str:
        """What a path that fits begins or ends with, to look the rule up by, or ""."""
        first = _plain(pattern.partition("/")[0])
        if first:
            return f"{first}/"
        last = _plain(pattern.rpartition("/")[2])
        return f"/{last}" if last and last != ".." else ""

    def holds(self, role: str, task_type: str) -> bool:
        """Whether it holds for whoever acts."""
        if self._who is None:
            return True
        return self._who[0] in ("", role) and self._who[1] in ("", task_type)

    def fits(self, part: Part) -> bool:
        """Whether its pattern fits one part."""
        if self.whole:
            return True
        if self.rule.literal:
            return self.rule.pattern == part.text
        if self.loose:
            part = part.fold()
        if part.kind == "command":
            return self._fits_command(part)
        if part.kind == "path":
            return self._fits_path(part)
        return bool(part.text) and star(self._glob, part.text)

    def _fits_command(self, part: Part) -> bool:
        words, wanted = part.words, self._words
        if not words or len(words) < len(wanted) or not (self._free or len(words) == len(wanted)):
            return False
        if self._placed:
            named = star(wanted[0], part.program or words[0])
            named = named or (self.loose and star(self._base, words[0]))
            return named and _fit(wanted[1:], words[1:])
        elsewhere = part.program not in ("", words[0])
        if not self.loose and elsewhere:
            elsewhere = posixpath.dirname(part.program) not in SYSTEM_FOLDERS
        return (self.loose or not elsewhere) and _fit(wanted, words)

    def _fits_path(self, part: Part) -> bool:
        if self._path is None:
            return False
        anchored, glob = self._path
        if not anchored:
            return part.inside is not None and crosses(glob, _segments(part.inside))
        if not self._home:
            return part.real.startswith("/") and crosses(glob, _segments(part.real))
        if part.real.startswith("~"):
            return crosses((("~",), *glob), _segments(part.real))
        steps = _segments(part.real)
        return any(crosses((*home, *glob), steps) for home in _HOME_GLOBS[self.loose])


_HOME_GLOBS = tuple(
    tuple(_glob((f.casefold() if fold else f).strip("/").split("/"), literal=False) for f in HOMES)
    for fold in (False, True)
)


def _plain(first: str) -> str:
    """A first word by which a rule can be looked up, or ""."""
    return "" if first in (".", "~") or "*" in first else first.casefold()


def _fit(wanted: tuple[tuple[str, ...], ...], words: tuple[str, ...]) -> bool:
    for one, word in zip(wanted, words, strict=False):  # a loop: it is the hottest there is
        if not (one[0] == word if len(one) == 1 else star(one, word)):
            return False
    return True


def _segments(path: str) -> list[str]:
    return [one for one in path.split("/") if one not in ("", ".")]


def _compile_path(pattern: str) -> tuple[bool, Glob] | None:
    anchored = pattern.startswith(("/", "~/"))
    body = pattern.removeprefix("~") if anchored else pattern
    segments = _segments(body)
    if ".." in segments:
        return None
    if body.endswith("/") and segments:
        segments.append("**")
    return anchored, _glob(segments, literal=False)


@lru_cache(maxsize=4_096)
def matcher(rule: Rule) -> Matcher:
    """Compile a rule, once."""
    return Matcher(rule)
