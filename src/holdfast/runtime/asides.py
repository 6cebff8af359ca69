"""Calls beside the turn: judged by the gate, with intent and outcome in the log.

The embedding program's own calls are such (`host_calls`), and the quarantined model
calls of extractions (`extracting`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from holdfast.core.commands import Command, HostCall, HostEnded
from holdfast.core.events import Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.principals import Bearer
from holdfast.core.view import OpenEffect, SessionView
from holdfast.runtime.host import Handled, Mail

T = TypeVar("T")


class Leads(Protocol):
    """The engine as it is asked for such a call."""

    view: SessionView

    async def submit(self, command: Command, *, actor: int = 0) -> Handled:
        """Have a command carried out."""

    def report(self, command: Command) -> None:
        """Take a report."""

    def post(self, mail: Mail) -> None:
        """Take a letter."""


async def begin(engine: Leads, command: HostCall, actor: int) -> OpenEffect:
    """Have a call judged; returns its durable intent.

    Raises:
        Denied: the gate refused.
    """
    submitted = asyncio.ensure_future(engine.submit(command, actor=actor))
    try:
        handled = await asyncio.shield(submitted)
    except asyncio.CancelledError:
        submitted.add_done_callback(lambda done: _never(engine, done))
        raise
    ref = EffectRef(handled.first, 1)
    return next(effect for effect in engine.view.host_open if effect.ref == ref)


def _never(engine: Leads, submitted: asyncio.Future[Handled]) -> None:
    """End a call whose caller was cancelled while its intent was on its way."""
    if not submitted.cancelled() and submitted.exception() is None:
        ref = EffectRef(submitted.result().first, 1)
        engine.report(HostEnded(ref=ref, outcome=Outcome.CANCELLED, reason="cancelled", ran=False))


async def end(engine: Leads, ended: HostEnded) -> None:
    """Record the outcome even while the caller is being cancelled or the store is busy."""
    mail = Mail(command=ended, internal=True)
    engine.post(mail)
    await asyncio.shield(mail.future)


class Asides:
    """The calls beside the turn that run in one session now.

    Args:
        within: has what happens within it belong to a call, for telemetry.
    """

    def __init__(self, within: Callable[[EffectRef], AbstractContextManager[None]]) -> None:
        self._within = within
        self._running: dict[EffectRef, tuple[asyncio.Future[Any], Bearer | None]] = {}

    def __bool__(self) -> bool:
        """Whether any runs."""
        return bool(self._running)

    @property
    def tasks(self) -> list[asyncio.Future[Any]]:
        """All of them."""
        return [task for task, _ in self._running.values()]

    @property
    def bearers(self) -> list[Bearer]:
        """The tokens for which some run."""
        return [bearer for _, bearer in self._running.values() if bearer is not None]

    @contextmanager
    def running(
        self, ref: EffectRef, work: Coroutine[Any, Any, T], bearer: Bearer | None = None
    ) -> Iterator[asyncio.Task[T]]:
        """Run a call; it is cancelled with the session, and when its token is revoked."""
        with self._within(ref):
            task = asyncio.create_task(work)
        self._running[ref] = task, bearer
        try:
            yield task
        finally:
            self._running.pop(ref, None)

    def stop(self, revoked: frozenset[str], *, whole: bool) -> None:
        """Cancel what may not go on.

        Args:
            revoked: the tokens that were revoked.
            whole: the session's work is over: all of them.
        """
        for task, bearer in self._running.values():
            if whole or (bearer is not None and bearer.token in revoked):
                task.cancel()
