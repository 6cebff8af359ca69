"""The ledger: which counters of the store a session's accounts are.

In the log an account has a short name (`core.accounts`); here it gets its counter:

- `s.…` of the session, or of the one at the root of its lineage
- `r<turn>.…` of one run of this session
- `w.…`, `u.…`, `t.…` of the workspace, the user and the tenant, under keyed hashes.
  Their limits are kept in the counters themselves, so that all processes see them;
  the limit of a day is kept in `…/day`, and each day's counter begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.core.accounts import (
    Account,
    Holder,
    Period,
    Unit,
    account_id,
    day_of,
    own_accounts,
    unit_of,
)
from holdfast.core.errors import Stale
from holdfast.core.events import (
    Answered,
    Asked,
    Configured,
    EffectEnded,
    EffectStarted,
    Event,
)
from holdfast.core.guards.budget import ABOUT
from holdfast.core.view import SessionView
from holdfast.ports.store import (
    Counter,
    NewLimit,
    Settle,
    Store,
    Take,
    counter_of,
    session_scope,
)
from holdfast.runtime.grants import scopes_of
from holdfast.runtime.journal import Journal

DAILY = "/day"


class Names:
    """The counters of a session's accounts.

    Args:
        own: scope of the session; root: of the session it draws on.
        shared: scope of each holder above it that there is.
    """

    def __init__(self, own: str, root: str, shared: Mapping[Holder, str]) -> None:
        self._shared = dict(shared)
        self._own = own
        self._scopes = {"s": root, **{holder.value[0]: scope for holder, scope in shared.items()}}

    def counter(self, id: str) -> str:
        """The counter behind an account's name; any other name is a counter's own."""
        head, _, name = id.partition(".")
        if unit_of(id) is None:
            return id
        if head[:1] == "r":
            return counter_of(self._own, id)
        return counter_of(self._scopes[head], name)

    def shared(self) -> list[tuple[Holder, str, Unit]]:
        """Holder, scope and unit of every account above the session there may be."""
        return [(holder, scope, unit) for holder, scope in self._shared.items() for unit in Unit]


def names_of(journal: Journal, view: SessionView) -> Names:
    """The counters of a session's accounts; a child draws on those of its first ancestor."""
    root = view.lineage[0].stream if view.lineage else journal.stream
    scopes = scopes_of(journal.keys, view, journal.stream)
    shared = {Holder.WORKSPACE: scopes.workspace, Holder.USER: scopes.user}
    shared[Holder.TENANT] = scopes.tenant
    return Names(
        session_scope(journal.stream),
        session_scope(root),
        {holder: scope for holder, scope in shared.items() if scope},
    )


async def read_accounts(
    store: Store, names: Names, view: SessionView, now_ms: int
) -> tuple[Account, ...]:
    """Read every account with a limit that a session may draw on, in one go."""
    run = view.turn.id if view.turn else 0
    own = own_accounts(view.settings.budget, now_ms, run)
    wanted = {account.id: names.counter(account.id) for account in own}
    shared = [_Shared(holder, unit, scope, now_ms) for holder, scope, unit in names.shared()]
    found = await store.counters([*wanted.values(), *(id for one in shared for id in one.counters)])
    accounts = [_with(account, found.get(wanted[account.id])) for account in own]
    accounts += [account for one in shared for account in one.accounts(found)]
    return tuple(account for account in accounts if account.limit is not None)


async def read_shared(store: Store, holder: Holder, scope: str, now_ms: int) -> list[Account]:
    """Read the accounts with a limit of a workspace, a user or a tenant."""
    shared = [_Shared(holder, unit, scope, now_ms) for unit in Unit]
    found = await store.counters([id for one in shared for id in one.counters])
    return [account for one in shared for account in one.accounts(found)]


class _Shared:
    """The accounts of one unit of a holder above the session: in all, and today."""

    def __init__(self, holder: Holder, unit: Unit, scope: str, now_ms: int) -> None:
        self._holder, self._unit = holder, unit
        self._total = account_id(holder, unit)
        self._today = account_id(holder, unit, day=day_of(now_ms))
        total, today = (
            counter_of(scope, id.partition(".")[2]) for id in (self._total, self._today)
        )
        self.counters = (total, today, total + DAILY)

    def accounts(self, found: Mapping[str, Counter]) -> list[Account]:
        """Those of them that have a limit."""
        total, today, daily = (found.get(id) for id in self.counters)
        accounts: list[Account] = []
        if total is not None and total.limit is not None:
            accounts.append(_read(self._total, self._holder, self._unit, Period.TOTAL, total))
        if daily is not None and daily.limit is not None:
            day = today or daily
            accounts.append(_read(self._today, self._holder, self._unit, Period.DAY, day))
        return accounts


def _with(account: Account, counter: Counter | None) -> Account:
    if counter is None:
        return account
    return _read(account.id, account.holder, account.unit, account.period, counter)


def _read(id: str, holder: Holder, unit: Unit, period: Period, counter: Counter) -> Account:
    return Account(
        id=id,
        holder=holder,
        unit=unit,
        period=period,
        limit=counter.limit,
        used=counter.used,
        held=counter.held,
    )


class Ledger:
    """The accounts of one session, and what its appends do to their counters.

    Attributes:
        fresh: they were read for the decision that is being taken.
    """

    def __init__(self, journal: Journal) -> None:
        self.fresh = False
        self._journal = journal
        self._names = Names("", "", {})

    async def read(self, view: SessionView) -> tuple[Account, ...]:
        """Read the session's accounts; none once its key is gone."""
        journal = self._journal
        if journal.crypto is None or not view.tenant:
            return ()
        self._names = names_of(journal, view)
        now_ms = max(journal.clock.now_ms(), view.updated_ms)
        return await read_accounts(journal.store, self._names, view, now_ms)

    def takes(
        self, events: Iterable[Event], accounts: Iterable[Account], others: Mapping[str, int]
    ) -> tuple[Take, ...]:
        """What the intents among these events reserve.

        Args:
            accounts: as they are after these events; their limits make new counters.
            others: limits of counters that are no accounts.

        Raises:
            Stale: an account seems short, but was not read for this decision.
        """
        limits = {**others, **{a.id: a.limit for a in accounts if a.limit is not None}}
        takes: list[Take] = []
        for event in events:
            if isinstance(event, Asked) and event.about == ABOUT and not self.fresh:
                raise Stale("accounts")
            if isinstance(event, EffectStarted):
                takes += [
                    Take(counter=self._names.counter(id), amount=amount, limit=limits.get(id))
                    for id, amount in event.takes
                ]
        return tuple(takes)

    def settles(
        self, events: Iterable[Event], accounts: Iterable[Account] = ()
    ) -> tuple[Settle, ...]:
        """What the events settle of what was reserved, and bills beside it.

        Args:
            accounts: as of `takes`.
        """
        limits = {account.id: account.limit for account in accounts}
        return tuple(
            Settle(
                counter=self._names.counter(id),
                held=held,
                used=used,
                limit=None if held else limits.get(id),
            )
            for event in events
            if isinstance(event, EffectStarted | EffectEnded)
            for id, held, used in event.settles
        )

    def limits(self, events: Iterable[Event]) -> tuple[NewLimit, ...]:
        """The limits that these events give to accounts."""
        return tuple(
            NewLimit(counter=self._names.counter(id), limit=limit)
            for event in events
            if isinstance(event, Answered | Configured)
            for id, limit in event.limits
        )
