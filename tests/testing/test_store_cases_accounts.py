"""The cases on counters and grants that an append makes catch broken stores."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store_mutants import NoAsserts, NoTakes, caught

from holdfast.adapters.store.memory import MemoryStore
from holdfast.ports.store import Append
from holdfast.testing.store_cases_accounts import account_cases


class NoLimits(MemoryStore):
    """Leaves limits as they are."""

    async def append(self, append: Append) -> bytes:
        """Append without them."""
        return await super().append(replace(append, limits=()))


class LatestLimits(MemoryStore):
    """Gives an existing counter the limit that a take names."""

    async def append(self, append: Append) -> bytes:
        """Append after that."""
        for take in append.takes:
            if take.limit is not None and await self.counter(take.counter) is not None:
                await self.set_counter(take.counter, take.limit)
        return await super().append(append)


class EarlyGrants(MemoryStore):
    """Changes grants before it tests the append."""

    async def append(self, append: Append) -> bytes:
        """Append, too late."""
        for change in append.grants:
            self.disk.change_grants(change)
        return await super().append(replace(append, grants=()))


class KeepsAll(MemoryStore):
    """Forgets to erase grants and counters."""

    async def erase(self, stream: int) -> None:
        """Erase the rest."""
        counters, scopes = dict(self.disk.counters), dict(self.disk.scopes)
        await super().erase(stream)
        self.disk.counters, self.disk.scopes = counters, scopes


class CapsBills(MemoryStore):
    """Charges no more than was held."""

    async def append(self, append: Append) -> bytes:
        """Append with smaller bills."""
        settles = tuple(replace(one, used=min(one.used, one.held)) for one in append.settles)
        return await super().append(replace(append, settles=settles))


@pytest.mark.parametrize(
    "mutant", [CapsBills, EarlyGrants, LatestLimits, KeepsAll, NoAsserts, NoLimits, NoTakes]
)
def test_a_broken_rule_is_caught(mutant: type[MemoryStore]) -> None:
    """At least one case fails for a store that breaks a rule."""
    assert [] != caught(mutant, account_cases())


def test_the_working_store_passes() -> None:
    """The cases find nothing in the memory store itself."""
    assert [] == caught(MemoryStore, account_cases())
