"""The store port's contract, for the memory and the SQLite store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.ports.store import Store
from holdfast.testing.store_conformance import Case, Harness, conformance_cases


class _Memory:
    def __init__(self) -> None:
        self.disk = MemoryDisk()

    async def open(self) -> Store:
        return MemoryStore(self.disk, node="a")

    async def open_second(self) -> Store:
        return MemoryStore(self.disk, node="b")

    async def kill(self, store: Store) -> None:
        self.disk.kill(store.node)


class _Sqlite:
    def __init__(self, directory: Path, passphrase: str | None = None) -> None:
        self.path = directory / "store.db"
        self.passphrase = passphrase

    async def open(self) -> Store:
        return await SqliteStore.open(self.path, passphrase=self.passphrase)

    async def open_second(self) -> Store:
        return await self.open()

    async def kill(self, store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store.abandon()


@pytest.mark.parametrize("case", conformance_cases(), ids=lambda case: case.name)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_store_keeps_the_contract(kind: str, case: Case, tmp_path: Path) -> None:
    """Each rule of the port holds."""
    harness: Harness = _Memory() if kind == "memory" else _Sqlite(tmp_path)
    asyncio.run(case.run(harness))


def test_an_encrypted_file_keeps_the_contract_too(tmp_path: Path) -> None:
    """Encryption changes nothing: one broad case is enough."""
    case = next(case for case in conformance_cases() if "reopening" in case.name)
    asyncio.run(case.run(_Sqlite(tmp_path, passphrase="it's a secret")))
