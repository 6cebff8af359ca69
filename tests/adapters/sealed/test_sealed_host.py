"""The process of a sealed session, as the one that started it sees it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from holdfast.adapters.sealed.host import WorkerLauncher
from holdfast.ports.sealed import HostEnded
from sealedhelp import alive, run


def arguments(pid: int) -> bytes:
    """How a process was started; nothing of one that is not there, not even as a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


PROGRAM = "holdfast.cli.sealed_worker"


def test_it_answers_refuses_and_ends_when_told() -> None:
    """Many requests at once; nothing of them is in its arguments; it is reaped."""

    async def work() -> None:
        process = await WorkerLauncher(PROGRAM).start()
        replies = await asyncio.gather(*(process.ask("view", {"x": "kanarie"}) for _ in range(50)))
        assert all(one.refused and "not_now" == one.meta["reason"] for one in replies)
        unknown = await process.ask("what is this", {}, bytearray(b"x"))
        assert unknown.refused and "invalid_input" == unknown.meta["reason"]
        assert b"kanarie" not in arguments(process.pid)
        await process.end()
        assert process.over and b"" == arguments(process.pid)
        with pytest.raises(HostEnded):
            await process.ask("view", {})

    run(work())


def test_whoever_waits_is_told_when_it_dies() -> None:
    """Killed from outside while it is asked; one that was never asked is reaped as well."""

    async def work() -> None:
        process = await WorkerLauncher(PROGRAM).start()
        await process.ask("view", {})
        os.kill(process.pid, signal.SIGSTOP)
        waiting = asyncio.create_task(process.ask("view", {}))
        await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(HostEnded):
            await waiting
        await process.gone()
        assert not alive(process.pid) and 0 == process.waiting
        nothing = await WorkerLauncher("holdfast.no_such_program").start()
        with pytest.raises(HostEnded):
            await nothing.ask("view", {})
        await nothing.end()
        assert not alive(nothing.pid)

    run(work())
