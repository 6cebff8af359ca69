"""What people do about permission, money and children, through the public API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol

from holdfast.runtime.config import SessionConfig
from holdfast.testing.sim.gate import SECOND_LOOKS, shared_budget, some_budget
from holdfast.testing.sim.nodes import SimManager

TOOLS = ("look", "put", "pay", "fire")
SESSIONS_MAX = 3

Act = Callable[[str], Awaitable[None]]
Work = Callable[[SimManager], Awaitable[Any]]


class Doer(Protocol):
    """A person."""

    async def attempt(self, what: str, work: Work) -> tuple[Any, Exception | None]:
        """Do something at some node; returns (value, None) or (None, error)."""

    async def settings(self, session_id: str) -> None:
        """Change the queue policy."""

    async def cancel(self, session_id: str) -> None:
        """Cancel whatever turn there is."""


class Place(Protocol):
    """The world as these acts see it."""

    random: Random
    sessions: list[str]
    features: frozenset[str]


def gate_acts(person: Doer, world: Place) -> list[tuple[Act, int]]:
    """The acts that a world's features of the gate add, with how likely each is."""
    acts = GateActs(person, world)
    found: list[tuple[Act, int]] = []
    if "grants" in world.features:
        found += [(acts.allow, 4), (acts.revoke, 4)]
    if "rules" in world.features:
        found.append((acts.rule, 5))
    if "budgets" in world.features:
        found.append((acts.limit, 3))
    if "children" in world.features:
        found += [(acts.child, 4), (person.cancel, 2)]
    if SECOND_LOOKS in world.features:
        found.append((person.settings, 5))
    return found


class GateActs:
    """One person's acts."""

    def __init__(self, person: Doer, world: Place) -> None:
        self._person = person
        self._world = world
        self._random = world.random

    async def allow(self, session_id: str) -> None:
        """Allow a tool in advance, for a time or a number of uses."""
        random = self._random
        tool, scope = random.choice(TOOLS), random.choice(("session", "session", "always"))
        uses, seconds = random.choice((None, None, 1, 2)), random.choice((None, None, 4, 60))

        async def work(manager: SimManager) -> Any:
            session = await manager.get_session(session_id)
            return await session.grant_allowance(tool, scope, max_uses=uses, expires_in_s=seconds)

        await self._person.attempt(f"allow {tool} for {scope} in {session_id}", work)

    async def revoke(self, session_id: str) -> None:
        """Take back what was granted: one, or all of the session's own."""
        some, chance = self._random.random(), self._random.random()

        async def work(manager: SimManager) -> Any:
            session = await manager.get_session(session_id)
            if some < 0.3:
                return await session.clear_session_allowances()
            there = await session.allowances()
            if not there:
                return None
            return await session.revoke_allowance(there[int(chance * len(there))].id)

        await self._person.attempt(f"revoke in {session_id}", work)

    async def rule(self, session_id: str) -> None:
        """Add a rule, or replace all of them by a preset."""
        random = self._random
        tool, way = (
            random.choice(TOOLS),
            random.choice(("allow", "deny", "ask", "always", "preset")),
        )
        preset = random.choice(("default", "default", "strict", "unsafe_permissive"))

        async def work(manager: SimManager) -> Any:
            session = await manager.get_session(session_id)
            if way == "preset":
                return await session.set_permission_policy(preset)
            if way == "allow":
                return await session.add_allow_rule(tool)
            if way == "deny":
                return await session.add_deny_rule(tool)
            return await session.add_ask_rule(tool, always=way == "always")

        what = preset if way == "preset" else f"{way} {tool}"
        await self._person.attempt(f"rule {what} in {session_id}", work)

    async def limit(self, session_id: str) -> None:
        """Change limits of a session, of its user or of all."""
        holder = self._random.choice(("session", "session", "user", "tenant"))
        budget = (some_budget if holder == "session" else shared_budget)(self._random)
        drop = ("calls",) if self._random.random() < 0.2 and budget.calls is None else ()
        who = session_id if holder == "session" else ""

        async def work(manager: SimManager) -> Any:
            return await manager.set_budget(holder, who, budget, drop=drop)

        await self._person.attempt(f"limits of {holder} {who}", work)

    async def child(self, session_id: str) -> None:
        """Open a child below a session, and use it from now on."""
        random, sessions = self._random, self._world.sessions
        if len(sessions) >= SESSIONS_MAX:
            return
        new = f"child{len(sessions)}-{random.randrange(10_000)}"
        config = SessionConfig(
            unsafe_auto_approve=random.random() < 0.7,
            tools=random.choice((None, None, ("look", "put"))),
        )

        async def work(manager: SimManager) -> Any:
            return await manager.create_child_session(session_id, new, config)

        _, error = await self._person.attempt(f"child {new} below {session_id}", work)
        if error is None:
            sessions.append(new)
