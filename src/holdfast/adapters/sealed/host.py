"""The process of a sealed session, as the one that started it sees it.

- It is started by `python -I`, in a session of its own, with a socket pair. Nothing of a
  session stands in its arguments; its environment is that of the runtime, since the keys
  of models are named by it.
- It ends with the thread that started it, and with its line: whichever the kernel or it
  notices first.
- One that has ended is reaped; what waits for its answers is told.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from holdfast.adapters.sealed.frames import FrameLine, What, wipe
from holdfast.core.errors import Unavailable
from holdfast.ports.sealed import HostEnded, Reply

CLOSE = "close"
END_S_MAX = 15.0
_ROOT = str(Path(__file__).resolve().parents[3])


class SealedWorker:
    """Implements `ports.sealed.SealedProcess`. Made by `WorkerLauncher`."""

    def __init__(self, program: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            start = (
                f"import sys; sys.path.insert(0, sys.argv[1]);from {program} import main; main()"
            )
            me = str(os.getpid())
            command = [sys.executable, "-I", "-c", start, _ROOT, me, str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                name = type(error).__name__
                raise Unavailable(f"a sealed session's process cannot be started: {name}") from None
        self._line = FrameLine(ours)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._over = False
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def over(self) -> bool:
        """Whether it has ended, or cannot be spoken to any more."""
        return self._over

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._asked)

    async def ask(
        self, op: str, meta: Mapping[str, object], body: bytearray | None = None
    ) -> Reply:
        """Send a request and await its answer; who leaves early leaves the answer unread.

        Raises:
            HostEnded: the process has ended.
            TooLarge: the request is over the limit; nothing was sent.
        """
        if self._over:
            raise HostEnded
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            # A frame is sent whole or the line is useless, so leaving does not stop it.
            sending = asyncio.ensure_future(
                self._line.send(number, What.REQUEST, {**meta, "op": op}, body)
            )
            await asyncio.shield(sending)
            return await answer
        except OSError:
            raise HostEnded from None
        finally:
            self._asked.pop(number, None)

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._line.receive()
                answer = self._asked.get(frame.number)
                if answer is None or answer.done():
                    wipe(frame.body)
                    continue
                refused = frame.what is What.REFUSAL
                answer.set_result(Reply(meta=frame.meta, body=frame.body, refused=refused))
        except (EOFError, OSError, ValueError):
            pass
        finally:
            self._cut()

    def _cut(self) -> None:
        """Nothing more can be asked; the process is told so by the line, and by force."""
        self._over = True
        self._line.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(HostEnded())
                answer.exception()  # nobody may be waiting; that is no warning
        if self._process.poll() is None and not self._ending:
            self._process.kill()

    _ending = False

    async def gone(self) -> None:
        """Wait until the process has ended by itself; one that does not is killed."""
        self._ending = True
        try:
            await asyncio.to_thread(self._process.wait, END_S_MAX)
        except subprocess.TimeoutExpired:
            pass
        finally:
            await asyncio.shield(asyncio.ensure_future(self._kill()))

    async def _kill(self) -> None:
        self._reader.cancel()
        await asyncio.wait({self._reader})
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    async def end(self) -> None:
        """Tell it to let go of its session and end, and wait until it is gone."""
        self._ending = True
        try:
            async with asyncio.timeout(END_S_MAX):
                await self.ask(CLOSE, {})
        except (HostEnded, TimeoutError):
            pass
        await self.gone()


class WorkerLauncher:
    """Implements `ports.sealed.SealedLauncher`.

    Args:
        program: the module whose `main` is the process.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    async def start(self) -> SealedWorker:
        """Start a process; it hosts nothing yet.

        Raises:
            Unavailable: it cannot be started.
        """
        return SealedWorker(self._program)
