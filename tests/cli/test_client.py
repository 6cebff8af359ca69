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
