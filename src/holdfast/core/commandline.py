"""Command lines as the shell parsed them: what the gate sees instead of text.

A line is a list of simple commands. Wrappers such as `sudo` or `env` are taken
off and what they run stands beside them, so that every command that would run
is there to be judged (seeds D7, E5). What cannot be read for certain says so,
and is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MEMO_MAX = 8
"""How many things are kept of one line; sessions share few lines with one another."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One simple command.

    Args:
        argv: its words with quotes removed; the program as its base name.
        program: the program as it was written, for example `/usr/bin/git`; what
            allows looks at it, so that `./git` is not taken for `git`.
        reads, writes: files it is redirected from and to.
        wrapped: a wrapper runs it; the wrapper has a segment of its own.
        pipe: commands with the same number other than 0 feed one another, in
            order: by a pipe, or by a substitution in a later one's arguments.
    """

    argv: tuple[str, ...]
    program: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    wrapped: bool = False
    pipe: int = 0


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A parsed command line.

    Args:
        segments: every simple command that it would run, in order.
        unclear: why it cannot be understood for certain ("" if it can):
            substitutions, expansions in the place of a program, syntax errors.
    """

    segments: tuple[Segment, ...] = ()
    unclear: str = ""
    _kept: dict[object, object] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def kept(self, key: object) -> object:
        """What was kept under a key, or None.

        The parser gives the same text the same line again, and a call is judged with
        every decision about it: what follows from the words is found out once.
        """
        return self._kept.get(key)

    def keep(self, key: object, found: object) -> None:
        """Keep what follows from the line and all that stands in the key, and nothing else."""
        if len(self._kept) >= MEMO_MAX:
            self._kept.clear()
        self._kept[key] = found
