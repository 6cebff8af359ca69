"""The registry of one session: its values, and the automata that look for them.

How a value is looked for
- by pattern, in the fold of every level: from 8 letters and digits on, or 6 digits if
  it has nothing else; the fold itself, reversed, and rot13;
- literally, but for case, in every level: from 8 characters on that are mostly signs;
- literally with word boundaries, in the text and its resolved escapes: from 4
  letters and digits on;
- never, if it is shorter: it would be found everywhere.

The automata are built when next needed and hold all values that came since the last
time; small ones are joined to bigger ones, so that there are never many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from ahocorasick_rs import BytesAhoCorasick

from holdfast.adapters.taints import likeness
from holdfast.adapters.taints.decoding import Least
from holdfast.adapters.taints.folding import backwards, fold, inner, rot13
from holdfast.adapters.taints.nesting import Head, Node, heads
from holdfast.adapters.taints.variants import Arounds, Pattern, Variant, variants
from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint

CHARS_MIN = 4
PATTERN_CHARS_MIN = 8
DIGITS_MIN: Literal[6] = 6
DIGITS_SURE = 12
"""So many digits count wherever they stand; fewer have to stand together, as a number."""
SEED_OWNERS_MAX = 8
TIERS = (100, 1_000)
WINDOW_BYTES = 4_096

REACH_FACTOR = 6
REACH_MORE = 32
REACH_CHARS = 2_048


class How(Enum):
    """How a value is looked for."""

    PATTERN = "pattern"
    LITERAL = "literal"
    WORD = "word"
    NOT = "too_short"


@dataclass(slots=True)
class Entry:
    """A registered value."""

    id: str
    kind: str
    level: Sensitivity
    value: bytearray = field(repr=False)
    how: How
    digits: bool

    def wipe(self) -> None:
        """Overwrite the value."""
        self.value[:] = bytes(len(self.value))


def entry_of(taint: Taint) -> Entry:
    """Take over a value; the caller's buffer is copied."""
    value = bytes(taint.value).strip()
    folded = fold(value)
    letters = len(folded.decode())
    digits = folded.isdigit()
    signs = len(b"".join(value.split()).decode("utf-8", "replace"))
    how = How.NOT
    if letters >= PATTERN_CHARS_MIN or (digits and letters >= DIGITS_MIN):
        how = How.PATTERN
    elif signs >= PATTERN_CHARS_MIN:
        how = How.LITERAL
    elif letters >= CHARS_MIN:
        how = How.WORD
    return Entry(taint.id, taint.kind, taint.level, bytearray(value), how, digits)


def edges(value: bytes) -> tuple[bytes, bytes]:
    """The signs before a value's first letter or digit, and after its last."""
    first, last = inner(value)
    return value[:first], value[last:]


class Automaton:
    """Looks for many heads at once.

    Args:
        made: what each begins.
    """

    __slots__ = ("_find", "_longest", "heads")

    def __init__(self, made: Mapping[bytes, Head]) -> None:
        self.heads = list(made.values())
        self._longest = max(map(len, made), default=0)
        self._find = BytesAhoCorasick(list(made)) if made else None

    def find(self, data: bytes) -> Iterator[tuple[Head, int]]:
        """Yield every head in `data` with where it begins, overlapping ones too.

        Those of one head come in order. Of a text that is full of them only those of
        one window are there at once.
        """
        if self._find is None:
            return
        size = max(WINDOW_BYTES, self._longest)
        for first in range(0, len(data), size):
            window = data[first : first + size + self._longest - 1]
            for index, start, _ in self._find.find_matches_as_indexes(window, overlapping=True):
                if start < size:  # else the next window has it
                    yield self.heads[index], first + start


@dataclass(frozen=True, slots=True)
class Tier:
    """The automata of some values, numbered from `first` on."""

    first: int
    count: int
    folds: Automaton
    literals: Automaton


class Registry:
    """The values of one session."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._ids: set[str] = set()
        self._tiers: list[Tier] = []
        self._built = 0
        self._reach = 0
        self.least = Least()

    def add(self, taints: Sequence[Taint]) -> int:
        """Take over values whose ids are new; return how many there were."""
        before = len(self.entries)
        for taint in taints:
            if taint.id in self._ids:
                continue
            entry = entry_of(taint)
            self._ids.add(taint.id)
            self.entries.append(entry)
            self._reach = max(self._reach, _reach(entry))
            if entry.how is How.PATTERN and entry.digits:
                self.least = Least(DIGITS_MIN)
        return len(self.entries) - before

    @property
    def reach(self) -> int:
        """How many characters a value can take up, encoded."""
        return self._reach

    def too_short(self) -> tuple[str, ...]:
        """The ids of values that are not looked for."""
        return tuple(entry.id for entry in self.entries if entry.how is How.NOT)

    def wipe(self) -> None:
        """Overwrite what can be: the automata's memory is not ours."""
        for entry in self.entries:
            entry.wipe()
        self.entries.clear()
        self._ids.clear()
        self._tiers.clear()
        self._built = self._reach = 0

    def tiers(self) -> list[Tier]:
        """The automata, with all values in them."""
        if self._built < len(self.entries):
            self._build()
        return self._tiers

    def _build(self) -> None:
        """Put the new values in an automaton, with those of all tiers that are full."""
        first = self._built
        for size in (*TIERS, len(self.entries)):
            while self._tiers and self._tiers[-1].count <= size:
                first = self._tiers.pop().first
            if len(self.entries) - first <= size:
                break
        self._tiers.append(self._tier(first))
        self._built = len(self.entries)

    def _tier(self, first: int) -> Tier:
        made: dict[How, dict[bytes, list[Pattern]]] = {how: {} for how in How}
        short: dict[bytes, list[Pattern]] = {}
        pieces: dict[bytes, list[Pattern]] = {}
        for index in range(first, len(self.entries)):
            entry = self.entries[index]
            if entry.how is How.PATTERN:
                value = bytes(entry.value)
                for data, pattern in _patterns(index, value):
                    lone = entry.digits and len(data) < DIGITS_SURE
                    (short if lone else made[entry.how]).setdefault(data, []).append(pattern)
                for at, piece in _seeds(entry, fold(value)):
                    pieces.setdefault(piece, []).append(Pattern(index, "changed", at))
            elif entry.how is not How.NOT:
                forms = {data: view for view, data in reversed(_literals(entry))}
                for data, view in forms.items():
                    made[entry.how].setdefault(data, []).append(Pattern(index, view))
        # A piece that many values have, as a domain, tells nothing and would cost much.
        seeds = {piece: those for piece, those in pieces.items() if len(those) <= SEED_OWNERS_MAX}
        return Tier(
            first,
            len(self.entries) - first,
            Automaton(heads(made[How.PATTERN], short, seeds, self)),
            Automaton(heads(made[How.LITERAL], made[How.WORD], {}, self)),
        )

    def variants(self, node: Node) -> tuple[Variant, ...]:
        """The owners of a node by the signs around their values."""
        if not node.variants:
            node.variants = variants(node.owners, self)
        return node.variants

    def has_signs(self, node: Node) -> bool:
        """Whether a value begins or ends with signs that stand around a node."""
        return any(one.has_signs for one in self.variants(node))

    def level(self, pattern: Pattern) -> Sensitivity:
        """How secret the value is that a pattern is looked for."""
        return self.entries[pattern.entry].level

    def value(self, pattern: Pattern) -> bytes:
        """The value that a pattern is looked for."""
        return bytes(self.entries[pattern.entry].value)

    def around(self, pattern: Pattern) -> Arounds:
        """The signs around that value, in each direction in which they may stand there."""
        entry = self.entries[pattern.entry]
        if entry.how is not How.PATTERN:
            return ()
        before, after = edges(bytes(entry.value))
        if not before and not after:
            return ()
        both = ((before, after), (after[::-1], before[::-1]))
        if pattern.both_ways:
            return both
        return both[1:] if pattern.view == "reversed" else both[:1]


def _reach(entry: Entry) -> int:
    if entry.how is How.NOT:
        return 0
    size = len(entry.value)
    return min(REACH_FACTOR * size + REACH_MORE, max(REACH_CHARS, 3 * size + REACH_MORE))


def _forms(value: bytes) -> list[tuple[str, bytes]]:
    return [("", value), ("reversed", backwards(value)), ("rot13", rot13(value))]


def _patterns(index: int, value: bytes) -> list[tuple[bytes, Pattern]]:
    """A value as it can stand in a fold; forms with the same fold are one."""
    views: dict[bytes, list[str]] = {}
    for view, form in _forms(value):
        views.setdefault(fold(form), []).append(view)
    return [
        (data, Pattern(index, first, both_ways="reversed" in more))
        for data, (first, *more) in views.items()
    ]


def _literals(entry: Entry) -> list[tuple[str, bytes]]:
    """A value as it can stand in a level whose ASCII letters were made small."""
    value = bytes(entry.value)
    forms = _forms(value) if entry.how is How.LITERAL else [("", value)]
    return [(view, data) for view, form in forms for data in sorted(_cases(form))]


def _seeds(entry: Entry, folded: bytes) -> list[tuple[int, bytes]]:
    """The seeds of a value that may be looked for in changed form.

    Numbers and addresses may not: there another character is another's value.
    """
    if entry.digits or b"@" in entry.value:
        return []
    if not likeness.CHARS_MIN <= len(folded) <= likeness.CHARS_MAX:
        return []
    return likeness.seeds(folded)


def _cases(value: bytes) -> set[bytes]:
    text = value.decode("utf-8", "surrogateescape")
    forms = (text, text.lower(), text.upper(), text.casefold())
    return {form.encode("utf-8", "surrogateescape").lower() for form in forms}
