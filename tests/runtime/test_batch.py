"""A batch: what several letters come to, told once all is durable."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.commands import Pause
from holdfast.core.decide import Decision
from holdfast.core.errors import Busy
from holdfast.core.events import Admitted, EffectEnded, Outcome, Paused, Refused
from holdfast.core.messages import assistant, user
from holdfast.core.view import SessionView
from holdfast.ports.store import PendingKind
from holdfast.runtime.batch import Batch
from holdfast.runtime.host import Handled, Mail


def test_what_is_decided_is_told_at_the_end() -> None:
    """Nobody is answered before `tell`; then everybody is, once."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        good = Mail(command=Pause(), future=loop.create_future(), id=b"i" * 16, digest=b"d", seq=3)
        bad = Mail(command=Pause(), future=loop.create_future(), id=b"j" * 16, digest=b"d", seq=4)
        batch = Batch(SessionView(version=7), 1)
        batch.take(Decision((Paused(),), SessionView(version=8)), 5)
        batch.mark_done(good)
        batch.answers.append((good, Handled(8, 8)))
        batch.refuse(bad, Busy("x"))
        batch.refusals.append((bad, Busy("x")))
        assert not good.future.done() and not bad.future.done()
        batch.tell()
        assert Handled(8, 8) == await good.future
        with pytest.raises(Busy):
            await bad.future
        assert [(PendingKind.COMMAND, b"i" * 16), (PendingKind.COMMAND, b"j" * 16)] == batch.settled
        assert [b"i" * 16, b"j" * 16] == [one.id for one in batch.done]
        event, _ = batch.events[-1]
        assert isinstance(event, Refused)
        assert ("busy", (b"j" * 16).hex()) == (event.reason, event.command)
        assert 9 == batch.view.version

    asyncio.run(work())


def test_only_what_grows_may_not_use_the_reserve() -> None:
    """Outcomes and pauses are urgent; a batch with a new message is not."""
    batch = Batch(SessionView(version=1), 1)
    batch.events.append((Paused(), 0))
    ended = EffectEnded(
        cause=1, ordinal=0, effect="model", outcome=Outcome.DONE, message=assistant("x")
    )
    batch.take(Decision((ended,), SessionView(version=2)), 0)
    assert batch.urgent
    assert {2: assistant("x")} == batch.fresh
    batch.events.append((Admitted(message=user("x"), tokens=1), 0))
    assert not batch.urgent


def test_nothing_is_recorded_once_the_wipe_has_begun() -> None:
    """A queued command is refused without an event: the key may be gone already."""

    async def work() -> None:
        future = asyncio.get_running_loop().create_future()
        mail = Mail(command=Pause(), future=future, id=b"i" * 16, digest=b"d", seq=3)
        batch = Batch(SessionView(version=7, wiping=True), 1)
        batch.refuse(mail, Busy("x"))
        assert ([], []) == (batch.events, batch.done)
        assert [(PendingKind.COMMAND, b"i" * 16)] == batch.settled
        future.cancel()

    asyncio.run(work())


def test_drafted_messages_have_their_versions() -> None:
    """What was decided in this batch can be counted before it is durable."""
    batch = Batch(SessionView(version=7), 1)
    one, two = Admitted(message=user("x"), tokens=1), Admitted(message=user("y"), tokens=1)
    batch.take(Decision((one, Paused(), two), SessionView(version=10)), 0)
    assert [(8, "x"), (10, "y")] == [(e.version, e.message.text) for e in batch.entries()]
