"""Isolation: what one session holds apart from all others, and how it is wiped (seed A9).

Each session has its own key, its own log, its own registry of values and its own
buffers; nothing here reads one with another's. A wipe is a termination: see
`endings` for its order and what its receipt is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.core.auditing import Severity, Vector
from holdfast.core.errors import HoldfastError, InvalidInput, SessionNotFound
from holdfast.core.labels import Sensitivity
from holdfast.core.pseudonyms import name_of
from holdfast.runtime.audit import all_streams
from holdfast.runtime.config import WipeReceipt
from holdfast.runtime.endings import Endings
from holdfast.runtime.handle import Session
from holdfast.runtime.tainting import stored_taints

WIPE_ALL = "wipe all sessions"
"""What has to be said for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A value that is followed in a session, without the value.

    Args:
        fingerprint: its digest under the session's own key.
        pseudonym: what a model that may not see it is told instead.
    """

    fingerprint: str
    kind: str
    level: Sensitivity
    pseudonym: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeReport:
    """What wiping all sessions came to.

    Args:
        wiped: a receipt of each session that was wiped by itself; what lay below one
            is named in its receipt.
        failed: each session that is not wiped, with the reason.
    """

    wiped: tuple[WipeReceipt, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no session is left."""
        return not self.failed


class SessionIsolation:
    """The sessions of an installation, each by itself.

    Args:
        sessions: the manager.
    """

    def __init__(self, sessions: Endings) -> None:
        self._sessions = sessions

    async def registry(self, session_id: str) -> tuple[Followed, ...]:
        """What is followed in a session, the most sensitive first; never the values.

        Raises:
            SessionNotFound: there is no such session, or it was wiped.
        """
        where = (await self._there(session_id)).where
        found = await stored_taints(where.backend.journal(where.row))
        for one in found:
            one.value[:] = bytes(len(one.value))
        return tuple(
            Followed(
                fingerprint=one.id,
                kind=one.kind,
                level=one.level,
                pseudonym=name_of(one.id, one.kind),
            )
            for one in sorted(found, key=lambda one: (-one.level, one.kind, one.id))
        )

    async def wipe_session(
        self, session_id: str, *, keep: Sequence[str] = (), reason: str = ""
    ) -> WipeReceipt:
        """Terminate a session with the wipe; the same as `terminate_session`.

        Raises:
            SessionNotFound: there is no such session.
        """
        await self._there(session_id)
        return await self._sessions.terminate_session(session_id, keep=keep, reason=reason)

    async def _there(self, session_id: str) -> Session:
        """The session; asking for one that is gone is told to the audit bus (vector 21)."""
        try:
            return await self._sessions.get_session(session_id)
        except SessionNotFound as error:
            self._sessions.incident(
                Severity.WARNING, Vector.SESSION, "session_gone", error.reason, session_id
            )
            raise

    async def wipe_all(self, *, confirm: str, reason: str = "") -> WipeReport:
        """Terminate every session of the tenant in every store (seed A9).

        One that cannot be wiped now, because another process leads it or its log is
        damaged, is named in the report, and the others are wiped all the same.

        Args:
            confirm: has to be "wipe all sessions".

        Raises:
            InvalidInput: it was not confirmed; nothing was done.
        """
        if confirm != WIPE_ALL:
            raise InvalidInput(f"nothing was wiped: confirm has to be {WIPE_ALL!r}")
        wiped: list[WipeReceipt] = []
        failed: list[tuple[str, str]] = []
        done: set[str] = set()
        for name in await self._names():
            if name.casefold() in done:
                continue
            try:
                receipt = await self._sessions.terminate_session(name, reason=reason)
            except HoldfastError as error:
                failed.append((name, error.reason))
                continue
            wiped.append(receipt)
            done |= {one.casefold() for one in (name, *receipt.erased)}
        left = tuple((name, why) for name, why in failed if name.casefold() not in done)
        return WipeReport(wiped=tuple(wiped), failed=left)

    async def _names(self) -> list[str]:
        """All sessions of the tenant, those that stand below another last."""
        names = [
            (bool(row.index.parent), row.name)
            for _, backend in self._sessions.distinct_backends()
            async for row in all_streams(backend)
            if row.name and row.tenant == self._sessions.tenant
        ]
        return [name for _, name in sorted(names, key=lambda one: one[0])]
