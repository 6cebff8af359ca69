"""Covering: of places in a text as few as cover the same, for every level of secrecy.

What is above a level has to be taken out whatever that level is. So places are
chosen level by level, the most secret first, such that what is at least so secret
covers just what all such places cover, and hangs together where they do: what is
made of the chosen ones is what would be made of all. Their number is bounded by the
text, however many there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.adapters.taints.decoding import Place
from holdfast.core.labels import Sensitivity


def covering(places: Mapping[Place, Sensitivity]) -> set[Place]:
    """Choose places.

    Args:
        places: each with how secret what stands there is.
    """
    chosen: set[Place] = set()
    for level in sorted(set(places.values()), reverse=True):
        chosen |= _fewest([*chosen, *(one for one, its in places.items() if its == level)])
    return chosen


def _fewest(places: Iterable[Place]) -> set[Place]:
    """Of places as few as cover the same, one place alone if it covers all that overlap."""
    picked: list[Place] = []
    end, best = 0, (0, 0)
    for place in sorted(places, key=lambda place: (place[0], -place[1])):
        if place[0] >= end < best[1]:  # none that is to come reaches further and overlaps
            picked.append(best)
            end = best[1]
        if place[0] >= end:
            picked.append(place)
            end = place[1]
        elif place[1] > max(end, best[1]):
            best = place
    if best[1] > end:
        picked.append(best)
    return set(picked)
