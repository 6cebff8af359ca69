"""What tests of sealed sessions share: a store, a provider on loopback, a look into memory."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from ahocorasick_rs import BytesAhoCorasick

from holdfast.bootstrap import SessionManager
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import ScriptItem
from sessionhelp import answer_last

LIMIT_S = 120.0
"""Processes are started that load a provider's library; on a busy machine that takes long."""

SEALED = SessionConfig(sealed=True)
NEEDLE_BYTES = 24
LETTERS = b"abcdefghijklmnop"


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; a hang is a failure, not a stuck suite."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await work

    asyncio.run(limited())


def settings_of(url: str) -> ModelSettings:
    """A model behind a loopback server."""
    return ModelSettings(
        provider="local", model="m", base_url=f"{url}/v1", input_usd="0", output_usd="0"
    )


@asynccontextmanager
async def provider(script: Iterable[ScriptItem] | None = None) -> AsyncIterator[ProviderServer]:
    """A provider on loopback; by default it repeats what the user said."""
    async with ProviderServer(itertools.repeat(answer_last) if script is None else script) as found:
        yield found


def opened(folder: Path, url: str, **options: Any) -> SessionManager:
    """A manager over the store of a folder, with a model that another process can have."""
    return SessionManager.open(
        folder / "s.db",
        llm_client=settings_of(url),
        installation_key=folder / "keys" / "installation.key",
        **options,
    )


def secret_of(number: int) -> bytearray:
    """A word of 48 letters that stands nowhere else, made in a buffer and nowhere besides."""
    digest = hashlib.sha256(b"needle %d" % number).digest()
    word = bytearray(48)
    for at in range(24):
        word[2 * at] = LETTERS[digest[at] >> 4]
        word[2 * at + 1] = LETTERS[digest[at] & 15]
    return word


def found_in(pid: int, secrets: Sequence[bytes | bytearray]) -> set[int]:
    """Which secrets' middles stand in a process's writable memory, in UTF-8 or UTF-16."""
    needles = []
    for secret in secrets:
        first = (len(secret) - NEEDLE_BYTES) // 2
        middle = bytes(secret[first : first + NEEDLE_BYTES])
        needles += [middle, middle.decode().encode("utf-16-le")]
    automaton = BytesAhoCorasick(needles)
    found: set[int] = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for first, last in _writable(pid):
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(first)
                data = memory.read(last - first)
                found |= {match[0] // 2 for match in automaton.find_matches_as_indexes(data)}
    return found


def _writable(pid: int) -> list[tuple[int, int]]:
    maps = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *_ = line.split()
        if rights.startswith("rw"):
            first, _, last = span.partition("-")
            maps.append((int(first, 16), int(last, 16)))
    return maps


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
