"""Whose tokens act in a session, and what their appends assert."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from holdfast.adapters.store.memory import MemoryStore
from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import HostCall, Pause, Send
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


def test_calls_beside_the_turn_assert_their_own_token() -> None:
    """That of the call, whoever the turn runs for."""
    call = replace(started("host_model"), bearer=BOB)
    assert (Assert(scope="token:bb", revision=0),) == asserted([(call, 0)], [viewed(ANN)])
    both = asserted([(call, 0), (started("tool"), 0)], [viewed(ANN), viewed(ANN)])
    assert ("token:aa", "token:bb") == tuple(one.scope for one in both)
    extraction = started("extraction")
    assert ("token:aa",) == tuple(a.scope for a in asserted([(extraction, 0)], [viewed(ANN)]))


def test_a_revoked_token_is_known_when_it_is_asked_for() -> None:
    """Of the turn and of every message of the batch; anew only when something changed."""

    async def work() -> None:
        store = MemoryStore()
        bearers = Bearers(store)
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def mail(command: object) -> Mail:
            return Mail(command=command, future=future)  # type: ignore[arg-type]  # never answered

        batch = [mail(Send(message=user("x"), bearer=BOB)), mail(Pause())]
        calls = [mail(HostCall(action=Action(kind=ActionKind.TOOL, name="t"), bearer=BOB))]
        await bearers.read(viewed(ANN), batch, anew=True)
        assert frozenset() == bearers.revoked
        await store.drop_grant("token:bb", b"")
        await bearers.read(viewed(ANN), batch, anew=False)
        assert frozenset() == bearers.revoked, "nobody said that anything has changed"
        await bearers.read(viewed(ANN), batch, anew=True)
        assert {"bb"} == bearers.revoked
        await bearers.read(viewed(ANN), [], anew=True)
        assert frozenset() == bearers.revoked
        await bearers.read(viewed(None), calls, anew=False)
        assert {"bb"} == bearers.revoked
        await bearers.read(viewed(ANN), [], anew=True)
        assert frozenset() == bearers.revoked
        await bearers.read(viewed(None), [], anew=True, beside=[BOB])
        assert {"bb"} == bearers.revoked

    run(work())
