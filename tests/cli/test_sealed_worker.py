"""The program of a sealed session's process: what it opens, and what it answers before that."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.sealed.frames import Frame, FrameLine, What
from holdfast.cli.sealed_worker import Hosted, open_manager, serve
from holdfast.core.errors import HoldfastError, InvalidInput, NotNow
from holdfast.core.settings import ModelSettings
from holdfast.ports.telemetry import NoTelemetry
from holdfast.runtime.codec import dump
from sessionhelp import run

FACTS = {"principal": "p", "tenant": "default", "idle_s": 1.5, "unsandboxed": True}


def facts(folder: Path, **more: object) -> dict[str, object]:
    """What a process is told."""
    places = {"store": str(folder / "s.db"), "installation_key": str(folder / "k" / "i.key")}
    return {**FACTS, **places, **more}


def test_it_opens_what_it_is_told(tmp_path: Path) -> None:
    """Store, keys, model, idle time; what is missing or of another type is refused."""

    async def work() -> None:
        model = dump(ModelSettings(provider="local", model="m", base_url="http://x/v1")).decode()
        async with open_manager(facts(tmp_path, model=model)) as manager:
            assert 1.5 == manager.idle_s
            assert type(manager.telemetry) is NoTelemetry
            assert (tmp_path / "s.db").exists() and (tmp_path / "k" / "i.key").exists()
        for wrong in ({"store": 1}, {"installation_key": None}, {"policy": 3}, {"model": "{"}):
            with pytest.raises(HoldfastError):
                open_manager(facts(tmp_path, **wrong))

    run(work())


def test_it_does_nothing_before_it_hosts_a_session(tmp_path: Path) -> None:
    """Everything but `open` and `create` is refused, and it hosts one session only."""

    async def work() -> None:
        hosted = Hosted()
        assert not await hosted.ended()
        for op in ("submit", "generate", "ask", "view", "history", "prompt", "approvals"):
            meta = {"op": op, "id": "00" * 16, "by": "p"}
            with pytest.raises((NotNow, HoldfastError)):
                await hosted.answer(Frame(1, What.REQUEST, meta, bytearray(b"cancel\n{}")))
        with pytest.raises(InvalidInput):
            await hosted.answer(Frame(1, What.REQUEST, {"op": 7}, bytearray()))
        wanted = {"op": "open", "session": "none", **facts(tmp_path)}
        with pytest.raises(HoldfastError):
            await hosted.answer(Frame(1, What.REQUEST, wanted, bytearray()))
        with pytest.raises(NotNow):
            await hosted.answer(Frame(1, What.REQUEST, wanted, bytearray()))
        await hosted.close()

    run(work())


def test_what_it_was_told_is_overwritten_and_it_ends_when_told() -> None:
    """A request's body is zeros once it was answered."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        line = FrameLine(ours)
        serving = asyncio.create_task(serve(FrameLine(theirs)))
        await line.send(1, What.REQUEST, {"op": "history"}, bytearray(b"kanarie"))
        answer = await line.receive()
        assert (1, What.REFUSAL, "not_now") == (answer.number, answer.what, answer.meta["reason"])
        await line.send(2, What.REQUEST, {"op": "close"})
        assert What.ANSWER is (await line.receive()).what
        await serving
        line.close()
        theirs.close()

    run(work())


def test_a_secluded_process_cannot_be_looked_into() -> None:
    """No core file; its memory is closed to others of the same user; it dies with its parent."""
    code = (
        "import ctypes, os, resource; from holdfast.cli.sealed_worker import seclude;"
        "seclude(os.getppid()); signal = ctypes.c_int(); libc = ctypes.CDLL(None);"
        "libc.prctl(2, ctypes.byref(signal), 0, 0, 0);"
        "print(resource.getrlimit(resource.RLIMIT_CORE), libc.prctl(3, 0, 0, 0, 0), signal.value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(0, 0) 0 9" == done.stdout.strip()
