"""The manager's checkpoints: when one is made by itself, and what a session's end needs.

Rules
- Before a wipe destroys anything, a checkpoint signs where the session's log stands;
  `WipeStarted` names it. After the end another one signs the end (contract 2.9).
- In between one is made when enough happened or enough time went by, and something
  changed at all.
- A place that is out of order, or too slow, holds up no wipe: the wipe goes on, names
  no checkpoint, and the trouble is logged. The next checkpoint covers what was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.core.auditing import Severity, Vector
from holdfast.core.checkpoints import Checkpoint
from holdfast.core.errors import Busy, ChainBroken, HoldfastError, InvalidInput
from holdfast.ports.checkpoints import CheckpointSink
from holdfast.runtime.audit_service import AuditService
from holdfast.runtime.backend import Loaded
from holdfast.runtime.checkpointing import Signer
from holdfast.runtime.host import Host

LOOK_S = 1.0
WAIT_S = 10.0
"""How long the end of a session waits for its checkpoint, in seconds."""
AGAIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where checkpoints are kept, and when one is made by itself.

    Args:
        to: the place; outside of the store's directory, best on another machine.
        every_events: as soon as so many events are not covered.
        every_s: as soon as something is not covered for so long, in seconds.

    Raises:
        InvalidInput: a number is not above 0.
    """

    to: CheckpointSink
    every_events: int = 10_000
    every_s: float = 3600.0

    def __post_init__(self) -> None:
        if not (self.every_events > 0 and self.every_s > 0):
            raise InvalidInput("every_events and every_s are above 0")


class CheckpointService(AuditService):
    """Signs where the logs of the manager's first store stand, where a plan is given."""

    _checkpoints: Checkpoints | None = None
    _signer: Signer | None = None

    async def checkpoint(self) -> Checkpoint | None:
        """Sign where every session stands that changed since the last checkpoint, and the tokens.

        Returns:
            the checkpoint, which is durable in its place; None if nothing changed.

        Raises:
            InvalidInput: the manager has no place for checkpoints.
            ChainBroken: the checkpoints there do not verify, or the store ends before
                what they signed.
            Unavailable, Busy: the place is out of order, or others keep signing.
        """
        await self.ready()
        return await self._checkpoint_signer().make()

    def _checkpoints_as_set(self, values: Mapping[str, object], sink: CheckpointSink) -> None:
        """Make checkpoints as the section `[audit]` of the policy file says.

        What the manager was given as an object goes before it.

        Args:
            values: of the section, by key.
            sink: the place it names.
        """
        every_events, every_s = values["every_events"], values["every_s"]
        assert isinstance(every_events, int) and isinstance(every_s, int), "they were checked"
        if self._checkpoints is None:
            self._checkpoints = Checkpoints(
                to=sink, every_events=every_events, every_s=float(every_s)
            )

    def start_watching(self) -> None:
        """Begin to watch, and to make checkpoints where a place is given."""
        super().start_watching()
        if self._checkpoints is not None:
            self._watchers.append(asyncio.create_task(self._keep_checkpoints(self._checkpoints)))

    def _checkpoint_signer(self) -> Signer:
        if self._checkpoints is None:
            raise InvalidInput("the manager has no place for checkpoints: give it one")
        if self._signer is None:
            _, backend = self.distinct_backends()[0]
            self._signer = Signer(backend, self._checkpoints.to)
        return self._signer

    def _host(self, loaded: Loaded) -> Host:
        host = super()._host(loaded)
        if self._checkpoints is None or host.store is not self.distinct_backends()[0][1].store:
            return host
        return replace(host, finalise=self._covering)

    async def _covering(self) -> int:
        """Make a checkpoint over all there is now; never fails and never takes long.

        Returns:
            the number of the checkpoint that covers it, or 0 if there is none.
        """
        making = asyncio.ensure_future(self._cover())
        timer = asyncio.ensure_future(self.clock.sleep(WAIT_S))
        try:
            await asyncio.wait({making, timer}, return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                return making.result()
            self._trouble("timed_out")
        except HoldfastError as error:
            self._trouble(error.reason)
        finally:
            making.cancel()
            timer.cancel()
        return 0

    def _trouble(self, reason: str) -> None:
        broken = reason == ChainBroken.reason
        severity = Severity.CRITICAL if broken else Severity.HIGH
        self.incident(severity, Vector.AUDIT, "checkpoint_failed", reason)

    async def _cover(self) -> int:
        signer = self._checkpoint_signer()
        made = await signer.make() or await signer.last()
        return made.number if made else 0

    async def _keep_checkpoints(self, plan: Checkpoints) -> None:
        """Make checkpoints as planned until the manager closes."""
        signer = self._checkpoint_signer()
        began_ms, every_ms = self.clock.now_ms(), plan.every_s * 1000
        while not self._closing:
            await self.clock.sleep(min(LOOK_S, plan.every_s))
            try:
                last = signer.known if signer.known else await signer.last()
                behind = await signer.behind()
                late = self.clock.now_ms() - (last.time_ms if last else began_ms) >= every_ms
                if behind >= plan.every_events or behind < 0 or (behind and late):
                    await signer.make()
            except Busy:
                continue
            except HoldfastError as error:
                self._trouble(error.reason)
                await self.clock.sleep(AGAIN_S)
