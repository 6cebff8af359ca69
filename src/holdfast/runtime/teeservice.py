"""The manager's methods about the enclave (seeds A3, A4, A11)."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.auditing import Severity, Vector
from holdfast.core.commands import Pause
from holdfast.core.errors import HoldfastError
from holdfast.core.lifecycle import SessionState
from holdfast.runtime.auditviews import AuditViews
from holdfast.runtime.backend import Loaded
from holdfast.runtime.engine import Engine
from holdfast.runtime.host import Host
from holdfast.runtime.tee import TeeRuntime, TeeStatus

NO_TEE = TeeRuntime()
"""What a manager without an enclave has: it wants none and starts none."""


class TeeService(AuditViews):
    """Starts, tests and stops the enclave of an installation.

    Attributes:
        tee_runtime: the enclave, what is wanted of it and how it is; `bootstrap` sets it.
    """

    tee_runtime: TeeRuntime = NO_TEE

    async def close(self) -> None:
        """Stop leading sessions, close the stores, and end the enclave; no session is ended."""
        await super().close()
        await self.tee_runtime.shutdown()

    def _host(self, loaded: Loaded) -> Host:
        return replace(super()._host(loaded), enclave_wanted=self.tee_runtime.configured)

    async def init_tee(self) -> TeeStatus:
        """Start or connect to the enclave, verify its evidence, make one round trip.

        `open` does it by itself where an enclave is configured.

        Raises:
            TeeUnavailable: it is required, and not there.
        """
        try:
            status = await self.tee_runtime.init()
        except HoldfastError as error:
            self._refused(error.reason)
            raise
        if self.tee_runtime.configured and not self.tee_runtime.ready:
            self._refused("tee_unavailable")
        return status

    def _refused(self, reason: str) -> None:
        self.incident(Severity.HIGH, Vector.ENCLAVE, "enclave_refused", reason)

    def is_tee_enabled(self) -> bool:
        """Whether an enclave is configured and has passed its self-test."""
        return self.tee_runtime.ready

    async def shutdown_tee(self) -> list[str]:
        """Park what runs in the enclave, and clear its keys and what was read by its sessions.

        Sessions with a call in the enclave are paused; `resume_session` goes on with them.
        The vaults and taint buffers of this process are overwritten and loaded again when
        they are needed. No data key is destroyed and no session ends.

        Returns: the ids of the sessions that were paused.
        """
        parked = []
        for stream, engine in tuple(self._engines.items()):
            if engine.lost is None and _in_enclave(engine) and await self._park(stream, engine):
                parked.append(engine.view.session_id)
        await self.tee_runtime.shutdown()
        for stream, engine in tuple(self._engines.items()):
            resting = engine.idle or engine.view.state is SessionState.PAUSED
            if engine.view.tee_active and resting:
                async with self._lock(stream):
                    if self._engines.get(stream) is engine:
                        del self._engines[stream]
                        await engine.stop()
                        await engine.workers.content.forget()
        await self._around.detectors.taints.aclose()
        return sorted(parked)

    async def _park(self, stream: int, engine: Engine) -> bool:
        try:
            await self.submit(await self.locate(engine.view.session_id), Pause())
        except HoldfastError:
            return False  # it ended, or somebody else leads it by now
        return engine.view.state is SessionState.PAUSED


def _in_enclave(engine: Engine) -> bool:
    return any(effect.enclave for effect in engine.view.open)
