"""Accounts, judged: the counters of the store are what the events say, and nothing is held.

Which counter an account's short name stands for is written here a second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from holdfast.core.events import EffectEnded, EffectStarted
from holdfast.ports.store import Counter
from holdfast.testing.sim.observer import Log

SHARED = ("u", "t", "w")
"""Holders above the session; a world has one of each."""


def balances(logs: Sequence[Log], counters: Mapping[str, Counter]) -> Iterator[str]:
    """Compare every counter with what was taken and settled in all logs.

    Args:
        counters: of the store, at the end of the world.
    """
    if any(log.damage for log in logs):
        return
    used: dict[str, int] = defaultdict(int)
    held: dict[str, int] = defaultdict(int)
    for log in logs:
        yield from _sum(log, used, held)
    wiped = {f"s{log.stream:x}" for log in logs if log.view.wiped}
    found: dict[str, tuple[int, int]] = {}
    for id, counter in counters.items():
        found[_plain(id)] = (counter.used, counter.held)
        if counter.held:
            yield f"at the end {counter.held} is held on {id}"
        uses = id.startswith(("grant:", "cap:"))
        if uses and counter.limit is not None and counter.used > counter.limit:
            yield f"{id} was used {counter.used} times and may be {counter.limit} times"
    for name in sorted({*used, *held, *found}):
        if name.partition(".")[0] in wiped or (name not in found and wiped):
            continue  # what was counted for a wiped session goes with it
        expected, there = (used[name], held[name]), found.get(name, (0, 0))
        if expected != there:
            yield f"the counter {name} has {there}, the events say {expected}"


def _sum(log: Log, used: dict[str, int], held: dict[str, int]) -> Iterator[str]:
    open_: dict[tuple[int, int, str], int] = defaultdict(int)
    for recorded in log.events:
        event = recorded.event
        if not isinstance(event, EffectStarted | EffectEnded):
            continue
        ref = (event.cause, event.ordinal)
        for id, reserve, spent in event.settles:
            held[_name(log, id)] -= reserve
            used[_name(log, id)] += spent
            open_[(*ref, id)] -= reserve
            if open_[(*ref, id)] < 0:
                yield f"{log.session_id}: event {recorded.version} settles more than was taken"
        for id, amount in event.takes if isinstance(event, EffectStarted) else ():
            held[_name(log, id)] += amount
            open_[(*ref, id)] += amount
    for key, left in open_.items():
        if left > 0:
            yield f"{log.session_id}: {left} of {key[2]} was taken by {key[:2]} and not released"


def _name(log: Log, id: str) -> str:
    """The counter behind an account's short name; shared ones without whose it is."""
    head, dot, name = id.partition(".")
    if not dot or head in SHARED:
        return id
    if head != "s":
        return f"s{log.stream:x}.{id}"
    lineage = log.view.lineage
    return f"s{lineage[0].stream if lineage else log.stream:x}.{name}"


def _plain(id: str) -> str:
    """A counter's id, shared ones without whose it is."""
    scope, dot, name = id.partition(".")
    shared = dot and scope.partition(":")[0] in SHARED
    return f"{scope[0]}.{name}" if shared else id
