"""Runs as a process of its own: what tests of the SQLite store need another process for."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.core.errors import HoldfastError
from holdfast.ports.store import Take
from holdfast.testing.store_kit import append, create


def say(*words: object) -> None:
    """Write a line at once: a killed process flushes nothing."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def acknowledge(path: str, streams: int) -> None:
    """Append to many sessions for ever; say what was acknowledged."""
    store = await SqliteStore.open(path)
    if await store.counter("events") is None:
        await store.set_counter("events", None)

    async def run(stream: int) -> None:
        if await store.stream_row(stream) is None:
            await create(store, stream)
        lease = await store.lease(stream)
        version = lease.version
        take = (Take(counter="events", amount=1),)
        while True:
            await store.append(append(stream, version, epoch=lease.epoch, takes=take))
            version += 1
            say(stream, version)

    await asyncio.gather(*map(run, range(1, streams + 1)))


async def contend(path: str, base: int, seconds: float) -> None:
    """Append without pause for some time; say how many and the longest wait."""
    store = await SqliteStore.open(path)
    waits: list[float] = []
    for stream in range(base, base + 4):
        await create(store, stream)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    end = time.monotonic() + seconds

    async def run(stream: int) -> None:
        version = 1
        while time.monotonic() < end:
            started = time.monotonic()
            await store.append(append(stream, version))
            waits.append(time.monotonic() - started)
            version += 1

    await asyncio.gather(*map(run, range(base, base + 4)))
    await store.aclose()
    say(len(waits), max(waits))


async def spend(path: str, base: int, limit: int) -> None:
    """Make the same counter as another process does; say how many takes went through."""
    store = await SqliteStore.open(path)
    streams = range(base, base + 40)
    for stream in streams:
        await create(store, stream)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    take = (Take(counter="shared", amount=1, limit=limit),)
    attempts = [store.append(append(stream, 1, takes=take)) for stream in streams]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    await store.aclose()
    say(sum(isinstance(one, bytes) for one in results))


async def refused(path: str, user: int) -> None:
    """Open as another user; say the reason of the refusal."""
    if os.getuid() == 0:
        os.setgid(user)
        os.setuid(user)
    try:
        store = await SqliteStore.open(path)
    except HoldfastError as error:
        say(error.reason)
    else:
        await store.aclose()
        say("opened")


def grep(directory: str, *needles: str) -> None:
    """Say how often each hexadecimal needle is in the files of a directory."""
    text = [path.read_bytes() for path in Path(directory).iterdir() if path.is_file()]
    say(*(sum(one.count(bytes.fromhex(needle)) for one in text) for needle in needles))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["acknowledge", path, streams]:
            asyncio.run(acknowledge(path, int(streams)))
        case ["contend", path, base, seconds]:
            asyncio.run(contend(path, int(base), float(seconds)))
        case ["spend", path, base, limit]:
            asyncio.run(spend(path, int(base), int(limit)))
        case ["refused", path, user]:
            asyncio.run(refused(path, int(user)))
        case ["grep", directory, *needles]:
            grep(directory, *needles)
        case other:
            sys.exit(f"no such mode: {other}")
