"""The ledger: which counters accounts are, and what an append does to them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.core.accounts import BudgetSettings, Holder, Limit, Period, Unit
from holdfast.core.errors import Stale
from holdfast.core.events import (
    Answered,
    Asked,
    Configured,
    EffectEnded,
    EffectStarted,
    Ended,
    Outcome,
)
from holdfast.core.settings import Settings
from holdfast.core.view import SessionView, Turn
from holdfast.ports.store import NewLimit, Settle, Take
from holdfast.runtime.ledger import Ledger, Names, read_accounts, read_shared

NAMES = Names("s5", "s1", {Holder.TENANT: "t:x", Holder.USER: "u:y"})
DAY = Limit(holder=Holder.SESSION, unit=Unit.CALLS, amount=4, period=Period.DAY)
RUN = Limit(holder=Holder.RUN, unit=Unit.TOKENS, amount=70)
VIEW = SessionView(
    settings=Settings(budget=BudgetSettings(micros=50, limits=(DAY, RUN))),
    turn=Turn(id=7, cause=7, clock_ms=0),
)
NOW_MS = 2 * 86_400_000 + 5


def ledger() -> Ledger:
    """A ledger that has read its names."""
    found = Ledger(SimpleNamespace(crypto=None))  # type: ignore[arg-type]  # nothing is read
    found._names = NAMES
    return found


def test_every_name_has_its_counter() -> None:
    """The session's is its root's, a run's its own; other counters keep their names."""
    assert ["s1.m", "s1.t20", "s5.r7.t", "t:x.m", "u:y.w3", "grant:ab"] == [
        NAMES.counter(id) for id in ("s.m", "s.t20", "r7.t", "t.m", "u.w3", "grant:ab")
    ]


def test_accounts_are_read_in_one_go() -> None:
    """Those with a limit, with what the store has on them; a day begins with its limit."""

    async def work() -> None:
        store = MemoryStore()
        await store.set_counter("s1.m", 40)
        await store.set_counter("t:x.m", 900)
        await store.set_counter("t:x.t/day", 30)
        await store.set_counter("u:y.c", None)
        found = {one.id: one for one in await read_accounts(store, NAMES, VIEW, NOW_MS)}
        assert {"s.m": 40, "s.c2": 4, "r7.t": 70, "t.m": 900, "t.t2": 30} == {
            id: one.limit for id, one in found.items()
        }
        assert Period.DAY is found["t.t2"].period
        await store.set_counter("t:x.t2", 31)
        shared = await read_shared(store, Holder.TENANT, "t:x", NOW_MS)
        assert [("t.m", 900), ("t.t2", 31)] == [(one.id, one.limit) for one in shared]
        await store.set_counter("t:x.t/day", None)
        shared = await read_shared(store, Holder.TENANT, "t:x", NOW_MS)
        assert ["t.m"] == [one.id for one in shared], "the limit of every day has ended"

    asyncio.run(work())


def test_a_wiped_session_has_no_accounts() -> None:
    """Without its key nothing is read."""
    assert () == asyncio.run(ledger().read(VIEW))


def test_events_become_what_the_append_asks_for() -> None:
    """Takes with the limits that make counters, settles of both attempts, raised limits."""

    async def accounts() -> tuple[object, ...]:
        return await read_accounts(MemoryStore(), NAMES, VIEW, NOW_MS)

    known = asyncio.run(accounts())
    events = (
        EffectStarted(
            cause=7,
            ordinal=0,
            effect="model",
            attempt=2,
            takes=(("s.m", 5), ("grant:ab", 1)),
            settles=(("s.m", 9, 9),),
        ),
        EffectEnded(
            cause=8, ordinal=1, effect="tool", outcome=Outcome.DONE, settles=(("r7.t", 3, 1),)
        ),
        Configured(limits=(("s.m", 60), ("s.c2", None))),
        Answered(question=3, decision="raise", limits=(("t.m", 77),)),
        Ended(),
    )
    found = ledger()
    assert (
        Take(counter="s1.m", amount=5, limit=50),
        Take(counter="grant:ab", amount=1, limit=3),
    ) == (
        found.takes(events, known, {"grant:ab": 3})  # type: ignore[arg-type]  # as they were read
    )
    assert (
        Settle(counter="s1.m", held=9, used=9),
        Settle(counter="s5.r7.t", held=3, used=1),
    ) == found.settles(events)
    assert (
        NewLimit(counter="s1.m", limit=60),
        NewLimit(counter="s1.c2", limit=None),
        NewLimit(counter="t:x.m", limit=77),
    ) == found.limits(events)


def test_nobody_is_asked_on_old_figures() -> None:
    """A question about an account is only put on record when it was read for it."""
    question = Asked(
        cause=7, ordinal=0, about="budget", name="m", digest="", text="?", choices=("raise", "deny")
    )
    found = ledger()
    with pytest.raises(Stale):
        found.takes((question,), (), {})
    found.fresh = True
    assert () == found.takes((question,), (), {})
