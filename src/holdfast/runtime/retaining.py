"""Sessions that are wiped because an operator wrote so, and never otherwise.

Without a rule a session that nobody uses only rests (contract 1.3). Section `[retention]`
of the policy file, or its variables, says after how many days without use one is wiped.

Rules
- Nothing has happened in it for so long: no event at all, of anybody.
- Not idle is a session with a turn that has not ended, paused or not, with an open
  approval, or with a command that waits; nor is one below which something stands that is
  not idle.
- What stands below a session goes before it, the lowest first, and each only as it was
  looked at: who begins to use one of them, or adds one, keeps it and all above it.
- A rule that changed holds once the manager is opened again.
- A clock that was set since the last look is believed at the next one, if it goes on from
  there; nothing is wiped by it before.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from holdfast.core.auditing import Severity, Vector
from holdfast.core.errors import (
    ChainBroken,
    HoldfastError,
    KeyDestroyed,
    ScopeDenied,
    SessionNotFound,
    Unreadable,
    VersionMismatch,
)
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import ENDED, SessionState
from holdfast.core.principals import Principal
from holdfast.ports.store import Filter, StreamRow
from holdfast.runtime.backend import Backend
from holdfast.runtime.config import WipeReceipt
from holdfast.runtime.configuration import DAY_S, of_section
from holdfast.runtime.tenancy import Tenancy

_log = logging.getLogger("holdfast")

FIRST_LOOK_S = 60.0
"""How long a manager is open before it looks for the first time, in seconds."""
LOOK_S = 3_600.0
LEAP_S = 600.0
"""By how much a clock may go otherwise than time does between two looks, in seconds."""
PAGE = 500
REASON = "retention"
_MAY_REST = frozenset(
    int(state)
    for state in SessionState
    if state not in (SessionState.CREATING, SessionState.PROCESSING, *ENDED)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """After how long without use a session is wiped; 0 is never.

    Args:
        idle_days: for every session.
        sensitive_idle_days: for those that hold something Sensitive or above; the
            shorter of the two holds for them.
    """

    idle_days: int = 0
    sensitive_idle_days: int = 0

    def limit_ms(self, level: int) -> int:
        """How long a session of a level may rest, in milliseconds; 0 for ever."""
        days = [self.idle_days]
        if level >= int(Sensitivity.SENSITIVE):
            days.append(self.sensitive_idle_days)
        return min((one for one in days if one), default=0) * DAY_S * 1000

    @property
    def least_ms(self) -> int:
        """How long every session may rest, in milliseconds."""
        return self.limit_ms(Sensitivity.CRITICAL)

    def __bool__(self) -> bool:
        return bool(self.idle_days or self.sensitive_idle_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSession:
    """A session whose time has come.

    Args:
        idle_ms: for how long nothing has happened in it.
        days: what the rule says.
        version: of the session; it is wiped only as it was looked at.
    """

    workspace: str
    session_id: str
    version: int
    idle_ms: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """What applying the rule came to.

    Args:
        due: the sessions whose time had come.
        wiped: a receipt of each that was wiped.
        failed: each that was not, with the reason.
    """

    due: tuple[DueSession, ...] = ()
    wiped: tuple[WipeReceipt, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class Retaining(Tenancy):
    """Applies the operator's rule."""

    @property
    def retention(self) -> Retention:
        """The rule that environment and policy file say.

        Raises:
            InvalidInput: a value is out of bounds.
        """
        file = None if self.policy is None else self.policy.serving
        values = of_section(file, os.environ, "retention")
        return Retention(**{name: int(str(value)) for name, value in values.items()})

    def start_watching(self) -> None:
        """Begin to watch, and to wipe what a rule says."""
        super().start_watching()
        if self.retention:
            self._watchers.append(asyncio.create_task(self._retain()))

    async def _retain(self) -> None:
        wait_s = FIRST_LOOK_S
        while not self._closing:
            before_s = self.clock.now_ms() / 1000 - self.clock.monotonic()
            await self.clock.sleep(wait_s)
            wait_s = LOOK_S
            if abs(self.clock.now_ms() / 1000 - self.clock.monotonic() - before_s) > LEAP_S:
                self._not_wiped("clock_set")
                continue
            try:
                await self.apply_retention()
            except HoldfastError as error:
                self._not_wiped(error.reason)

    async def apply_retention(self, *, dry_run: bool = False) -> RetentionReport:
        """Wipe the sessions of all workspaces whose time has come, with what is below them.

        One that cannot be wiped now is named, and the others are wiped all the same.

        Args:
            dry_run: only say which.

        Raises:
            ScopeDenied: a token's view of the manager asks.
            HoldfastError: the store cannot be read.
        """
        if self.acts is not None:
            raise ScopeDenied("a retention rule is the installation's own")
        await self.ready()
        due: list[DueSession] = []
        wiped: list[WipeReceipt] = []
        failed: list[tuple[str, str]] = []
        rule = self.retention
        for _, backend in self.distinct_backends() if rule else ():
            async for family in self._due(backend, rule):
                due += family
                for one in () if dry_run else family:
                    try:
                        wiped.append(await self._wipe(one))
                    except (SessionNotFound, VersionMismatch):
                        continue  # somebody else was first: wiped it, or used it
                    except HoldfastError as error:
                        failed.append((one.session_id, error.reason))
                        self._not_wiped(error.reason, one.session_id)
        if wiped:
            _log.info("retention: %d sessions wiped", len(wiped))
        return RetentionReport(due=tuple(due), wiped=tuple(wiped), failed=tuple(failed))

    async def _wipe(self, one: DueSession) -> WipeReceipt:
        """Wipe one session, if it stands as it was looked at and nothing is below it any more.

        Raises:
            VersionMismatch: it was used, or something is below it, a new fork perhaps.
        """
        view = self.acting_as(Principal(id=REASON, workspace=one.workspace))
        where = await view.locate(one.session_id)
        if await view._named_below(where):
            raise VersionMismatch("something stands below the session")
        return await view.terminate_session(one.session_id, reason=REASON, if_version=one.version)

    def _not_wiped(self, reason: str, session: str = "") -> None:
        self.incident(Severity.HIGH, Vector.SESSION, "retention_failed", reason, session)

    async def _due(self, backend: Backend, rule: Retention) -> AsyncIterator[list[DueSession]]:
        """The sessions that are due, each once, what is below one before it."""
        before_ms = self.clock.now_ms() - rule.least_ms
        wanted = Filter(states=_MAY_REST, updated_before_ms=before_ms, limit=PAGE)
        looked: dict[int, bool] = {}
        async for listed in backend.rows(wanted):
            if listed.stream in looked or self._idle_ms(listed, rule) is None:
                continue
            row = await backend.store.stream_row(listed.stream)
            if row is not None and (found := await self._resting(backend, row, rule, looked)):
                yield found

    async def _resting(
        self, backend: Backend, top: StreamRow, rule: Retention, looked: dict[int, bool]
    ) -> list[DueSession]:
        """Those of a session and all below it that rest, what is below one before it.

        Args:
            looked: whether it rests, of each that was looked at; these are left out.
        """
        family, above, used = [(backend, top)], dict[int, int](), set[int]()
        for _, row in family:  # it grows
            for _, other in self.distinct_backends():
                wanted = Filter(tenant=row.tenant, parent=row.stream, limit=PAGE)
                async for below in other.rows(wanted):
                    if below.name is not None and below.stream not in looked:
                        above[below.stream] = row.stream
                        family.append((other, below))
                    elif not looked.get(below.stream, True):
                        used.add(row.stream)
        found: list[DueSession] = []
        for holder, row in reversed(family):
            one = None if row.stream in used else await self._rested(holder, row, rule)
            looked[row.stream] = one is not None
            if one is not None:
                found.append(one)
            elif row.stream in above:
                used.add(above[row.stream])
        return found

    async def _rested(self, backend: Backend, row: StreamRow, rule: Retention) -> DueSession | None:
        """A session as it stands, if its own time has come."""
        idle_ms = self._idle_ms(row, rule)
        if idle_ms is None or row.name is None or not await self._rests(backend, row):
            return None
        return DueSession(
            workspace=row.tenant,
            session_id=row.name,
            version=row.version,
            idle_ms=idle_ms,
            days=rule.limit_ms(row.index.sensitivity) // (DAY_S * 1000),
        )

    async def _rests(self, backend: Backend, row: StreamRow) -> bool:
        """Whether nothing waits in a session and no turn of it has yet to end."""
        if await backend.store.pending(row.stream, limit=1):
            return False
        try:
            view = (await backend.load(row)).view
        except (ChainBroken, KeyDestroyed, Unreadable):
            return True  # nothing can go on there
        return view.turn is None

    def _idle_ms(self, row: StreamRow, rule: Retention) -> int | None:
        """For how long nothing happened in a session, if it is longer than it may be."""
        limit_ms = rule.limit_ms(row.index.sensitivity)
        if row.name is None or not limit_ms or row.index.state not in _MAY_REST:
            return None
        idle_ms = self.clock.now_ms() - row.index.updated_ms
        return idle_ms if idle_ms >= limit_ms else None
