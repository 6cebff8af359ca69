"""The handle of a sealed session: arguments are looked at before anything is started."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.errors import InvalidInput, SessionSealed
from holdfast.runtime.sealedsession import SealedSession
from sessionhelp import echo, memory, run


def test_what_cannot_be_meant_is_refused_here() -> None:
    """A prompt that is no buffer, ids of another length; nothing is started for them."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            where = (await sessions.create_session("one")).where
            session = SealedSession(sessions, sessions, where, "one")
            assert "SealedSession('one')" == repr(session)
            for act in (
                lambda: session.ask(b"x"),
                lambda: session.ask(bytearray(b"x"), command_id=b"short"),
                lambda: session.generate(1),
                lambda: session.generate("x", policy=3),
                lambda: anext(session.subscribe_events("x")),
            ):
                with pytest.raises(InvalidInput):
                    await act()
            for refused in (lambda: session.emit("x", {}), lambda: session.on_approval(None)):
                with pytest.raises(SessionSealed):
                    refused()
            with pytest.raises(SessionSealed):
                await session.state_of()
            with pytest.raises(InvalidInput, match="cannot be sealed"):
                await session.history()
            await asyncio.sleep(0)

    run(work())
