"""Tokens in memory: what the conformance cases do not ask."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.core.errors import StoreFull
from holdfast.ports.tokens import Revocation
from holdfast.testing.store_cases_tokens import doing, token


def test_a_full_disk_takes_revocations_and_no_tokens() -> None:
    """What takes away must fit when nothing else does (contract 2.21)."""

    async def work() -> None:
        disk = MemoryDisk()
        store = MemoryStore(disk)
        await store.token_add(token(1), doing())
        disk.full = True
        with pytest.raises(StoreFull):
            await store.token_add(token(2), doing())
        assert [token(1).id] == await store.token_revoke(Revocation(id=token(1).id), doing())

    asyncio.run(work())
