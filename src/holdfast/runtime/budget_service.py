"""Budgets above a session: of workspaces, users and the tenant (seed E11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.core.accounts import SHARED, Holder, Period, Unit, account_id, day_of
from holdfast.core.errors import InvalidInput
from holdfast.ports.store import counter_of
from holdfast.runtime.backend import Backend
from holdfast.runtime.budgets import AccountInfo, Budget, info_of
from holdfast.runtime.grants import user_scope, workspace_scope
from holdfast.runtime.host import expect
from holdfast.runtime.ledger import DAILY, read_shared
from holdfast.runtime.listing import resolve_workspace
from holdfast.runtime.sessions import Sessions


class BudgetService(Sessions):
    """Budgets of workspaces, users and the tenant, which their sessions share.

    Their limits are kept in the store, so that every process sees them. Where a
    manager has several stores, each counts for itself.
    """

    async def budget(self, holder: str, who: str = "") -> list[AccountInfo]:
        """The accounts with a limit of a session, a workspace, a user or the tenant.

        Args:
            holder: "session", "workspace", "user" or "tenant".
            who: the session's id, the directory or the user.

        Raises:
            InvalidInput: there is no such holder.
            SessionNotFound: no such session.
        """
        if holder == Holder.SESSION:
            return await (await self.get_session(who)).budget()
        kind = _holder(holder)
        await self.ready()
        _, backend = self.distinct_backends()[0]
        scope = self._scope(backend, kind, who)
        now_ms = backend.clock.now_ms()
        return [info_of(one) for one in await read_shared(backend.store, kind, scope, now_ms)]

    async def set_budget(
        self, holder: str, who: str = "", budget: Budget | None = None, *, drop: Sequence[str] = ()
    ) -> None:
        """Change limits of a session, a workspace, a user or the tenant.

        Args:
            holder: "session", "workspace", "user" or "tenant".
            who: the session's id, the directory or the user.
            budget: limits that are None stay as they are.
            drop: names of limits that end, for example "day_usd".

        Raises:
            InvalidInput: there is no such holder, or a limit cannot be.
            SessionNotFound: no such session.
        """
        wanted = budget if budget is not None else Budget()
        expect("budget", wanted, Budget)
        if holder == Holder.SESSION:
            await (await self.get_session(who)).set_budget(wanted, drop=drop)
            return
        kind = _holder(holder)
        limits = wanted.shared(drop)
        await self.ready()
        await self._limit_shared(kind, who, limits)

    async def _limit_shared(
        self, kind: Holder, who: str, limits: Mapping[tuple[Period, Unit], int | None]
    ) -> None:
        """Write limits of a workspace, a user or the tenant to every store that is open."""
        for _, backend in self.distinct_backends():
            scope = self._scope(backend, kind, who)
            for (period, unit), amount in limits.items():
                for counter in await _counters(backend, scope, period, unit):
                    known = await backend.store.counter(counter)
                    if known is None or known.limit != amount:
                        await backend.store.set_counter(counter, amount)
        self.trust.ring()

    def _scope(self, backend: Backend, holder: Holder, who: str) -> str:
        expect("who", who, str)
        if holder is Holder.WORKSPACE:
            real = resolve_workspace(who)
            if not real:
                raise InvalidInput("a workspace is named by its directory")
            return workspace_scope(backend.keys, self.tenant, real)
        if holder is Holder.USER:
            return user_scope(backend.keys, self.tenant, who or self.principal)
        return f"t:{self.tenant}"


def _holder(name: str) -> Holder:
    found = next((one for one in SHARED if one.value == name), None)
    if found is None:
        raise InvalidInput(f"{name!r} is not session, workspace, user or tenant")
    return found


async def _counters(backend: Backend, scope: str, period: Period, unit: Unit) -> list[str]:
    """The counters that keep a limit; that of a day also for the day it is."""
    total = account_id(Holder.TENANT, unit).partition(".")[2]
    if period is Period.TOTAL:
        return [counter_of(scope, total)]
    now_ms = backend.clock.now_ms()
    day = account_id(Holder.TENANT, unit, day=day_of(now_ms)).partition(".")[2]
    today = counter_of(scope, day)
    started = await backend.store.counter(today) is not None
    return [*([today] if started else []), counter_of(scope, f"{total}{DAILY}")]
