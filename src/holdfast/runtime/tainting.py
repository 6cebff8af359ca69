"""The taint registry of one session: what is sensitive enough to be followed (seed A7).

A value that is at least `Sensitive` is registered by itself. It is kept as a row of
the store, sealed under the session's key and written in the append of the event that
brought it; it is gone with the wipe. This process keeps keyed fingerprints; the
values are with the matcher, which tells places and never values.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from holdfast.core.errors import KeyDestroyed, Unavailable, Unreadable
from holdfast.core.events import Event
from holdfast.core.findings import Finding, TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.pseudonyms import Pseudonyms
from holdfast.ports.store import GrantChange, counter_of, session_scope
from holdfast.ports.taints import Taint, TaintMatcher
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.journal import Journal

TAINTS_MAX = 10_000
VALUE_CHARS_MAX = 16_384
"""A longer value is registered in pieces of this size."""

_PURPOSE = "taint"
_log = logging.getLogger("holdfast")


def taint_scope(stream: int) -> str:
    """The scope of the store that a session's taints are kept under; erased with it."""
    return counter_of(session_scope(stream), "taint")


@dataclass(slots=True)
class Found:
    """A value that a detector found, before it is registered."""

    kind: str
    level: Sensitivity
    value: str = field(repr=False)


class Taints:
    """What one engine knows of its session's taints.

    Attributes:
        ids: fingerprints of all that are registered, durable or about to be.
        lost: some rows could not be read, so that nothing can be vouched for.
        forgotten: they were dropped, and nothing is found any more.
        highest: the level of the most sensitive of them.
        vault: their pseudonyms.
    """

    def __init__(self, journal: Journal, matcher: TaintMatcher) -> None:
        self.ids: set[str] = set()
        self.lost = False
        self.forgotten = False
        self.highest = Sensitivity.PUBLIC
        self.vault = Pseudonyms()
        self._journal = journal
        self._matcher = matcher
        self._fresh: dict[str, Taint] = {}
        self._noted: dict[str, Taint] = {}
        self._together: dict[str, list[str]] = {}
        self._durable: list[Taint] = []
        self._read = False
        self._learned = False
        self._held = 0
        self._order = asyncio.Lock()

    @property
    def session(self) -> str:
        """The name under which the matcher keeps this session's values."""
        return f"{self._journal.stream:016x}"

    @property
    def _crypto(self) -> Crypto:
        crypto = self._journal.crypto
        if crypto is None:  # a reader may come too late
            raise KeyDestroyed("the session was wiped")
        return crypto

    def fingerprint(self, kind: str, value: str) -> str:
        """The keyed digest a value is known by."""
        return fingerprint(self._crypto, kind, value)

    def note(self, found: Iterable[Found], *, keep: bool = True) -> list[tuple[str, str, bool]]:
        """Register values; returns (kind, fingerprint, whether it is new) of each.

        Args:
            keep: False only counts them.
        """
        noted = []
        fresh: list[str] = []
        seen: set[str] = set()
        for one in _pieces(found):
            id = self.fingerprint(one.kind, one.value)
            # What no event has brought yet is new: the one that did may have been refused.
            new = id not in seen and not self._kept(id)
            seen.add(id)
            if new and keep and (id in self.ids or len(self.ids) < TAINTS_MAX):
                self._noted.pop(id, None)
                if id not in self._fresh:
                    self._fresh[id] = self._made(id, one)
                fresh.append(id)
            noted.append((one.kind, id, new))
        if fresh:
            self._together[fresh[0]] = fresh
        return noted

    def spelled(self, kind: str, written: str) -> str:
        """What stands for one spelling of a value, hex."""
        digest = self._crypto.digest
        return digest(b"spelled", kind.encode(), written.encode("utf-8", "replace")).hex()

    def places(
        self, text: str, findings: Iterable[Finding], above: Sensitivity
    ) -> list[TaintMatch]:
        """Where detectors found what is above a level, as places of followed values are told."""
        return [
            TaintMatch(
                id=self.spelled(one.kind, text[one.start : one.end]),
                kind=one.kind,
                level=one.level,
                start=one.start,
                end=one.end,
            )
            for one in findings
            if one.level > above
        ]

    def _kept(self, id: str) -> bool:
        """Whether a value has its row."""
        return id in self.ids and id not in self._fresh and id not in self._noted

    def note_here(self, found: Iterable[Found]) -> None:
        """Register values of a text that is kept elsewhere: it is looked at by every engine."""
        for one in _pieces(found):
            id = self.fingerprint(one.kind, one.value)
            if id not in self.ids and len(self.ids) < TAINTS_MAX:
                self._noted[id] = self._made(id, one)

    def _made(self, id: str, found: Found) -> Taint:
        data = bytearray(found.value[:VALUE_CHARS_MAX].encode("utf-8", "replace"))
        taint = Taint(id=id, kind=found.kind, level=found.level, value=data)
        self._learn(taint)
        return taint

    def _learn(self, taint: Taint) -> None:
        self.ids.add(taint.id)
        self.highest = max(self.highest, taint.level)
        self.vault.learn(taint.id, taint.kind, taint.level, taint.value)

    @property
    def key(self) -> bytes:
        """What hashes of values are made with."""
        return self._crypto.digest(b"redaction")

    def rows(self, events: Iterable[Event]) -> tuple[GrantChange, ...]:
        """The rows that go with the events which brought new values; `written` follows."""
        crypto = self._journal.crypto
        if not self._fresh or crypto is None:
            return ()
        scope = taint_scope(self._journal.stream)
        rows = []
        for id in dict.fromkeys(self._brought(events)):
            taint = self._fresh.get(id)
            if taint is None:
                continue
            rows.append(_row(crypto, scope, taint))
        return tuple(rows)

    def written(self, events: Iterable[Event]) -> None:
        """The events are durable, and their rows with them."""
        for id in self._brought(events):
            taint = self._fresh.pop(id, None)
            if taint is not None:
                self._durable.append(taint)
            self._together.pop(id, None)

    def _brought(self, events: Iterable[Event]) -> Iterator[str]:
        """Fingerprints of what these events brought; an event names only the first few."""
        for event in events:
            inspected = getattr(event, "found", None)
            for id in inspected.values[:1] if inspected is not None else ():
                yield from tuple(self._together.get(id, (id,)))

    async def scan(self, text: str) -> tuple[TaintMatch, ...]:
        """Find registered values in a text, plain or encoded.

        Raises:
            Unavailable: it cannot be told; the text is to be taken for tainted.
        """
        await self.ready()
        if not self.ids:
            return ()
        try:
            return await self._matcher.scan(self.session, text)
        except Unavailable:  # it was started anew, or has to be: once more with all values
            self._read = False
            await self.ready()
            return await self._matcher.scan(self.session, text)

    async def ready(self) -> None:
        """See to it that all values are known here and to the matcher.

        Raises:
            Unavailable: some cannot be read, or the matcher does not answer.
        """
        if self._read and not self.ids and not self.lost:
            return
        await self._load()
        if self.lost:
            raise Unavailable("the session's registered values cannot be read")

    async def learned(self) -> None:
        """See to it that all that is registered is known here; the matcher is not asked."""
        async with self._order:
            if not self._learned:
                for taint in await self._stored():
                    taint.value[:] = bytes(len(taint.value))

    async def _load(self) -> None:
        async with self._order:
            if self._read and await self._matcher.known(self.session) < self._held:
                self._read = False  # the matcher was started anew
            taints: list[Taint] = []
            if not self._read:
                taints += await self._stored()
            taints += [*self._noted.values(), *self._durable, *self._fresh.values()]
            if taints:
                await self._matcher.load(self.session, taints)
                self._held = await self._matcher.known(self.session)
            for taint in self._durable:
                taint.value[:] = bytes(len(taint.value))
            self._durable.clear()
            self._read = True

    async def _stored(self) -> list[Taint]:
        try:
            taints = await stored_taints(self._journal)
        except Unreadable as error:
            self.lost = True
            _log.warning("a registered value cannot be read: %s", error.message)
            return []
        self._learned = True
        for taint in taints:
            self._learn(taint)
        return taints

    async def forget(self) -> None:
        """Drop everything; on return the matcher holds none of it any more."""
        self.forgotten = True
        for taint in (*self._fresh.values(), *self._noted.values(), *self._durable):
            taint.value[:] = bytes(len(taint.value))
        self._fresh.clear()
        self._noted.clear()
        self._together.clear()
        self._durable.clear()
        self.vault.clear()
        self.highest = Sensitivity.PUBLIC
        self.ids.clear()
        await self._matcher.forget(self.session)


def _pieces(found: Iterable[Found]) -> Iterator[Found]:
    """Values, the longest of them in pieces."""
    for one in found:
        for start in range(0, max(1, len(one.value)), VALUE_CHARS_MAX):
            yield Found(one.kind, one.level, one.value[start : start + VALUE_CHARS_MAX])


def fingerprint(crypto: Crypto, kind: str, value: str) -> str:
    """The keyed digest of a value, hex; how a number is spelled does not matter.

    All else counts as it is written: `j.doe@` and `jdoe@` are two people.
    """
    plain = "".join(char for char in value if char.isalnum())
    if not plain.isdigit():
        plain = value.casefold() if "@" in value else value
    return crypto.digest(b"taint", kind.encode(), plain.encode("utf-8", "replace")).hex()


async def stored_taints(journal: Journal) -> list[Taint]:
    """The values that are registered for a session; none of one that was wiped.

    Raises:
        Unreadable: a row is not what was written.
    """
    crypto = journal.crypto
    if crypto is None:
        return []
    scope = taint_scope(journal.stream)
    _, rows = await journal.store.grants(scope)
    return [
        _taint(row.id.hex(), crypto.open_box(_PURPOSE, (scope, row.id.hex()), row.body))
        for row in rows
    ]


def inherited(taints: Iterable[Taint], crypto: Crypto, stream: int) -> tuple[GrantChange, ...]:
    """The rows of a fork or a child for the values of where it comes from."""
    scope = taint_scope(stream)
    rows = []
    for taint in taints:
        id = fingerprint(crypto, taint.kind, taint.value.decode("utf-8", "replace"))
        rows.append(_row(crypto, scope, replace(taint, id=id)))
        taint.value[:] = bytes(len(taint.value))
    return tuple(rows)


def _row(crypto: Crypto, scope: str, taint: Taint) -> GrantChange:
    text = f"{int(taint.level)}\n{taint.kind}\n".encode() + bytes(taint.value)
    body = crypto.seal_box(_PURPOSE, (scope, taint.id), text)
    return GrantChange(scope=scope, id=bytes.fromhex(taint.id), body=body)


def _taint(id: str, text: bytes) -> Taint:
    level, _, rest = text.partition(b"\n")
    kind, _, value = rest.partition(b"\n")
    try:
        found = Sensitivity(int(level))
    except ValueError:
        raise Unreadable("a registered value's row is malformed") from None
    return Taint(id=id, kind=kind.decode(), level=found, value=bytearray(value))
