"""Google's RE2 with types: patterns that take time linear in the text, whatever it says.

The binding has no type stubs; this module is the only one that imports it here.
Nothing is ever logged by it, and its memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import AnyStr, Protocol, TypeVar

_re2 = import_module("re2")

_MEMORY = 8 * 1024 * 1024
_SET_MEMORY = 32 * 1024 * 1024


class BadPattern(ValueError):
    """The pattern is no RE2; the message does not repeat it."""


_Text_contra = TypeVar("_Text_contra", str, bytes, contravariant=True)


class _Options(Protocol):
    log_errors: bool
    max_mem: int


class Match(Protocol):
    """One match."""

    def start(self) -> int:
        """Where it starts."""
        ...

    def end(self) -> int:
        """Where it ends."""
        ...

    def span(self, group: int = 0) -> tuple[int, int]:
        """Where a group stands; (-1, -1) if it took no part."""
        ...


class Pattern(Protocol[_Text_contra]):
    """A compiled pattern."""

    @property
    def groups(self) -> int:
        """How many groups it has."""
        ...

    @property
    def programsize(self) -> int:
        """How large it is when it is compiled."""
        ...

    def search(
        self, text: _Text_contra, pos: int | None = None, endpos: int | None = None
    ) -> Match | None:
        """Find the first match."""
        ...

    def match(
        self, text: _Text_contra, pos: int | None = None, endpos: int | None = None
    ) -> Match | None:
        """Match at a place."""
        ...

    def finditer(self, text: _Text_contra) -> Iterator[Match]:
        """Find all matches."""
        ...


def compile_bytes(pattern: str) -> Pattern[bytes]:
    """Compile a pattern over bytes, each of them a Latin-1 character.

    Raises:
        BadPattern: it is no RE2.
    """
    options = _re2.Options()
    options.encoding = _re2.Options.Encoding.LATIN1
    return _compiled(pattern.encode("latin-1"), options)


def compile_text(pattern: str, *, case_sensitive: bool = True) -> Pattern[str]:
    """Compile a pattern over text.

    Raises:
        BadPattern: it is no RE2.
    """
    options = _re2.Options()
    options.case_sensitive = case_sensitive
    return _compiled(pattern, options)


def _compiled(pattern: AnyStr, options: _Options) -> Pattern[AnyStr]:
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        found: Pattern[AnyStr] = _re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise BadPattern("it holds a lone surrogate") from None
    except _re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        # What stands behind the colon is a piece of the pattern.
        raise BadPattern(said.partition(":")[0].replace("\n", " ")[:80]) from None
    return found


class AnyOf:
    """Says which of many patterns match a text at all, in one pass.

    Args:
        patterns: over bytes, as for `compile_bytes`.

    Raises:
        BadPattern: one of them is no RE2.
    """

    def __init__(self, patterns: Sequence[str], memory: int = _SET_MEMORY) -> None:
        options = _re2.Options()
        options.encoding = _re2.Options.Encoding.LATIN1
        options.log_errors = False
        options.max_mem = memory
        self._set = _re2.Set.SearchSet(options)
        # A pattern that always matches: an answer without it means that the set gave up.
        self._set.Add(b"")
        for pattern in patterns:
            try:
                self._set.Add(pattern.encode("latin-1"))
            except _re2.error:
                raise BadPattern("one of the patterns is no RE2") from None
        try:
            self._set.Compile()
        except _re2.error:
            raise BadPattern("the patterns need more memory") from None

    def matching(self, text: bytes) -> list[int] | None:
        """The numbers of the patterns that match; None if that could not be found out."""
        return answer(self._set.Match(text))


def answer(matched: Sequence[int] | None) -> list[int] | None:
    """Read what a set matched, its pattern that always matches being number 0."""
    return [one - 1 for one in matched if one] if matched else None
