"""Cumulative risk: how much about a person a session has been told (seed A7).

Each kind of personal data counts one, each tenfold of different values of a kind
half of one more, and a set of kinds that singles a person out one more. What was
told long ago counts less. With one value of a kind each and no time gone by, that
is the number of kinds, as the compatible limits of three and five mean it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.inspection import KINDS_MAX, Inspected, kept
from holdfast.core.labels import Sensitivity

DAY_MS = 86_400_000

QUASI_IDENTIFIERS: tuple[frozenset[str], ...] = (
    frozenset({"person", "date_of_birth", "address"}),
    frozenset({"date_of_birth", "address"}),
    frozenset({"person", "date_of_birth"}),
    frozenset({"ssn", "date_of_birth"}),
)
"""Kinds that together single a person out although each alone does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What has been told so far.

    Args:
        kinds: (kind, different values, when last, in milliseconds since 1970).
        grew_at: version of the event that last added a kind.
    """

    kinds: tuple[tuple[str, int, int], ...] = ()
    grew_at: int = 0

    @property
    def names(self) -> frozenset[str]:
        """The kinds alone."""
        return frozenset(kind for kind, _, _ in self.kinds)


NO_RISK = Risk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a model is told that pseudonyms do not cover: it only rises.

    Args:
        level: of messages by their author, and of results by their tool's manifest.
        kinds: found in the author's messages, the first few.
        at: version of the last event that was as sensitive as `level`.
    """

    level: Sensitivity = Sensitivity.PUBLIC
    kinds: tuple[str, ...] = ()
    at: int = 0


UNEXPOSED = Exposure()


def told(risk: Risk, found: Inspected, now_ms: int, version: int = 0) -> Risk:
    """Return the risk after one more message; what does not fit is not counted."""
    if not found.kinds:
        return risk
    known = {kind: (count, last) for kind, count, last in risk.kinds}
    grew = risk.grew_at
    for name, count in found.kinds:
        kind = kept(name)
        before = known.get(kind)
        if before is None and len(known) >= KINDS_MAX:
            continue
        if before is None:
            grew = version
        known[kind] = ((before[0] if before else 0) + count, now_ms)
    kinds = tuple((kind, count, last) for kind, (count, last) in sorted(known.items()))
    return Risk(kinds=kinds, grew_at=grew)


def united(risks: Iterable[Risk]) -> Risk:
    """What is told in several places taken together; of a kind the larger figures count."""
    known: dict[str, tuple[int, int]] = {}
    grew = 0
    for risk in risks:
        grew = max(grew, risk.grew_at)
        for kind, count, last in risk.kinds:
            before = known.get(kind, (0, 0))
            known[kind] = (max(before[0], count), max(before[1], last))
    kinds = tuple((kind, count, last) for kind, (count, last) in sorted(known.items()))
    return Risk(kinds=kinds, grew_at=grew)


def points(risk: Risk, now_ms: int, half_life_days: int) -> float:
    """Weigh what has been told, in kinds."""
    total = 0.0
    for _, count, last in risk.kinds:
        age_days = max(0, now_ms - last) / DAY_MS
        weight = 1.0 + 0.5 * math.floor(math.log10(max(1, count)))
        total += weight * 0.5 ** (age_days / half_life_days)
    if any(combination <= risk.names for combination in QUASI_IDENTIFIERS):
        total += 1.0
    return round(total, 6)
