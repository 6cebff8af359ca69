"""The process that hosts one sealed session (decision 0026).

Rules
- It is this very program over the same store: one loop, one gate, every guard. It leads
  one session and gives no other's key to anybody.
- It ends when its session has been wiped, by whomever; with its line; and with the thread
  that started it, by the kernel. It leaves no core file, and no other process of its user may
  look into it.
- Nothing it says goes anywhere but over its line: it has no output and no log.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from holdfast.adapters.sealed.frames import Frame, FrameLine, What, wipe
from holdfast.adapters.sealed.host import CLOSE
from holdfast.bootstrap import SessionManager
from holdfast.core.commands import External
from holdfast.core.errors import HoldfastError, InvalidInput, NotNow
from holdfast.core.events import Opened
from holdfast.core.lifecycle import SessionState
from holdfast.core.network import NetworkPolicy
from holdfast.core.settings import ModelSettings
from holdfast.ports.telemetry import NoTelemetry
from holdfast.runtime import sealedforms as forms
from holdfast.runtime.codec import decode_command, dump, encode_view, expected_by, load
from holdfast.runtime.handle import Session
from holdfast.runtime.stream import StreamEvent

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
LOOK_S = 1.0
READERS_MAX = 1000

Said = tuple[dict[str, object], bytearray]
NOTHING: Mapping[str, object] = {}


def seclude(parent: int) -> None:
    """Die with the parent; leave no core file; let no other process look in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)


def _text(meta: Mapping[str, object], name: str) -> str:
    found = meta.get(name)
    if not isinstance(found, str):
        raise InvalidInput(f"{name} is text")
    return found


def _maybe(meta: Mapping[str, object], name: str) -> str | None:
    return None if meta.get(name) is None else _text(meta, name)


def open_manager(meta: Mapping[str, object]) -> SessionManager:
    """Make the manager that the facts of `bootstrap` describe; it is not opened yet."""
    model, idle = _maybe(meta, "model"), meta.get("idle_s")
    network, outgoing = _maybe(meta, "network"), _maybe(meta, "model_network")
    manager = SessionManager.open(
        _text(meta, "store"),
        installation_key=_text(meta, "installation_key"),
        passphrase=_maybe(meta, "passphrase"),
        unsandboxed=meta.get("unsandboxed") is True,
        idle_s=float(idle) if isinstance(idle, (int, float)) else 30.0,
        policy=_maybe(meta, "policy"),
        network=load(NetworkPolicy, network) if network else None,
        model_network=load(NetworkPolicy, outgoing) if outgoing else None,
    )
    manager.telemetry = NoTelemetry()  # nobody else is told what is only ever here
    if model:
        manager.use_default_model(load(ModelSettings, model))
    return manager


class Hosted:
    """One session and what is asked of it."""

    def __init__(self) -> None:
        self._manager: SessionManager | None = None
        self._session: Session | None = None
        self._readers: dict[int, AsyncIterator[StreamEvent]] = {}
        self._count = 0
        self.over = asyncio.Event()
        self._ops: dict[str, Callable[[Mapping[str, object], bytearray], Awaitable[Said]]] = {
            "open": self._open,
            "create": self._create,
            "submit": self._submit,
            "generate": self._generate,
            "ask": self._ask,
            "view": self._view,
            "facts": self._facts,
            "history": self._history,
            "prompt": self._prompt,
            "approvals": self._approvals,
            "follow": self._follow,
            "next": self._next,
            "leave": self._leave,
            "resting": self._resting,
            "terminate": self._terminate,
        }

    async def answer(self, frame: Frame) -> Said:
        """Do what a request asks for.

        Raises:
            HoldfastError: it is refused.
        """
        op = self._ops.get(str(frame.meta.get("op")))
        if op is None:
            raise InvalidInput("that is not asked of a sealed session's process")
        return await op(frame.meta, frame.body)

    @property
    def session(self) -> Session:
        """The session.

        Raises:
            NotNow: there is none yet.
        """
        if self._session is None:
            raise NotNow("this process hosts no session yet")
        return self._session

    # --- which session ---------------------------------------------------------------

    async def _ready(self, meta: Mapping[str, object]) -> SessionManager:
        if self._manager is not None:
            raise NotNow("this process hosts a session already")
        manager = self._manager = open_manager(meta)
        manager.hosting = 0  # none yet
        manager.principal = _text(meta, "principal")
        manager.tenant = _text(meta, "tenant")
        await manager.ready()
        return manager

    async def _open(self, meta: Mapping[str, object], body: bytearray) -> Said:
        manager = await self._ready(meta)
        where = await manager.locate(_text(meta, "session"))
        where.backend.keys.host(where.stream)
        manager.hosting = where.stream
        self._session = await manager.get_session(_text(meta, "session"))
        # Where another process leads it, commands go to that by way of the store.
        await manager.lead_if_free(where)
        return {}, bytearray()

    async def _create(self, meta: Mapping[str, object], body: bytearray) -> Said:
        manager = await self._ready(meta)
        session = await manager.open_hosted(forms.read(Opened, body))
        manager.hosting = session.where.stream
        self._session = session
        return {}, bytearray()

    async def ended(self) -> bool:
        """Whether the session has been wiped, by whomever."""
        if self._session is None:
            return False
        where = self._session.where
        row = await where.backend.store.stream_row(where.stream)
        return row is None or row.index.state == int(SessionState.TERMINATED)

    # --- talking ---------------------------------------------------------------------

    async def _submit(self, meta: Mapping[str, object], body: bytearray) -> Said:
        payload = bytes(body)
        command: External = decode_command(payload)
        id = bytes.fromhex(_text(meta, "id"))
        session = self.session.if_version(expected_by(payload))
        handled = await session.submit(command, id=id, by=_text(meta, "by"))
        told: dict[str, object] = {
            "first": handled.first,
            "last": handled.last,
            "turn": handled.turn,
            "twice": handled.duplicate,
        }
        return told, bytearray()

    async def _generate(self, meta: Mapping[str, object], body: bytearray) -> Said:
        result = await self.session.generate(
            body.decode(),
            command_id=bytes.fromhex(_text(meta, "id")),
            policy=_maybe(meta, "policy"),
            by=_maybe(meta, "by"),
        )
        return {}, forms.result_body(result)

    async def _ask(self, meta: Mapping[str, object], body: bytearray) -> Said:
        try:
            prompt = body.decode()
        except ValueError:
            raise InvalidInput("a prompt is in UTF-8") from None
        id = bytes.fromhex(_text(meta, "id"))
        result = await self.session.generate(prompt, command_id=id, by=_maybe(meta, "by"))
        return {}, bytearray(result.text.encode())

    async def _follow(self, meta: Mapping[str, object], body: bytearray) -> Said:
        if len(self._readers) >= READERS_MAX:
            raise NotNow(f"at most {READERS_MAX} readers of one session")
        answers = meta.get("answers") is True
        if meta.get("sends") is True:
            reader = self.session.stream(
                body.decode(),
                command_id=bytes.fromhex(_text(meta, "id")),
                policy=_maybe(meta, "policy"),
                by=_maybe(meta, "by"),
                answers=answers,
            )
        else:
            since = meta.get("from")
            start = since if isinstance(since, int) else None
            reader = self.session.subscribe_events(start, answers=answers, by=_maybe(meta, "by"))
        self._count += 1
        self._readers[self._count] = reader
        return {"reader": self._count}, bytearray()

    def _reader(self, meta: Mapping[str, object]) -> int:
        number = meta.get("reader")
        if not isinstance(number, int) or number not in self._readers:
            raise NotNow("there is no such reader here any more")
        return number

    async def _next(self, meta: Mapping[str, object], body: bytearray) -> Said:
        number = self._reader(meta)
        try:
            event = await anext(self._readers[number], None)
        except BaseException:
            self._readers.pop(number, None)
            raise
        if event is None:
            self._readers.pop(number, None)
            return {"over": True}, bytearray()
        return {"over": False}, forms.event_body(event)

    async def _leave(self, meta: Mapping[str, object], body: bytearray) -> Said:
        reader = self._readers.pop(self._reader(meta))
        close = getattr(reader, "aclose", None)
        if close is not None:
            with suppress(RuntimeError):  # it is being read just now, and ends with that
                await close()
        return {}, bytearray()

    # --- reading ---------------------------------------------------------------------

    async def _view(self, meta: Mapping[str, object], body: bytearray) -> Said:
        return {}, bytearray(encode_view(await self.session.view()))

    async def _facts(self, meta: Mapping[str, object], body: bytearray) -> Said:
        view = await self.session.facts(by=_maybe(meta, "by"))
        return {}, bytearray(encode_view(view))

    async def _history(self, meta: Mapping[str, object], body: bytearray) -> Said:
        messages = await self.session.history(by=_maybe(meta, "by"))
        found = forms.History(messages=tuple(messages))
        return {}, bytearray(dump(found))

    async def _prompt(self, meta: Mapping[str, object], body: bytearray) -> Said:
        prompt = await self.session.system_prompt(by=_maybe(meta, "by"))
        return {}, bytearray(prompt.encode())

    async def _approvals(self, meta: Mapping[str, object], body: bytearray) -> Said:
        asked = await self.session.approvals(by=_maybe(meta, "by"))
        found = forms.Asked(approvals=tuple(asked))
        return {}, bytearray(dump(found))

    async def _resting(self, meta: Mapping[str, object], body: bytearray) -> Said:
        assert self._manager is not None, "it hosts a session"
        busy = self._readers or self._manager.live(self.session.where.stream) is not None
        return {"resting": not busy}, bytearray()

    # --- the end -----------------------------------------------------------------------

    async def _terminate(self, meta: Mapping[str, object], body: bytearray) -> Said:
        keep = meta.get("keep")
        names = [str(one) for one in keep] if isinstance(keep, list) else []
        manager, reason = self._manager, _text(meta, "reason")
        assert manager is not None, "it hosts a session"
        how = manager.destroy_session if meta.get("tombstone") else manager.terminate_session
        version = meta.get("if_version")
        at = version if isinstance(version, int) else None
        receipt = await how(self.session.id, keep=names, reason=reason, if_version=at)
        await self.close()
        self.over.set()
        return {}, bytearray(dump(receipt))

    async def close(self) -> None:
        """Let go of the session and close the store; no session is ended."""
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.close()


async def _answer(hosted: Hosted, line: FrameLine, frame: Frame) -> None:
    try:
        try:
            meta, body = await hosted.answer(frame)
            what = What.ANSWER
        except HoldfastError as error:
            what, meta, body = What.REFUSAL, forms.error_meta(error), bytearray()
        except (ValueError, TypeError, AssertionError) as error:
            refused = InvalidInput(f"the request cannot be read: {type(error).__name__}")
            what, meta, body = What.REFUSAL, forms.error_meta(refused), bytearray()
        finally:
            wipe(frame.body)
        try:
            await line.send(frame.number, what, meta, body)
        finally:
            wipe(body)
    except OSError:
        hosted.over.set()  # nobody is there any more


async def _watch(hosted: Hosted) -> None:
    """End this process once its session has been wiped."""
    while True:
        await asyncio.sleep(LOOK_S)
        with suppress(HoldfastError):
            if await hosted.ended():
                hosted.over.set()
                return


async def serve(line: FrameLine) -> None:
    """Answer what is asked until the line is cut, or there is nothing more to host."""
    hosted, tasks = Hosted(), set[asyncio.Task[None]]()
    watching = asyncio.create_task(_watch(hosted))
    ending = asyncio.create_task(hosted.over.wait())
    hears: asyncio.Future[Frame] = asyncio.ensure_future(line.receive())
    try:
        while True:
            events: set[asyncio.Future[Any]] = {hears, ending}
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
            if not hears.done():
                if tasks:  # what was asked last is still being answered
                    await asyncio.wait(tasks, timeout=LOOK_S)
                return
            frame = hears.result()
            if frame.meta.get("op") == CLOSE:
                await hosted.close()
                await line.send(frame.number, What.ANSWER, NOTHING)
                return
            task = asyncio.create_task(_answer(hosted, line, frame))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            hears = asyncio.ensure_future(line.receive())
    except (EOFError, OSError, ValueError):
        os._exit(1)  # whoever started it is gone, and so is all that is here
    finally:
        watching.cancel()
        ending.cancel()


async def _serve(fd: int) -> None:
    with socket.socket(fileno=fd) as theirs:
        await serve(FrameLine(theirs))


def main() -> None:
    """Host a session over the line whose descriptor is the last argument, after the parent's id."""
    seclude(int(sys.argv[-2]))
    with suppress(BaseException):
        asyncio.run(_serve(int(sys.argv[-1])))
    os._exit(0)


if __name__ == "__main__":
    main()
