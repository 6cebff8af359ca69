"""What the cases of the store's contract are made with."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from holdfast.core.errors import (
    HoldfastError,
)
from holdfast.ports.store import (
    Append,
    CommandDone,
    Lease,
    PendingKind,
    PendingRow,
    SealedEvent,
    Store,
    StreamRow,
)

E = TypeVar("E", bound=HoldfastError)
WAIT_S = 10.0
"""How long a case waits for what must come at once, in seconds."""


class Harness(Protocol):
    """Opens the adapter under test; all openings of one harness share their data."""

    async def open(self) -> Store:
        """Open the store on the harness's data, as the first node."""
        ...

    async def open_second(self) -> Store:
        """Open the same data as another process would: another node."""
        ...

    async def kill(self, store: Store) -> None:
        """End a node without a word: it neither finishes work nor gives leases up."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """One rule of the contract.

    Args:
        name: the rule's short name, usable as a test id.
        run: raises `AssertionError` if the adapter breaks the rule.
    """

    name: str
    run: Callable[[Harness], Awaitable[None]]


class Cases:
    """A list of cases that is filled by decorating functions."""

    def __init__(self) -> None:
        self._cases: list[Case] = []

    def __call__(self, function: Callable[[Harness, Store], Awaitable[None]]) -> None:
        """Add a case; it gets the harness and a first opening, closed afterwards."""

        async def run(harness: Harness) -> None:
            store = await harness.open()
            try:
                await function(harness, store)
            finally:
                await store.aclose()

        self._cases.append(Case(function.__name__.strip("_"), run))

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases)


# --- makers


def event(version: int, *, epoch: int = 1, body: bytes = b"sealed", kind: int = 1) -> SealedEvent:
    """Make an event; its hash depends on all of it."""
    head = hashlib.sha256(b"%d %d %d " % (version, epoch, kind) + body).digest()
    return SealedEvent(
        version=version,
        kind=kind,
        time_ms=1_000 + version,
        actor=77,
        key_id=1,
        epoch=epoch,
        body=body,
        hash=head,
    )


def append(stream: int, at: int, count: int = 1, *, epoch: int = 1, **more: Any) -> Append:
    """Make an append of `count` events after version `at`."""
    body = b"stream %d" % stream
    events = tuple(event(at + 1 + step, epoch=epoch, body=body) for step in range(count))
    return Append(stream=stream, expected_version=at, epoch=epoch, events=events, **more)


async def create(store: Store, stream: int, **more: Any) -> Lease:
    """Create a session of one event, in tenant "t", named after its number."""
    name = more.pop("name", f"session-{stream}")
    tenant, owner = more.pop("tenant", "t"), more.pop("owner", 1)
    first = append(stream, 0, **more)
    return await store.create_stream(name=name, tenant=tenant, owner=owner, first=first)


async def refused(kind: type[E], attempt: Awaitable[object]) -> E:
    """Return the error an attempt must fail with.

    Raises:
        AssertionError: it succeeded, or failed with another error.
    """
    try:
        await attempt
    except kind as error:
        if type(error) is not kind:
            raise AssertionError(f"{kind.__name__} expected, not {error!r}") from error
        return error
    raise AssertionError(f"{kind.__name__} expected, but it succeeded")


async def row_of(store: Store, stream: int) -> StreamRow:
    """Read a session's row, which must be there."""
    row = await store.stream_row(stream)
    assert row is not None, f"there is no session {stream}"
    return row


async def versions_of(store: Store, stream: int) -> list[int]:
    """Read the versions of a session's events."""
    return [found.version for found in await store.read(stream)]


def command_row(id: bytes, digest: bytes = b"d", stream: int = 1) -> PendingRow:
    """Make a waiting command."""
    return PendingRow(
        stream=stream, kind=PendingKind.COMMAND, id=id, digest=digest, payload=b"p" + id
    )


def done_with(id: bytes, digest: bytes = b"d") -> tuple[CommandDone, ...]:
    """Make what marks one command as carried out."""
    return (CommandDone(id=id, digest=digest),)
