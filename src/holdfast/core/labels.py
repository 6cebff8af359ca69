"""Labels: how secret a value is, and who had a hand in it.

A label only rises by `join`; lowering one is an explicit, audited event.
Sensitivity order: seed A8.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Sensitivity(IntEnum):
    """Public < Normal < Sensitive < HighlySensitive < Critical (seed A8)."""

    PUBLIC = 0
    NORMAL = 1
    SENSITIVE = 2
    HIGHLY_SENSITIVE = 3
    CRITICAL = 4

    @property
    def words(self) -> str:
        """Its name as people read it."""
        return self.name.lower().replace("_", " ")


class Integrity(IntEnum):
    """Who may have influenced a value; the lower one wins in a join."""

    UNTRUSTED = 0
    TRUSTED = 1


ORIGINS_MAX = 16
MANY_ORIGINS = "…"


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a value: sensitivity, integrity and where it came from.

    `origins` keeps at most 16 names; more collapse into one marker, so that a
    label stays bounded whatever it is joined with.
    """

    sensitivity: Sensitivity = Sensitivity.NORMAL
    integrity: Integrity = Integrity.TRUSTED
    origins: tuple[str, ...] = ()

    def join(self, other: Label) -> Label:
        """Return the least label that is at least as restrictive as both."""
        if self is other or self == other:
            return self
        origins = tuple(sorted(set(self.origins) | set(other.origins)))
        if len(origins) > ORIGINS_MAX:
            kept = [name for name in origins if name != MANY_ORIGINS]
            origins = tuple(sorted((*kept[: ORIGINS_MAX - 1], MANY_ORIGINS)))
        return Label(
            sensitivity=max(self.sensitivity, other.sensitivity),
            integrity=min(self.integrity, other.integrity),
            origins=origins,
        )


TRUSTED = Label()
UNTRUSTED = Label(integrity=Integrity.UNTRUSTED)
