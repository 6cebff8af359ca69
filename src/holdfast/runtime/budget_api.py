"""Budgets of a session, by its handle (seed E11)."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.commands import Configure
from holdfast.runtime.budgets import AccountInfo, Budget, info_of
from holdfast.runtime.controls import Controls
from holdfast.runtime.host import expect
from holdfast.runtime.ledger import names_of, read_accounts


class Budgets(Controls):
    """What a session may spend and has spent; see `Session`."""

    async def budget(self) -> list[AccountInfo]:
        """Every account with a limit that the session draws on, as the store has it now."""
        view = await self.view()
        backend = self._where.backend
        journal = backend.journal(self._where.row)
        names = names_of(journal, view)
        now_ms = max(backend.clock.now_ms(), view.updated_ms)
        return [info_of(one) for one in await read_accounts(backend.store, names, view, now_ms)]

    async def set_budget(self, budget: Budget, *, drop: Sequence[str] = ()) -> None:
        """Change the limits of the session; what is spent stays spent.

        Args:
            budget: limits that are None stay as they are.
            drop: names of limits that end, for example "day_usd".

        Raises:
            InvalidInput: a limit cannot be.
            NotNow: the session has ended.
        """
        expect("budget", budget, Budget)
        await self.submit(Configure(budget=budget.change(drop)))
