"""Reads every session's log on its own, with its own key, for judging.

It is told of each birth, so that it can read a session even after its wipe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.core.errors import HoldfastError
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.ports.keys import Keys
from holdfast.runtime.codec import decode_event
from holdfast.runtime.envelope import GENESIS, Crypto, chain_hash, header_of, open_clear
from holdfast.runtime.window import Bodies
from holdfast.testing.sim.disk import SimDisk
from holdfast.testing.sim.loop import SimClock


@dataclass(slots=True)
class Log:
    """One session as its log tells it. `views[v]` is the fold after version v."""

    stream: int
    session_id: str
    crypto: Crypto
    events: list[Recorded] = field(default_factory=list)
    views: list[SessionView] = field(default_factory=lambda: [SessionView()])
    head: bytes = GENESIS
    damage: str = ""

    @property
    def view(self) -> SessionView:
        """The fold of all that was read."""
        return self.views[-1]

    def of(self, kind: type) -> list[Recorded]:
        """All events of a kind."""
        return [recorded for recorded in self.events if isinstance(recorded.event, kind)]

    def bodies_at(self, version: int) -> Bodies:
        """The visible window after a version."""
        bodies = Bodies()
        for recorded in self.events[:version]:
            bodies.take(recorded, self.views[recorded.version].window)
        return bodies


class Observer:
    """All logs of a disk."""

    def __init__(self, disk: SimDisk, keys: Keys, clock: SimClock) -> None:
        self.logs: dict[int, Log] = {}
        self._disk = disk
        self._keys = keys
        self._clock = clock

    def born(self, stream: int) -> None:
        """A session was created: copy its key while it exists."""
        crypto = Crypto(self._keys.session_key(stream), self._clock.random_bytes)
        name = self._disk.streams[stream].row.name or ""
        self.logs[stream] = Log(stream, name, crypto)

    def read(self, stream: int) -> Log:
        """Read what is new of a session; `damage` says where that failed."""
        log = self.logs[stream]
        rows = self._disk.streams[stream].events
        for row in rows[len(log.events) :]:
            if log.damage:
                break
            header = header_of(stream, row)
            if row.version != len(log.events) + 1:
                log.damage = f"version {row.version} where {len(log.events) + 1} is due"
            elif chain_hash(log.head, header, row.body) != row.hash:
                log.damage = f"event {row.version} does not fit the chain"
            else:
                self._take(log, row.version, row.hash)
        return log

    def _take(self, log: Log, version: int, hash: bytes) -> None:
        row = self._disk.streams[log.stream].events[version - 1]
        header = header_of(log.stream, row)
        try:
            if row.key_id == 0:
                payload = open_clear(header, row.body, self._keys.audit_public_key)
            else:
                payload = log.crypto.open(header, row.body)
            event = decode_event(row.kind, payload)
        except HoldfastError as error:
            log.damage = f"event {version}: {error.message}"
            return
        recorded = Recorded(
            version=version, time_ms=row.time_ms, event=event, actor=row.actor, epoch=row.epoch
        )
        log.events.append(recorded)
        log.views.append(evolve(log.view, recorded))
        log.head = hash

    def all(self) -> Iterable[Log]:
        """Every log, read to its end, in order of birth."""
        return [self.read(stream) for stream in self.logs]

    def acked_of(self, session_id: str) -> int:
        """How much of a session's log its writer knows to be durable."""
        for stream, log in self.logs.items():
            if log.session_id == session_id:
                return self._disk.acked.get(stream, 1)
        return 0

    def length_of(self, session_id: str) -> int:
        """How long a session's log durably is."""
        for stream, log in self.logs.items():
            if log.session_id == session_id:
                return len(self._disk.streams[stream].events)
        return 0
