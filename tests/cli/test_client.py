"""The manager that never leads."""

from __future__ import annotations

import asyncio

import pytest
from clihelp import Place

from holdfast.cli.client import Client
from holdfast.core.errors import LeaseHeld


def test_a_client_does_not_lead(place: Place) -> None:
    """It reads, but it takes no lease and serves no inbox, however long it stays."""
    place.say("one")
    place.cli("sessions", "pause", "one")

    async def look() -> tuple[str, int]:
        async with Client.open(place.store, installation_key=place.key) as manager:
            session = await manager.get_session("one")
            with pytest.raises(LeaseHeld):
                await manager.engine(session.where)
            await manager.lead_if_free(session.where)
            store = session.where.backend.store
            await store.changed(0.3)
            return (await session.state()).title, len(await store.pending())

    assert ("Active", 1) == asyncio.run(look())


def test_a_client_writes_no_limits(place: Place) -> None:
    """Limits of a policy file are put into the store by who leads, not by a look at it."""
    place.say("one")
    file = place.root / "p.toml"
    file.write_text("[budget.tenant]\ncalls = 5\n", encoding="utf-8")
    file.chmod(0o600)

    async def look() -> int:
        client = Client.open(place.store, installation_key=place.key, policy=file)
        async with client as manager:
            assert manager.policy is not None
            return len(await manager.budget("tenant"))

    assert 0 == asyncio.run(look())
    place.say("one", "again", "--policy", str(file))
    assert 1 == asyncio.run(look())
