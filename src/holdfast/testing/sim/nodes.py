"""A node: a simulated process with a manager in it, on the shared disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import Command, ModelEnded, ToolEnded
from holdfast.core.errors import Unavailable
from holdfast.core.facts import Facts
from holdfast.core.gitstate import GitState
from holdfast.core.judge import Guard
from holdfast.core.settings import StorageType
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient
from holdfast.runtime.backend import Backend, Loaded
from holdfast.runtime.engine import Engine
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.host import Host
from holdfast.runtime.manager import Surroundings
from holdfast.runtime.service import SessionService
from holdfast.testing.sim.disk import SimStore
from holdfast.testing.sim.loop import Owner, SimClock, VirtualLoop
from holdfast.testing.sim.outside import SimModel, SimRegistry

Say = Callable[[str, str], None]
ASKED_TOOL = "fire"
"""Where a world asks people for approval, it asks about this tool."""


def ask_guard(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Ask a person before `ASKED_TOOL` runs."""
    if action.kind is ActionKind.TOOL and action.name == ASKED_TOOL:
        return Ask("sim", "asked", "may it?")
    return Allow()


class SimManager(SessionService):
    """A manager whose engines can be looked at, and whose workers may report twice."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        guards: tuple[tuple[str, Guard], ...],
        twice: Random | None,
    ) -> None:
        super().__init__(surroundings)
        self.engines: list[Engine] = []
        self._guards = guards
        self._twice = twice

    def adopt(self, loaded: Loaded) -> Engine:
        """Start an engine; in some worlds its reports come twice."""
        engine = super().adopt(loaded)
        self.engines.append(engine)
        if self._twice is not None:
            report = engine.report
            setattr(engine, "report", _twice(report, self._twice))  # noqa: B010 - a method, on purpose
        return engine

    def _host(self, loaded: Loaded) -> Host:
        host = super()._host(loaded)
        return replace(host, guards=(*host.guards, *self._guards)) if self._guards else host


def _twice(report: Callable[[Command], None], random: Random) -> Callable[[Command], None]:
    def again(command: Command) -> None:
        if isinstance(command, (ModelEnded, ToolEnded)):
            loop = asyncio.get_running_loop()
            if random.random() < 0.3:
                loop.call_later(random.random() ** 2 * 5, report, command)
        report(command)

    return again


class Node:
    """One process: from its start to its death or its orderly end."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        *,
        store: Callable[[Node], SimStore],
        keys: MemoryKeys,
        clock: SimClock,
        manager: SimManager,
        say: Say,
    ) -> None:
        self.name = name
        self.owner = Owner(name, self._killed)
        self.manager = manager
        self.store = store(self)
        self.died: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._say = say
        manager.backends[StorageType.FILE] = Backend(self.store, keys, clock)

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return self.owner.alive

    def kill(self, why: str) -> None:
        """End the process without a word, now."""
        if not self.owner.alive:
            return
        self._say(self.name, f"killed {why}")
        self.owner.alive = False
        self.store.disk.kill(self.store.node)
        if not self.died.done():
            self.died.set_result(None)

    def _killed(self) -> None:
        self.kill(f"at step {self.owner.steps}")

    def start(self) -> None:
        """Begin to watch, and to lead what was cut off."""
        self._loop.spawn(self.owner, self._start())

    async def _start(self) -> None:
        self.manager.start_watching()
        try:
            await self.manager.resume_interrupted()
        except Unavailable as error:
            self._say(self.name, f"did not look at what was cut off: {error}")

    async def call(self, work: Callable[[SimManager], Awaitable[Any]], limit_s: float) -> Any:
        """Do something in this process, for somebody outside of it.

        Raises:
            ConnectionError: the process died or did not answer in time.
            HoldfastError: what the work raised.
        """
        if not self.alive:
            raise ConnectionError(f"{self.name} is down")
        task = self._loop.spawn(self.owner, _awaited(work, self.manager))
        await asyncio.wait({task, self.died}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            if self.alive:
                task.cancel()
            raise ConnectionError(f"{self.name} did not answer")
        return task.result()

    async def close(self) -> None:
        """End the process in an orderly way."""
        await self.call(lambda manager: manager.close(), 60.0)


async def _awaited(work: Callable[[SimManager], Awaitable[Any]], manager: SimManager) -> Any:
    return await work(manager)


def surroundings(
    clock: SimClock, registry: SimRegistry, model: SimModel, idle_s: float, hooks: Hooks
) -> Surroundings:
    """What a simulated manager is given."""

    async def no_leftovers(effect_id: str) -> int:
        return 0

    async def no_git(workspace: str) -> GitState | None:
        return None

    def client(view: SessionView) -> ModelClient | None:
        return model

    return Surroundings(
        clock=clock,
        registry=registry,
        build_client=client,
        kill_leftovers=no_leftovers,
        git_state=no_git,
        hooks=hooks,
        idle_s=idle_s,
    )
