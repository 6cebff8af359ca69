"""What runs in two processes on one file: an actor that follows the steps it is given.

Everything it does is one line in `<name>.log`; other actors and the test wait for such lines.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from crash_child import lines, note

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import Turn, call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import last_user, registry, tool


def speak(request: ModelRequest) -> Turn:
    """Hang, call the tool that sticks, or echo, as the user says."""
    word = last_user(request.messages)
    called = any(message.tool_uses for message in request.messages[-2:])
    if word == "hang":
        return hang("half")
    if word == "stick" and not called:
        return call("stick")
    return say(f"re: {word}")


class Actor:
    """One process's part; see the module."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.folder = Path(order["folder"])
        self.name = str(order["name"])
        self.steps: list[list[Any]] = order["steps"]
        self.tasks: list[asyncio.Task[None]] = []
        self.watchers: list[asyncio.Task[None]] = []

    def log(self, *words: object) -> None:
        """Write a line others may wait for."""
        note(self.folder / f"{self.name}.log", " ".join(map(str, words)))

    async def act(self) -> None:
        """Follow the steps."""
        (self.folder / "store").mkdir(exist_ok=True)

        async def stick() -> str:
            note(self.folder / "ledger", f"stick {self.name}")
            await asyncio.Event().wait()
            return "never"

        self.sessions = SessionManager.open(
            self.folder / "store" / "s.db",
            llm_client=ScriptedModel(iter(lambda: speak, None)),
            tool_executor=registry(tool(stick, nature=Nature.ONCE)),
            installation_key=self.folder / "installation.key",
        )
        async with self.sessions:
            self.log("open")
            for step in self.steps:
                await self._step(*step)
            for watcher in self.watchers:
                watcher.cancel()

    async def _step(self, do: str, *given: Any) -> None:
        found = getattr(self, f"_do_{do}", None)
        if found is not None:
            await found(*given)
            return
        # All other words are methods of the session.
        try:
            self.log(do, "->", await getattr(self.session, do)(*given))
        except HoldfastError as error:
            self.log(do, "!", error.reason)

    async def _do_create(self, id: str = "one") -> None:
        config = SessionConfig(unsafe_auto_approve=True)
        self.session: Session = await self.sessions.create_session(id, config)
        self.log("created", id)

    async def _do_get(self, id: str = "one") -> None:
        self.session = await self.sessions.get_session(id)

    async def _do_generate(self, text: str, policy: str | None = None) -> None:
        try:
            answer = await self.session.generate(text, policy=policy)
            self.log("generate", text, "->", answer.text)
        except HoldfastError as error:
            self.log("generate", text, "!", error.reason)

    async def _do_begin(self, text: str, policy: str | None = None) -> None:
        self.tasks.append(asyncio.create_task(self._do_generate(text, policy)))

    async def _do_join(self) -> None:
        await asyncio.gather(*self.tasks)

    async def _do_until(self, name: str, line: str) -> None:
        while line not in lines(self.folder / f"{name}.log"):
            await asyncio.sleep(0.005)

    async def _do_reached(self, state: str) -> None:
        while (await self.session.state()).title != state:
            await asyncio.sleep(0.005)
        self.log("reached", state)

    async def _do_ask(self) -> None:
        """Wait for a question."""
        while not await self.session.questions():
            await asyncio.sleep(0.005)
        self.log("asked")

    async def _do_reply(self, decision: str) -> None:
        question = (await self.session.questions())[0]
        await self.session.answer(question.id, decision)
        self.log("replied", decision)

    async def _do_lead(self, count: int) -> None:
        """Try to lead many sessions at once; say which were got."""
        got = []
        for number in range(count):
            where = await self.sessions.locate(f"s{number}")
            try:
                await self.sessions.engine(where)
                got.append(number)
            except HoldfastError as error:
                assert "lease_held" == error.reason, error
            await asyncio.sleep(0)
        self.log("got", *got)

    async def _do_watch(self, after: int) -> None:
        async def watch() -> None:
            async for event in self.session.subscribe_events(after):
                if not event.live:
                    note(self.folder / f"{self.name}.events", f"{event.version} {event.type}")

        self.watchers.append(asyncio.create_task(watch()))
        await asyncio.sleep(0)

    async def _do_seen(self, kind: str, times: int = 1) -> None:
        """Wait until the watcher has seen so many events of a kind."""
        path = self.folder / f"{self.name}.events"
        while sum(line.endswith(f" {kind}") for line in lines(path)) < times:
            await asyncio.sleep(0.005)
        self.log("seen", kind)

    async def _do_say(self, *words: str) -> None:
        self.log(*words)

    async def _do_die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def act(order: dict[str, Any]) -> int:
    """Act; returns the exit status."""
    asyncio.run(Actor(order).act())
    return 0
