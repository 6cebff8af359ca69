"""The cases of tokens notice what is broken."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.ports.store import Store
from holdfast.ports.tokens import Doing, Revocation, Rotation, TokenRow
from holdfast.testing.store_cases_tokens import token_cases


class Forgetful(MemoryStore):
    """Raises no revision when it revokes."""

    async def token_revoke(self, revocation: Revocation, doing: Doing) -> list[bytes]:
        kept = {name: scope.revision for name, scope in self.disk.scopes.items()}
        found = await super().token_revoke(revocation, doing)
        for name, scope in self.disk.scopes.items():
            scope.revision = kept.get(name, 0)
        return found


class Generous(MemoryStore):
    """Refreshes whatever generation is named."""

    async def token_rotate(self, rotation: Rotation, doing: Doing) -> TokenRow:
        row = await self.token_row(rotation.id)
        assert row is not None
        follows = Rotation(
            id=row.id,
            generation=row.generation,
            digest=rotation.digest + bytes([row.generation]),
            expires_ms=rotation.expires_ms,
            sealed=rotation.sealed,
        )
        return await super().token_rotate(follows, doing)


class OfKind:
    """A harness of one kind of store."""

    def __init__(self, kind: type[MemoryStore]) -> None:
        self.kind, self.disk = kind, MemoryDisk()

    async def open(self) -> Store:
        return self.kind(self.disk, node="a")

    async def open_second(self) -> Store:
        return self.kind(self.disk, node="b")

    async def kill(self, store: Store) -> None:
        self.disk.kill(store.node)


@pytest.mark.parametrize("kind", [Forgetful, Generous])
def test_a_broken_store_fails(kind: type[MemoryStore]) -> None:
    """Some case says so."""
    failed = 0
    for case in token_cases():
        try:
            asyncio.run(case.run(OfKind(kind)))
        except Exception:
            failed += 1
    assert failed
