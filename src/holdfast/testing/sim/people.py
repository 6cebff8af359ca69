"""People: they send, retry, cancel, pause, answer late, twice or wrongly.

Each act goes through the public API of some node. What a person was told is
kept, to be held against the log afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    External,
    MoveTo,
    Pause,
    Resume,
    Send,
    SetContext,
    Terminate,
)
from holdfast.core.errors import (
    Cancelled,
    Damaged,
    Denied,
    HoldfastError,
    Interrupted,
    LeaseHeld,
    ProviderFailed,
    Unavailable,
)
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import user
from holdfast.core.settings import QueuePolicy
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import AgentResult
from holdfast.runtime.handle import Session
from holdfast.runtime.host import Handled
from holdfast.testing.sim.acts import gate_acts
from holdfast.testing.sim.gate import LONG
from holdfast.testing.sim.nodes import Node, SimManager

UNCERTAIN = (Unavailable, LeaseHeld, Interrupted, Cancelled, ProviderFailed, ConnectionError)
"""After these nobody knows whether it was carried out."""

LIMIT_S = 40.0
DURABLE_S = 8.0
"""A message that is still with the runtime after so long is in the log or the inbox."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """A message somebody sent, and what they were told.

    Args:
        acked: told that it was admitted; queued: told that it is safe.
        refused: told that it was not taken; uncertain: not told.
        queued_order: (asked, told) in the world's count of acts.
        waited: not told anything for so long that it must be durable.
    """

    session_id: str
    text: str
    id: str
    policy: QueuePolicy | None
    acked: bool = False
    queued: bool = False
    refused: str = ""
    uncertain: bool = False
    queued_order: tuple[int, int] = (0, 0)
    waited: bool = False
    results: list[AgentResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that was carried out, as its sender was told."""

    session_id: str
    command: External
    handled: Handled


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A command that was refused; the log had these lengths before and after."""

    session_id: str
    command: External
    reason: str
    before: int
    after: int


@dataclass(slots=True)
class Told:
    """All that people were told."""

    sent: list[Sent] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    acts: int = 0

    def next(self) -> int:
        """Count an act."""
        self.acts += 1
        return self.acts


class Place(Protocol):
    """The world as people see it."""

    random: Random
    told: Told
    sessions: list[str]
    features: frozenset[str]

    def node(self) -> Node:
        """Some node."""

    def say(self, who: str, what: str) -> None:
        """Note for the trace."""

    def problem(self, what: str) -> None:
        """Something is wrong."""

    def length_of(self, session_id: str) -> int:
        """How long a session's log durably is."""


class Person:
    """Somebody who uses the installation."""

    def __init__(self, name: str, world: Place) -> None:
        self.name = name
        self._world = world
        self._random = world.random
        self._acts: list[tuple[Callable[[str], Awaitable[None]], int]] = [
            (self.send, 10),
            (self.answer, 5),
            (self.cancel, 2),
            (self.pause_resume, 3),
            (self.context, 2),
            (self.move, 2),
            (self.add, 1),
            (self.host_call, 1),
            (self.fork, 1),
            (self.settings, 1),
            (self.terminate, 1),
        ]
        if "approvals" in world.features:
            self._acts += [(self.answer, 8), (self.attend, 2), (self.policy, 1)]
        if LONG in world.features:
            self._acts.append((self.send, 15))
        self._acts += gate_acts(self, world)

    async def live(self, acts: int) -> None:
        """Do a number of things."""
        for _ in range(acts):
            await asyncio.sleep(self._random.random() ** 2 * 4)
            chosen = self._random.choices(self._acts, [weight for _, weight in self._acts])[0]
            await chosen[0](self._random.choice(self._world.sessions))

    # --- how ---------------------------------------------------------------------------

    async def attempt(
        self, what: str, work: Callable[[SimManager], Awaitable[Any]], limit_s: float = LIMIT_S
    ) -> tuple[Any, Exception | None]:
        """Do something at some node; returns (value, None) or (None, error)."""
        node = self._world.node()
        self._world.say(self.name, f"{what} at {node.name}")
        try:
            value = await node.call(work, limit_s)
        except Exception as error:  # what kind it is, is for the caller and the judge
            self._judge_error(what, error)
            self._world.say(self.name, f"{what}: {type(error).__name__}: {error}")
            return None, error
        self._world.say(self.name, f"{what}: ok")
        return value, None

    def _judge_error(self, what: str, error: Exception) -> None:
        expected = isinstance(error, (HoldfastError, ConnectionError))
        if not expected or type(error) is HoldfastError:
            self._world.problem(f"{what} failed with {type(error).__name__}: {error}")
        elif isinstance(error, Damaged) and "key is destroyed" not in str(error):
            self._world.problem(f"{what}: {error}")

    async def command(self, session_id: str, command: External) -> None:
        """Have a command carried out and keep what came of it."""
        before = self._world.length_of(session_id)

        async def work(manager: SimManager) -> Handled:
            return await (await manager.get_session(session_id)).submit(command)

        value, error = await self.attempt(f"{type(command).__name__} {session_id}", work)
        after = self._world.length_of(session_id)
        if error is None:
            done = Done(session_id=session_id, command=command, handled=value)
            self._world.told.done.append(done)
        elif isinstance(error, HoldfastError) and not isinstance(error, UNCERTAIN):
            refusal = Refusal(
                session_id=session_id,
                command=command,
                reason=error.reason,
                before=before,
                after=after,
            )
            self._world.told.refusals.append(refusal)

    # --- what --------------------------------------------------------------------------

    async def send(self, session_id: str) -> None:
        """Send a message in one of the ways there are; perhaps again when not told."""
        id = self._random.randbytes(16)
        policy = self._random.choice((None, None, *QueuePolicy))
        sent = Sent(
            session_id=session_id, text=f"m{self._world.told.next()}", id=id.hex(), policy=policy
        )
        self._world.told.sent.append(sent)
        for _ in range(self._random.choice((1, 2, 3))):
            way = self._random.choice((self._generate, self._submit, self._queue))
            if await way(sent, id):
                return

    async def _generate(self, sent: Sent, id: bytes) -> bool:
        async def work(manager: SimManager) -> AgentResult:
            session = await manager.get_session(sent.session_id)
            return await session.generate(sent.text, command_id=id, policy=sent.policy)

        limit_s = self._random.choice((0.5, 5.0, LIMIT_S))
        began = asyncio.get_running_loop().time()
        value, error = await self.attempt(f"generate {sent.session_id} {sent.text}", work, limit_s)
        self._note_wait(sent, began, error)
        if error is None:
            sent.acked = True
            sent.results.append(value)
        if isinstance(error, Denied):
            sent.uncertain = True  # a hook refused the message, or a person its model call
            return True
        return self._note(sent, error)

    async def _submit(self, sent: Sent, id: bytes) -> bool:
        command = Send(message=user(sent.text), policy=sent.policy)

        async def work(manager: SimManager) -> Handled:
            return await (await manager.get_session(sent.session_id)).submit(command, id=id)

        began = asyncio.get_running_loop().time()
        _, error = await self.attempt(f"send {sent.session_id} {sent.text}", work)
        self._note_wait(sent, began, error)
        sent.acked = sent.acked or error is None
        return self._note(sent, error)

    async def _queue(self, sent: Sent, id: bytes) -> bool:
        command = Send(message=user(sent.text), policy=sent.policy)
        asked = self._world.told.next()

        async def work(manager: SimManager) -> bytes:
            where = await manager.locate(sent.session_id)
            return await manager.queue(where, command, id=id)

        _, error = await self.attempt(f"queue {sent.session_id} {sent.text}", work)
        if error is None:
            fresh = not (sent.queued or sent.uncertain)
            sent.queued_order = (asked, self._world.told.next()) if fresh else (0, 0)
            sent.queued = True
        return self._note(sent, error)

    def _note_wait(self, sent: Sent, began: float, error: Exception | None) -> None:
        """Keep that a message was with a runtime for long when that fell silent."""
        waited_s = asyncio.get_running_loop().time() - began
        if isinstance(error, ConnectionError) and waited_s > DURABLE_S:
            sent.waited = True

    def _note(self, sent: Sent, error: Exception | None) -> bool:
        """Keep what a sender was told; tells whether they are content with it."""
        if error is None:
            return True
        if isinstance(error, UNCERTAIN):
            sent.uncertain = True
            return False
        sent.refused = getattr(error, "reason", "refused")
        return True

    async def answer(self, session_id: str) -> None:
        """Answer an open question: rightly, wrongly, or twice."""

        async def look(manager: SimManager) -> list[Any]:
            return list(await (await manager.get_session(session_id)).questions())

        questions, error = await self.attempt(f"look for questions of {session_id}", look)
        if error is not None or not questions:
            return
        question = self._random.choice(questions)
        decision = self._random.choice((*question.choices, "whatever"))
        id = question.id + (self._random.random() < 0.1)
        command = Answer(question=id, decision=decision, by=self.name)
        if "approvals" in self._world.features:
            command = self._odd(command, question)
        for _ in range(self._random.choice((1, 1, 2))):
            await self.command(session_id, command)

    def _odd(self, command: Answer, question: Any) -> Answer:
        """An answer with all that may come along, rightly or wrongly."""
        random = self._random
        arguments = (
            random.choice(('{"n": 2}', '{"n": 7}', "{broken", ""))
            if (command.decision == "edit" or random.random() < 0.1)
            else ""
        )
        return replace(
            command,
            decision="approve" if random.random() < 0.2 else command.decision,
            arguments=arguments,
            note=random.choice(("", "because")),
            by=random.choice((self.name, self.name, self.name, "agent:s1")),
            pattern=random.choice(("", "", *question.patterns, "bash")),
            uses_max=random.choice((None, None, 1, 2)),
        )

    async def attend(self, session_id: str) -> None:
        """Leave a handler that answers, hangs or fails, with whatever process it is in."""
        seed = self._random.random()

        async def handler(approval: Approval) -> tuple[str, str] | None:
            chance = self._random.random()
            await asyncio.sleep(chance * 3)
            if seed < 0.2:
                await asyncio.sleep(1_000_000)
            if seed < 0.4:
                raise RuntimeError("a bug in the handler")
            return (self._random.choice(approval.choices), "") if chance < 0.8 else None

        async def work(manager: SimManager) -> None:
            (await manager.get_session(session_id)).on_approval(handler)

        await self.attempt(f"attend {session_id}", work)

    async def policy(self, session_id: str) -> None:
        """Change how people are asked."""
        seconds = self._random.choice((1, 10))
        chosen = {"attended_s": seconds, "unattended_s": seconds, "timeout_action": "reject"}

        async def work(manager: SimManager) -> None:
            await manager.set_confirmation_policy(session_id, chosen)

        await self.attempt(f"ask within {seconds} s in {session_id}", work)

    async def cancel(self, session_id: str) -> None:
        """Cancel whatever turn there is."""
        await self.command(session_id, Cancel())

    async def pause_resume(self, session_id: str) -> None:
        """Pause, and mostly resume later."""
        await self.command(session_id, Pause())
        if self._random.random() < 0.8:
            await asyncio.sleep(self._random.random() * 5)
            await self.command(session_id, Resume())

    async def context(self, session_id: str) -> None:
        """Clear or rewind."""
        if self._random.random() < 0.4:
            await self.command(session_id, SetContext(reason="clear"))
            return
        length = max(1, self._world.length_of(session_id))
        version = self._random.randrange(0, length + 2)
        await self.command(session_id, SetContext(reason="rewind", to_version=version))

    async def move(self, session_id: str) -> None:
        """Walk an edge of the lifecycle by hand; mostly end and reopen."""
        states = ("Completed", "Error", "Active", "Paused")
        state = self._random.choice((*states, *(one.title for one in SessionState)))
        await self.command(session_id, MoveTo(state=state, reason="because"))
        if self._random.random() < 0.8:
            await asyncio.sleep(self._random.random() * 3)
            await self.command(session_id, MoveTo(state="Active"))

    async def add(self, session_id: str) -> None:
        """Add a line to the history."""
        text = f"added {self._world.told.next()}"
        await self.command(session_id, AddMessage(message=user(text)))

    async def host_call(self, session_id: str) -> None:
        """Call a tool as the embedding program."""
        tool = self._random.choice(("look", "put", "fire", "nothing"))

        async def work(manager: SimManager) -> Any:
            return await manager.tool_executor().execute(session_id, tool, {"n": 1})

        await self.attempt(f"call {tool} in {session_id}", work)

    async def fork(self, session_id: str) -> None:
        """Fork, and use the fork from now on."""
        if len(self._world.sessions) >= 3:
            return
        new = f"fork{len(self._world.sessions)}-{self._world.told.next()}"

        async def work(manager: SimManager) -> Session:
            return await manager.fork_session(session_id, new)

        _, error = await self.attempt(f"fork {session_id} to {new}", work)
        if error is None:
            self._world.sessions.append(new)

    async def settings(self, session_id: str) -> None:
        """Change the queue policy."""
        policy = self._random.choice(tuple(QueuePolicy))

        async def work(manager: SimManager) -> None:
            await (await manager.get_session(session_id)).set_queue_policy(policy)

        await self.attempt(f"policy {policy.value} for {session_id}", work)

    async def terminate(self, session_id: str) -> None:
        """Wipe a session, in worlds where people do that."""
        if "wipes" not in self._world.features:
            return
        if self._random.random() < 0.3:
            await self.command(session_id, Terminate(why="done"))
            return

        async def work(manager: SimManager) -> Any:
            return await manager.terminate_session(session_id)

        await self.attempt(f"terminate {session_id}", work)

    async def tidy_up(
        self, session_id: str, questions: tuple[Any, ...], *, paused: bool, weary: bool
    ) -> None:
        """What a patient person does at the end: resume, and answer everything.

        Args:
            weary: as simply as it can be; some answers need more than is said here.
        """
        if paused:
            await self.command(session_id, Resume())
        for question in questions:
            decision = self._random.choice(question.choices)
            if weary and "deny" in question.choices:
                decision = "deny"
            await self.command(
                session_id, Answer(question=question.id, decision=decision, by=self.name)
            )
