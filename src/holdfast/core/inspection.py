"""What the shell found in a text that crosses the boundary, as events keep it.

No value and no place in a text is here: kinds, levels and keyed fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from holdfast.core.findings import Threat
from holdfast.core.labels import Sensitivity

KINDS_MAX = 32
KIND_BYTES_MAX = 32
VALUES_MAX = 256
REASONS_MAX = 8
WEAK_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What detectors made of one text.

    Args:
        level: of the highest raw match.
        kinds: (kind, how many of its values are new to the session) of all kinds
            above `Normal`, sorted.
        values: keyed fingerprints, hex, of the values that became taints.
        threat, score: of the injection signal; score in hundredths.
        reasons: `category.rule` of the strongest evidence.
        weak: why less was looked for than could be.
    """

    level: Sensitivity = Sensitivity.NORMAL
    kinds: tuple[tuple[str, int], ...] = ()
    values: tuple[str, ...] = ()
    threat: Threat = Threat.CLEAN
    score: int = 0
    reasons: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds alone."""
        return tuple(kind for kind, _ in self.kinds)


NOTHING = Inspected()
"""A text that was looked at and in which nothing was found."""


def united(one: Inspected | None, other: Inspected | None) -> Inspected | None:
    """What was found in a text and in what was made of it."""
    if one is None or other is None:
        return one or other
    counts = dict(one.kinds)
    for kind, count in other.kinds:
        counts[kind] = counts.get(kind, 0) + count
    worse = max(one, other, key=lambda found: found.score)
    return Inspected(
        level=max(one.level, other.level),
        kinds=tuple(sorted(counts.items()))[:KINDS_MAX],
        values=tuple(dict.fromkeys((*one.values, *other.values)))[:VALUES_MAX],
        threat=worse.threat,
        score=worse.score,
        reasons=worse.reasons,
        weak=tuple(dict.fromkeys((*one.weak, *other.weak)))[:WEAK_MAX],
    )


def kept(kind: str) -> str:
    """A kind as the fold keeps it: itself, or a name made of one that is too long."""
    written = json.dumps(kind, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(written) - 2 <= KIND_BYTES_MAX and kind.isprintable():
        return kind
    return f"kind-{hashlib.sha256(written).hexdigest()[:16]}"
