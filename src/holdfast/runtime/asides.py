"""Calls beside the turn: judged by the gate, with intent and outcome in the log.

The embedding program's own calls are such (`host_calls`), and the quarantined model
calls of extractions (`extracting`).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from holdfast.core.commands import Command, HostCall, HostEnded
from holdfast.core.events import Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.view import OpenEffect, SessionView
from holdfast.runtime.host import Handled, Mail


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
    future: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
    engine.post(Mail(command=ended, future=future, internal=True))
    await asyncio.shield(future)
