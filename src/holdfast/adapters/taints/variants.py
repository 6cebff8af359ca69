"""Variants: values that are spelled alike but for case and separators, as one.

They are looked for by the same bytes and stand at the same places. There may be
thousands; at each place are told a few of them, the most secret one and the one that
is spelled just so among these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from holdfast.adapters.taints.decoding import Place
from holdfast.adapters.taints.signs import Around, Signs
from holdfast.core.labels import Sensitivity

Arounds = tuple[Around, ...]

OWNERS_MAX = 8
AROUNDS_MAX = 8


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is looked for: of which value, in which form, from where in it on.

    Args:
        entry: number of the value in its registry.
        view: the form, as "reversed"; "" for the value as it is.
        seed_at: for a piece of a value, where in it the piece begins; else -1.
        both_ways: it reads the same forwards and backwards, but for signs around it.
    """

    entry: int
    view: str = ""
    seed_at: int = -1
    both_ways: bool = False


class Variant:
    """Values that are looked for by the same bytes, with the same signs around them.

    Args:
        owners: whose they are, the most secret value's first.
        level: the highest of the owners'.
        around: the signs around them, in each direction in which they may stand there.
        loose: there are too many ways of signs around them; these are the most.
        spelled: of too many owners the one whose value is spelled so.
    """

    __slots__ = ("_around", "_loose", "_spelled", "level", "owners")

    def __init__(
        self,
        owners: Sequence[Pattern],
        level: Sensitivity,
        *,
        around: Arounds = (),
        loose: bool = False,
        spelled: Mapping[bytes, Pattern] | None = None,
    ) -> None:
        self.owners = owners
        self.level = level
        self._around = around
        self._loose = loose
        self._spelled = spelled

    @property
    def has_signs(self) -> bool:
        """Whether there are signs around the values."""
        return bool(self._around)

    def widened(self, place: Place, signs: Signs) -> Place:
        """A place with the signs around it."""
        for around in self._around:
            place = signs.widen(place, around, loose=self._loose)
        return place

    def told(self, written: bytes) -> Sequence[Pattern]:
        """Whom to tell where they stand.

        Args:
            written: what stands there in the text.
        """
        if self._spelled is None:
            return self.owners
        just_so = self._spelled.get(written)
        return (self.owners[0], just_so) if just_so else self.owners[:1]


class Known(Protocol):
    """What is known of whom a pattern is looked for."""

    def level(self, pattern: Pattern) -> Sensitivity:
        """How secret the value is."""
        ...

    def around(self, pattern: Pattern) -> Arounds:
        """The signs around the value, in each direction in which they may stand there."""
        ...

    def value(self, pattern: Pattern) -> bytes:
        """The value as it was registered."""
        ...


def variants(owners: Sequence[Pattern], known: Known) -> tuple[Variant, ...]:
    """Sort the owners of the same bytes by the signs around their values."""
    groups: dict[Arounds, list[Pattern]] = {}
    for pattern in sorted(owners, key=known.level, reverse=True):
        groups.setdefault(known.around(pattern), []).append(pattern)
    loose = len(groups) > AROUNDS_MAX
    if loose:
        most = [
            max(sum(len(around[side]) for around in arounds) for arounds in groups)
            for side in (0, 1)
        ]
        every = sorted(chain(*groups.values()), key=known.level, reverse=True)
        groups = {((bytes(most[0]), bytes(most[1])),): every}
    return tuple(
        Variant(
            those,
            max(map(known.level, those)),
            around=arounds,
            loose=loose,
            spelled={known.value(pattern): pattern for pattern in reversed(those)}
            if len(those) > OWNERS_MAX
            else None,
        )
        for arounds, those in groups.items()
    )
