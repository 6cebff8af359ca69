"""Whose tokens act in a session, and what their appends assert."""

from __future__ import annotations

import asyncio

from holdfast.adapters.store.memory import MemoryStore
from holdfast.core.commands import Pause, Send
from holdfast.core.events import EffectStarted, Event, Resumed
from holdfast.core.messages import user
from holdfast.core.principals import Bearer
from holdfast.core.view import SessionView, Turn
from holdfast.ports.store import Assert
from holdfast.runtime.bearers import Bearers, asserted
from holdfast.runtime.host import Mail
from sessionhelp import run

ANN = Bearer(token="aa", role="agent")
BOB = Bearer(token="bb", role="agent")


def viewed(bearer: Bearer | None) -> SessionView:
    """A session in which a turn runs for somebody."""
    return SessionView(turn=Turn(id=1, cause=1, clock_ms=0, bearer=bearer))


def started(effect: str) -> EffectStarted:
    """An intent."""
    return EffectStarted(cause=1, ordinal=0, effect=effect, name="m", digest="d")


def test_intents_assert_that_their_token_was_not_revoked() -> None:
    """Those of a turn that a token began, and no other event (contract 2.13)."""
    ann, nobody = viewed(ANN), viewed(None)
    claim = (Assert(scope="token:aa", revision=0),)
    events: list[tuple[Event, int]] = [(started("tool"), 0), (started("model"), 0)]
    assert claim == asserted(events, [ann, ann])
    assert () == asserted(events, [nobody, nobody])
    assert () == asserted([(started("host_tool"), 0), (Resumed(), 0)], [ann, ann])


def test_a_revoked_token_is_known_when_it_is_asked_for() -> None:
    """Of the turn and of every message of the batch; anew only when something changed."""

    async def work() -> None:
        store = MemoryStore()
        bearers = Bearers(store)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def mail(command: object) -> Mail:
            return Mail(command=command, future=future)  # type: ignore[arg-type]  # never answered

        batch = [mail(Send(message=user("x"), bearer=BOB)), mail(Pause())]
        await bearers.read(viewed(ANN), batch, anew=True)
        assert frozenset() == bearers.revoked
        await store.drop_grant("token:bb", b"")
        await bearers.read(viewed(ANN), batch, anew=False)
        assert frozenset() == bearers.revoked, "nobody said that anything has changed"
        await bearers.read(viewed(ANN), batch, anew=True)
        assert {"bb"} == bearers.revoked
        await bearers.read(viewed(ANN), [], anew=True)
        assert frozenset() == bearers.revoked

    run(work())
