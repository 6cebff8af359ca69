"""The store with weather: refused, unacknowledged, or the last thing a process did."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from holdfast.core.errors import LeaseHeld, StoreBusy
from holdfast.ports.store import Append, IndexRow, PendingKind, PendingRow, SealedEvent
from holdfast.testing.sim.disk import SimDisk, SimStore, Weather
from holdfast.testing.sim.loop import SimClock, VirtualLoop
from simhelp import randomness

STREAM = 7


class Shop:
    """A disk, one weather, and openings of it."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.disk = SimDisk()
        self.weather = Weather()
        self.crashes: list[str] = []
        self.born: list[int] = []

    def open(self, node: str) -> SimStore:
        """Open the disk once more."""
        return SimStore(
            self.disk,
            node,
            SimClock(self.loop, randomness()),
            random=randomness(),
            weather=self.weather,
            crash=self.crashes.append,
            born=self.born.append,
            grace_s=5.0,
        )

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run on virtual time."""
        return self.loop.run_until_complete(work)

    async def create(self, store: SimStore) -> None:
        """Create a session."""
        first = append(0, 1)
        await store.create_stream(name="s1", tenant="t", owner=0, first=first)


def append(expected: int, epoch: int) -> Append:
    """An append of one event."""
    body = bytes(12) + bytes([expected])
    event = SealedEvent(
        version=expected + 1,
        kind=1,
        time_ms=1,
        actor=0,
        key_id=1,
        epoch=epoch,
        body=body,
        hash=bytes([expected]) * 32,
    )
    return Append(
        stream=STREAM,
        expected_version=expected,
        epoch=epoch,
        events=(event,),
        index=IndexRow(state=1),
    )


def test_calm_weather_changes_nothing() -> None:
    """Births are told of, and what is acknowledged is noted."""
    shop = Shop()
    store = shop.open("one")
    shop.run(shop.create(store))
    assert [STREAM] == shop.born
    shop.run(store.append(append(1, 1)))
    assert {STREAM: 2} == shop.disk.acked
    assert 2 == len(shop.run(store.read(STREAM)))
    shop.loop.close()


def test_busy_keeps_nothing_and_a_lost_acknowledgement_keeps_all() -> None:
    """Both raise `StoreBusy`; only the disk tells them apart."""
    shop = Shop()
    store = shop.open("one")
    shop.run(shop.create(store))
    shop.weather.busy = 1.0
    with pytest.raises(StoreBusy, match="refused"):
        shop.run(store.append(append(1, 1)))
    assert 1 == len(shop.disk.streams[STREAM].events)
    shop.weather.calm()
    shop.weather.lost_ack = 1.0
    row = PendingRow(stream=STREAM, kind=PendingKind.COMMAND, id=bytes(16), payload=b"")
    with pytest.raises(StoreBusy, match="acknowledgement of submit"):
        shop.run(store.submit(row))
    assert 1 == len(shop.disk.pending)
    with pytest.raises(StoreBusy, match="acknowledgement of append"):
        shop.run(store.append(append(1, 1)))
    assert 2 == len(shop.disk.streams[STREAM].events)
    assert {} == shop.disk.acked
    other = shop.open("two")
    shop.run(other.read(STREAM, 1, 1))
    assert {} == shop.disk.acked, "somebody else's reading tells the writer nothing"
    shop.run(store.read(STREAM, 0, 1))
    assert {} == shop.disk.acked, "another row says nothing of its own"
    shop.run(store.read(STREAM, 1, 1))
    assert {STREAM: 2} == shop.disk.acked, "it has read its own last event back"
    shop.loop.close()


def test_a_crash_comes_before_the_write() -> None:
    """The process is killed first and nothing is kept of it."""
    shop = Shop()
    store = shop.open("one")
    shop.run(shop.create(store))
    shop.weather.crash = 1.0

    def die(when: str) -> None:
        shop.crashes.append(when)
        raise ConnectionAbortedError

    store._crash = die
    with pytest.raises(ConnectionAbortedError):
        shop.run(store.append(append(1, 1)))
    assert ["before append"] == shop.crashes
    assert 1 == len(shop.disk.streams[STREAM].events)
    shop.loop.close()


def test_slow_weather_takes_virtual_time() -> None:
    """A slow write ends later on the virtual clock."""
    shop = Shop()
    store = shop.open("one")
    shop.weather.slow = 1.0
    shop.run(shop.create(store))
    assert 0 < shop.loop.time() < 1
    shop.loop.close()


def test_the_leases_of_a_stolen_node_can_be_taken() -> None:
    """A living node keeps its sessions, unless it is believed to be dead."""
    shop = Shop()
    one, two = shop.open("one"), shop.open("two")
    shop.run(shop.create(one))
    with pytest.raises(LeaseHeld):
        shop.run(two.lease(STREAM))
    shop.disk.stolen.add(one.node)
    assert shop.disk.is_open(one.node) and not shop.disk.alive(one.node)
    lease = shop.run(two.lease(STREAM))
    assert (2, 5.0) == (lease.epoch, lease.grace_s)
    asyncio.set_event_loop(None)
    shop.loop.close()
