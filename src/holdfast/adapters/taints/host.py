"""A matcher in a process of its own: what was registered is gone when that has ended.

- One process for all sessions, started when first needed, by `python -I`.
- `forget` ends it and waits until it is gone; so are other sessions' values, which
  their callers load again. Until they have, `scan` and `reach` of such a session
  raise `Unavailable`: a session that had values is never taken for one without.
- A process that dies or does not answer in time is ended; the call that saw it
  raises `Unavailable`, the next one starts another.
- The process also ends with the thread that started it, and with its line.
- Values go over a socket pair, from buffers that are overwritten afterwards; nothing
  of them is in arguments, environment, logs or errors.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from holdfast.adapters.taints.frames import (
    FRAME_BYTES_MAX,
    HEADER,
    Ask,
    Told,
    load_request,
    read_answer,
    request,
    to_matches,
)
from holdfast.core.errors import TooLarge, Unavailable
from holdfast.core.findings import TaintMatch
from holdfast.ports.taints import Taint

ANSWER_SECONDS_MAX = 10.0
BUILD_SECONDS_PER_VALUE = 0.001  # what a scan may take more, for it may have to build
EXIT_SECONDS_MAX = 10.0
LINGER_MS = 1
RECEIVED_BYTES = 64 * 1024
BUFFER_BYTES = 1024 * 1024
_ROOT = str(Path(__file__).resolve().parents[3])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from holdfast.adapters.taints.worker import main; main()"
)


class _Worker:
    """A running process and the line to it."""

    __slots__ = ("line", "process")

    def __init__(self) -> None:
        self.line, theirs = socket.socketpair()
        with theirs:
            for end in (self.line, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            command = [sys.executable, "-I", "-c", _START, _ROOT, str(theirs.fileno())]
            try:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                    cwd=os.sep,
                    start_new_session=True,
                )
            except OSError as error:
                self.line.close()
                raise Unavailable(
                    f"the taint matcher cannot be started: {type(error).__name__}"
                ) from None
        self.line.setblocking(False)

    def end(self) -> None:
        """Kill it and wait until it is gone; its memory is the kernel's again then."""
        self.line.close()
        self.process.kill()
        self.process.wait(EXIT_SECONDS_MAX)


class WorkerTaintMatcher:
    """Implements `ports.taints.TaintMatcher` with a process of its own.

    Args:
        answer_seconds_max: how long an answer may take before the process is ended; a
            millisecond is added for each value of the largest session.
    """

    def __init__(self, *, answer_seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        self._seconds = answer_seconds_max
        self._worker: _Worker | None = None
        self._turn = asyncio.Lock()
        self._asking = 0
        self._loaded: dict[str, int] = {}
        self._lost: set[str] = set()
        self._here: set[str] = set()

    @property
    def pid(self) -> int | None:
        """The process, if one is running."""
        return self._worker.process.pid if self._worker else None

    async def load(self, session: str, taints: Sequence[Taint]) -> None:
        """Add values to a session's; one that is known by its id is passed over.

        Raises:
            TooLarge: a value, or the number of all, is over its limit; none is added.
            Unavailable: the process does not answer.
        """
        frame = load_request(session, taints)
        self._here.add(session)
        try:
            count = _number(await self._ask(frame))
        finally:
            frame[:] = bytes(len(frame))
        if count >= self._loaded.get(session, 0):
            self._loaded[session] = count
            self._lost.discard(session)

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Find a session's values in a text, ordered by start.

        Raises:
            Unavailable: the process does not answer, or the session's values have to
                be loaded again.
        """
        if not self._has(session):
            return ()
        try:
            return to_matches(await self._ask(request(Ask.SCAN, session, text)))
        except (TypeError, ValueError):
            raise Unavailable("the taint matcher's answer is none") from None

    async def reach(self, session: str) -> int:
        """How many characters at a text's end may still become a match.

        Raises:
            Unavailable: as for `scan`.
        """
        return _number(await self._ask(request(Ask.REACH, session))) if self._has(session) else 0

    async def known(self, session: str) -> int:
        """How many values of a session are loaded; 0 after the process was ended."""
        if session not in self._loaded or self._worker is None:
            return 0
        return _number(await self._ask(request(Ask.KNOWN, session)))

    async def too_short(self, session: str) -> tuple[str, ...]:
        """The ids of a session's values that are too short to be looked for."""
        if not self._has(session):
            return ()
        found = await self._ask(request(Ask.TOO_SHORT, session))
        return tuple(map(str, found)) if isinstance(found, list) else ()

    async def forget(self, session: str) -> None:
        """Drop a session's values: the process has ended when this returns."""
        async with self._turn:
            self._loaded.pop(session, None)
            if session in self._here:
                await self._end()
            self._lost.discard(session)

    async def aclose(self) -> None:
        """Drop everything; the next call starts anew."""
        async with self._turn:
            self._loaded.clear()
            await self._end()
            self._lost.clear()

    def _has(self, session: str) -> bool:
        """Whether a session has values, all of them here."""
        if session in self._lost:
            raise Unavailable("the values to look for have to be loaded again")
        return session in self._loaded

    async def _ask(self, frame: bytearray) -> object:
        """Ask and await the answer, in turn; a caller who leaves does not leave it half said."""
        if len(frame) > FRAME_BYTES_MAX:
            raise Unavailable("that is more than the taint matcher takes at once")
        talk = _Talk(frame)
        if self._worker is not None and not self._asking and len(frame) < BUFFER_BYTES:
            talk.begin(self._worker.line)
            if talk.complete:
                return _content(talk)
        self._asking += 1
        task = asyncio.ensure_future(self._exchange(talk))
        task.add_done_callback(self._asked)
        return await asyncio.shield(task)

    def _asked(self, _task: asyncio.Task[object]) -> None:
        self._asking -= 1

    async def _exchange(self, talk: _Talk) -> object:
        building = BUILD_SECONDS_PER_VALUE * max(self._loaded.values(), default=0)
        async with self._turn:
            try:
                if self._worker is None:
                    self._worker = _Worker()
                async with asyncio.timeout(self._seconds + building):
                    await talk.go_on(self._worker.line)
                return _content(talk)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                await self._end()
                raise Unavailable(
                    f"the taint matcher does not answer: {type(error).__name__}"
                ) from None
            except asyncio.CancelledError:
                await self._end()  # the loop ends; an answer left unread would be the next one's
                raise

    async def _end(self) -> None:
        """End the process; every session that had values has lost them."""
        worker, self._worker = self._worker, None
        self._lost.update(self._loaded)
        self._here.clear()
        if worker is not None:
            await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(worker.end)))


class _Talk:
    """One request and its answer, as far as they have got."""

    __slots__ = ("_frame", "_got", "_sent")

    def __init__(self, frame: bytearray) -> None:
        self._frame = frame
        self._sent = -HEADER.size  # the header comes first
        self._got = bytearray()

    @property
    def complete(self) -> bool:
        """Whether all of the answer is there."""
        return len(self._got) >= HEADER.size and len(self._got) >= self._size()

    @property
    def answer(self) -> memoryview:
        """The answer without its header."""
        return memoryview(self._got)[HEADER.size :]

    def _size(self) -> int:
        (size,) = HEADER.unpack_from(self._got)
        if not 0 < size <= FRAME_BYTES_MAX:
            raise ValueError("an answer has a length")
        return HEADER.size + int(size)

    def begin(self, line: socket.socket) -> None:
        """Send what can be sent at once, and wait a moment for the answer, right here.

        Most come at once, and a turn of the loop would cost more than the wait, which
        is as long as a scan in this process would keep the loop. What fails here
        fails again in `go_on`.
        """
        with suppress(OSError):
            # At once: the other process would wake for the header alone.
            self._sent += line.sendmsg((HEADER.pack(len(self._frame)), self._frame))
            if self._sent == len(self._frame):
                waiting = select.poll()
                waiting.register(line, select.POLLIN)
                if waiting.poll(LINGER_MS):
                    self._got += line.recv(RECEIVED_BYTES)

    async def go_on(self, line: socket.socket) -> None:
        """Send the rest and await the rest."""
        loop = asyncio.get_running_loop()
        if self._sent < 0:
            await loop.sock_sendall(line, HEADER.pack(len(self._frame))[self._sent :])
            self._sent = 0
        if self._sent < len(self._frame):
            with memoryview(self._frame) as view:
                await loop.sock_sendall(line, view[self._sent :])
            self._sent = len(self._frame)
        while not self.complete:
            piece = await loop.sock_recv(line, RECEIVED_BYTES)
            if not piece:
                raise EOFError
            self._got += piece


def _content(talk: _Talk) -> object:
    told, content = read_answer(bytes(talk.answer))
    if told is Told.TOO_LARGE:
        raise TooLarge(str(content))
    if told is not Told.DONE:
        raise Unavailable(f"the taint matcher failed: {content}")
    return content


def _number(content: object) -> int:
    if not isinstance(content, int):
        raise Unavailable("the taint matcher's answer is none")
    return content
