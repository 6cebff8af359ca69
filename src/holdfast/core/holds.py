"""Holds: what is reserved for an effect, and what becomes of it (contract 1.6, 1.10).

- An intent takes; the outcome, whatever it is, settles. What settles nothing
  itself settles in full, so that no way out can be forgotten.
- A bill that is not known is the whole reserve: a call that failed, was cancelled
  or lost after it started may have been charged (astrid#AW-24).
- A call that never started costs nothing.
- A second attempt settles the first one's reserve in the same append: with its bill
  if that is known, else in full.
- The actual bill counts even where it is more than was reserved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from holdfast.core.accounts import Account, Unit, accounts_now, unit_of
from holdfast.core.events import Answered, Configured, EffectEnded, EffectStarted, Event
from holdfast.core.facts import Facts
from holdfast.core.ids import EffectRef
from holdfast.core.quantities import Usage
from holdfast.core.view import BESIDE_TURN, OpenEffect, SessionView

Settles = tuple[tuple[str, int, int], ...]
"""(counter, held, used)"""


def settle(
    effect: OpenEffect | None,
    *,
    usage: Usage | None = None,
    duration_ms: int | None = None,
    ran: bool = True,
    accounts: Iterable[Account] = (),
) -> Settles:
    """What an outcome settles of what its intent took.

    A bill counts on every account of money and tokens, also where nothing was held:
    a client may name no prices before, and a limit may be new.

    Args:
        accounts: those the session draws on now.
        usage: what a model reported; without a single token the bill is unknown.
        duration_ms: how long it took, if that is known.
        ran: it was started; if not, all is released.
    """
    if effect is None:
        return ()
    if usage is not None and not usage.total_tokens and not usage.cost_micros:
        usage = None
    settles = [
        (id, held, _used(id, held, usage, duration_ms) if ran else 0) for id, held in effect.takes
    ]
    if usage is not None and ran:
        taken = {_place(id) for id, _ in effect.takes}
        free = [one.id for one in accounts if one.unit in _BILLED and _place(one.id) not in taken]
        bills = [(id, 0, _used(id, 0, usage, None)) for id in sorted(free)]
        settles += [bill for bill in bills if bill[2]]
    return tuple(settles)


_BILLED = (Unit.MICROS, Unit.TOKENS)


def _place(id: str) -> tuple[str, bool]:
    """An account's name without its day, which may have ended since it was held on."""
    name = id.rstrip("0123456789")
    return name, name != id


def _used(id: str, held: int, usage: Usage | None, duration_ms: int | None) -> int:
    unit = unit_of(id)
    if unit is Unit.MICROS and usage is not None:
        return usage.cost_micros
    if unit is Unit.TOKENS and usage is not None:
        return usage.total_tokens
    if unit is Unit.WALL_MS and duration_ms is not None:
        return duration_ms
    return held


def completed(view: SessionView, event: Event) -> Event:
    """The event with the settles it owes: in full, unless it says so itself."""
    if isinstance(event, EffectEnded):
        if not event.settles:
            settles = settle(_open(view, event))
            return replace(event, settles=settles) if settles else event
    elif isinstance(event, EffectStarted) and event.attempt > 1 and not event.settles:
        settles = settle(view.open_at(EffectRef(event.cause, event.ordinal)))
        return replace(event, settles=settles) if settles else event
    return event


def _open(view: SessionView, event: EffectEnded) -> OpenEffect | None:
    ref = EffectRef(event.cause, event.ordinal)
    if event.effect not in BESIDE_TURN:
        return view.open_at(ref)
    return next((one for one in view.host_open if one.ref == ref), None)


def accounts_of(view: SessionView, facts: Facts) -> dict[str, Account]:
    """Every account that a call of the session may draw on now, by name."""
    run = view.turn.id if view.turn else 0
    return accounts_now(view.settings.budget, facts.authority.accounts, facts.now_ms, run)


def after(view: SessionView, facts: Facts, event: Event) -> Facts:
    """The facts after an event of the same append: what it took and settled counts."""
    limits = event.limits if isinstance(event, Answered | Configured) else ()
    takes = event.takes if isinstance(event, EffectStarted) else ()
    settles = event.settles if isinstance(event, EffectStarted | EffectEnded) else ()
    if not (limits or takes or settles):
        return facts
    accounts = {**{one.id: one for one in facts.authority.accounts}, **accounts_of(view, facts)}
    for id, limit in limits:
        if id in accounts:
            accounts[id] = replace(accounts[id], limit=limit)
    for id, held, used in settles:
        if id in accounts:
            one = accounts[id]
            accounts[id] = replace(one, used=one.used + used, held=one.held - held)
    for id, amount in takes:
        if id in accounts:
            accounts[id] = replace(accounts[id], held=accounts[id].held + amount)
    authority = replace(facts.authority, accounts=tuple(accounts.values()))
    return replace(facts, authority=authority)
