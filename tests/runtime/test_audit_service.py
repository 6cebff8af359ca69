"""The manager's audit bus: whose it is, and what it is told while stores are not open yet."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.bootstrap import MemoryStore, SessionManager
from holdfast.core.auditing import Alert, Severity, Vector
from holdfast.core.errors import Unavailable
from holdfast.runtime import audit_service
from holdfast.runtime.auditbus import AuditBus
from moving_kit import World


def test_a_manager_without_one_has_its_own_and_watches_nothing() -> None:
    """It can be asked all the same."""

    async def main() -> None:
        async with World().manager() as manager:
            await manager.create_session("one")
            assert manager.audit_bus is manager.audit_bus
            assert ["opened"] == [one.mark.kind for one in (await manager.audit_bus.page())[0]]
            assert not manager.audit_bus.recent

    asyncio.run(main())


def test_what_is_told_before_the_store_is_open_alerts_too() -> None:
    """An enclave that is refused at the opening, for instance."""
    told: list[Alert] = []

    async def main() -> None:
        world, bus = World(), AuditBus(on_alert=told.append)
        store = MemoryStore(world.disk)
        manager = SessionManager.with_store(None, None, store, "file", keys=world.keys, audit=bus)
        manager.incident(Severity.CRITICAL, Vector.ENCLAVE, "enclave_refused", "tee_unavailable")
        async with manager, asyncio.timeout(20):
            while not told:
                await asyncio.sleep(0.01)

    asyncio.run(main())
    assert ["tee_unavailable"] == [one.event.mark.reason for one in told]


def test_a_store_out_of_order_ends_no_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus goes on where it stood."""
    monkeypatch.setattr(audit_service, "AGAIN_S", 0.01)
    told: list[Alert] = []

    class Moody(MemoryStore):
        """Cannot be read now and then."""

        broken = False

        async def feed_end(self) -> int:
            """The end, or no answer."""
            if self.broken:
                raise Unavailable("not now")
            return await super().feed_end()

    async def main() -> None:
        world, bus = World(), AuditBus(on_alert=told.append)
        store = Moody(world.disk)
        manager = SessionManager.with_store(None, None, store, "file", keys=world.keys, audit=bus)
        async with manager, asyncio.timeout(20):
            await manager.create_session("one")
            await asyncio.sleep(0.05)
            store.broken = True
            await asyncio.sleep(0.6)
            manager.incident(Severity.CRITICAL, Vector.AUDIT, "told")
            store.broken = False
            while not told:
                await asyncio.sleep(0.01)

    asyncio.run(main())
    assert ["told"] == [one.event.mark.kind for one in told]
