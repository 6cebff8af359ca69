"""Matching paths against patterns with `*`, `?`, `[…]`, `{a,b}` and `**`.

The standard library's translation of a single name is used because it cannot
be made to backtrack for long; `**` is matched over whole names.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

from holdfast.core.errors import InvalidInput

PATTERN_CHARS_MAX = 1_000
ALTERNATIVES_MAX = 64
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern.

    Args:
        alternatives: per alternative, one expression per name; None is `**`.
        names: the literal names in the pattern.
    """

    alternatives: tuple[tuple[re.Pattern[str] | None, ...], ...]
    names: frozenset[str]

    @classmethod
    def compile(cls, pattern: str) -> Glob:
        """Compile a pattern; one without a slash matches names at any depth.

        Raises:
            InvalidInput: it is too long or has too many alternatives.
        """
        if len(pattern) > PATTERN_CHARS_MAX:
            raise InvalidInput(f"a glob cannot be longer than {PATTERN_CHARS_MAX} characters")
        spelled = [part.removeprefix("./") for part in _spell_out(pattern)]
        names = frozenset(name for one in spelled for name in one.split("/"))
        return cls(tuple(_compile(one) for one in spelled), names)

    def matches(self, path: str) -> bool:
        """Say whether a relative path matches."""
        names = path.split("/")
        return any(_match(alternative, names) for alternative in self.alternatives)


def _spell_out(pattern: str) -> list[str]:
    """Expand `{a,b}`, innermost first."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        one = waiting.pop()
        found = _BRACES.search(one)
        if found is None:
            done.append(one)
        else:
            start, end = found.span()
            waiting += [one[:start] + choice + one[end:] for choice in found[1].split(",")]
        if len(done) + len(waiting) > ALTERNATIVES_MAX:
            raise InvalidInput(f"a glob cannot have more than {ALTERNATIVES_MAX} alternatives")
    return done


def _compile(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    names = [name for name in pattern.split("/") if name]
    compiled: list[re.Pattern[str] | None] = []
    for name in names:
        if name != "**":
            compiled.append(re.compile(fnmatch.translate(name)))
        elif not compiled or compiled[-1] is not None:
            compiled.append(None)
    return tuple(compiled)


def _match(pattern: tuple[re.Pattern[str] | None, ...], names: list[str]) -> bool:
    """Match name by name, keeping the set of places the pattern may be at."""
    places = _closed({0}, pattern)
    for name in names:
        after: set[int] = set()
        for place in places:
            if place == len(pattern):
                continue
            expression = pattern[place]
            if expression is None:
                after.add(place)
            elif expression.match(name):
                after.add(place + 1)
        places = _closed(after, pattern)
        if not places:
            return False
    return len(pattern) in places


def _closed(places: set[int], pattern: tuple[re.Pattern[str] | None, ...]) -> set[int]:
    """Add the places reached by letting a `**` match nothing."""
    found = set(places)
    for place in places:
        at = place
        while at < len(pattern) and pattern[at] is None:
            at += 1
            found.add(at)
    return found
