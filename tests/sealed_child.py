"""Runs as a process of its own: brings words into a session, wipes it, and waits to be looked at.

Says one word a line: "working" while all is alive, "wiped" after the wipe; goes on when it
is told a line. The words are made in buffers and never are texts of this process, unless
the way says so.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

from holdfast.adapters.taints.host import WorkerTaintMatcher
from holdfast.bootstrap import SessionManager
from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.sealedsession import SealedSession
from sealedhelp import opened, secret_of


def wait(word: str, *more: object) -> None:
    """Say where this is, and go on when told."""
    print(word, *more, flush=True)
    sys.stdin.readline()


async def ask(session: Session, count: int) -> None:
    """Bring the words in by buffers that are overwritten."""
    assert isinstance(session, SealedSession)
    for number in range(count):
        secret = secret_of(number)
        prompt = bytearray(b"repeat ") + secret
        secret[:] = bytes(len(secret))
        answer = await session.ask(prompt)
        assert len(answer) > 48 and answer != bytes(len(answer))
        assert prompt == bytes(len(prompt))
        answer[:] = bytes(len(answer))


async def say(session: Session, count: int) -> None:
    """Bring the words in as texts, and read them back."""
    for number in range(count):
        await session.generate("repeat " + secret_of(number).decode())
    await session.history()


async def own(count: int) -> None:
    """Have the taint matcher look for the words, from buffers that are overwritten."""
    matcher = WorkerTaintMatcher()
    taints = [
        Taint(id=str(n), kind="word", level=Sensitivity.CRITICAL, value=secret_of(n))
        for n in range(count)
    ]
    await matcher.load("one", taints)
    assert () == await matcher.scan("one", "nothing of it")
    wait("working", matcher.pid)
    for taint in taints:
        taint.value[:] = bytes(len(taint.value))
    await matcher.forget("one")
    wait("wiped")


WAYS = {"ask": (ask, True), "say": (say, True), "plain": (say, False)}


async def main(folder: Path, url: str, way: str, count: int) -> None:
    """Live one session."""
    if way == "own":
        await own(count)
        return
    bring, sealed = WAYS[way]
    async with opened(folder, url) as sessions:
        session = await sessions.create_session("one", SessionConfig(sealed=sealed))
        await bring(session, count)
        wait("working", pid_of(sessions, session))
        await sessions.terminate_session("one")
        del session
        gc.collect()
        wait("wiped")


def pid_of(sessions: SessionManager, session: Session) -> int:
    """The process that hosts the session, or 0."""
    return sessions.sealed_pid(session.where) or 0


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
