"""What runs in a process that is going to be killed: one life of a scripted session.

The life's effects go to ledger files outside of the runtime: one fsynced line for each time
something really happened. What was acknowledged goes to `ack.log`, at once. A person who
answers questions looks at the ledger, as a person would look at the world.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from holdfast.adapters.tools.bash import BashTool
from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.bootstrap import SessionManager
from holdfast.core.context import render
from holdfast.core.errors import HoldfastError, SessionNotFound
from holdfast.core.messages import Role
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.model import ModelRequest
from holdfast.ports.tool import Json, Reconciled, Reconciliation, ToolContext, ToolOutcome
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.feed import Feed
from holdfast.runtime.handle import Session
from holdfast.testing.conversation import check_conversation
from holdfast.testing.script import Turn, calls, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import registry, results, texts, tool

SESSION = "one"
NATURES = {
    "peek": Nature.READ_ONLY,
    "charge": Nature.ONCE,
    "put": Nature.IDEMPOTENT,
    "ship": Nature.RECONCILABLE,
}


# --- the world ------------------------------------------------------------------------


def note(path: Path, line: str) -> None:
    """Write a line that survives the process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (line + "\n").encode())
        os.fsync(file)
    finally:
        os.close(file)


def lines(path: Path) -> list[str]:
    """The lines of a file that may not exist."""
    return path.read_text().splitlines() if path.exists() else []


class ShipTool:
    """A tool that can tell whether an effect id happened."""

    def __init__(self, folder: Path) -> None:
        self._ledger = folder / "ledger"
        self.spec = ToolSpec(
            name="ship",
            description="ship",
            parameters=json.dumps(
                {
                    "type": "object",
                    "properties": {"what": {"type": "string"}},
                    "additionalProperties": False,
                }
            ),
            nature=Nature.RECONCILABLE,
        )

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Ship."""
        await asyncio.sleep(0)
        note(self._ledger, f"ship {arguments['what']} {context.effect_id}")
        await asyncio.sleep(0)
        return ToolOutcome(content="shipped")

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> Reconciled:
        """Look into the ledger."""
        done = any(line.split()[2] == context.effect_id for line in lines(self._ledger))
        if done:
            return Reconciled(
                state=Reconciliation.DONE, outcome=ToolOutcome(content="shipped before")
            )
        return Reconciled(state=Reconciliation.NOT_DONE)


def world(folder: Path, *, bash: bool) -> ToolRegistry:
    """Tools of all natures."""
    ledger = folder / "ledger"

    async def peek(what: str) -> str:
        await asyncio.sleep(0)
        return f"saw {what}"

    async def charge(what: str, context: ToolContext) -> str:
        await asyncio.sleep(0)
        note(ledger, f"charge {what} {context.effect_id}")
        await asyncio.sleep(0)
        return "charged"

    async def put(what: str, context: ToolContext) -> str:
        note(ledger, f"put {what} {context.effect_id}")
        await asyncio.sleep(0)
        return "put"

    offered = registry(
        tool(peek, nature=Nature.READ_ONLY, params=["what"]),
        tool(charge, nature=Nature.ONCE, params=["what"]),
        tool(put, nature=Nature.IDEMPOTENT, params=["what"]),
    )
    offered.register(ShipTool(folder))
    if bash:
        offered.register(BashTool())
    return offered


# --- the model ------------------------------------------------------------------------


def plan(*, bash: bool) -> Callable[[ModelRequest], Turn]:
    """What the model says, decided by what has happened since the last user message."""

    def answer(request: ModelRequest) -> Turn:
        last = max(i for i, m in enumerate(request.messages) if m.role is Role.USER)
        job = request.messages[last].parts[-1].text.split()[-1]
        rounds = sum(m.role is Role.ASSISTANT for m in request.messages[last:])
        if rounds == 0:
            return calls(
                make_call("peek", {"what": f"{job}-a"}),
                make_call("peek", {"what": f"{job}-b"}),
                make_call("charge", {"what": job}),
                text="Working.",
            )
        if rounds == 1:
            wanted = [make_call("put", {"what": job}), make_call("ship", {"what": job})]
            if bash:
                wanted.append(make_call("bash", {"command": bash_command(job)}))
            return calls(*wanted)
        return say("done ", job)

    return answer


def bash_command(job: str) -> str:
    """A shell job with a child of its own; what it did is a line in the workspace."""
    return f"(sleep 0.03; echo bash {job} >> shell) & wait; sleep 0.02"


# --- one life -------------------------------------------------------------------------


class Life:
    """A process's part of the work; `order` is what the test asked for."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.folder = Path(order["folder"])
        self.jobs = int(order.get("jobs", 2))
        self.bash = bool(order.get("bash", False))
        self.kill_at = order.get("kill_at")
        self.kill_when = order.get("kill_when", "before")
        self.writes = 0

    def ack(self, *words: object) -> None:
        """Say that something was acknowledged."""
        file = os.open(self.folder / "ack.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, (" ".join(map(str, words)) + "\n").encode())
        os.close(file)

    async def live(self) -> None:
        """Do all jobs, however much of them earlier lives did."""
        (self.folder / "store").mkdir(exist_ok=True)
        (self.folder / "work").mkdir(exist_ok=True)
        model = ScriptedModel(iter(lambda: plan(bash=self.bash), None))
        sessions = SessionManager.open(
            self.folder / "store" / "s.db",
            llm_client=model,
            tool_executor=world(self.folder, bash=self.bash),
            installation_key=self.folder / "installation.key",
            unsandboxed=True,
        )
        async with sessions:
            self._arm(sessions)
            session = await self._session(sessions)
            helpers = [
                asyncio.create_task(self._watch(session)),
                asyncio.create_task(self._person(session)),
            ]
            await sessions.resume_interrupted()
            await asyncio.gather(*(self._job(session, number) for number in range(self.jobs)))
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)
            for problem in model.problems:
                self.ack("problem", problem)
            report = await self._report(session)
            (self.folder / "report.json").write_text(json.dumps(report))

    def _arm(self, sessions: SessionManager) -> None:
        """Die at the n-th write of the store, before or after it is committed."""
        store = sessions.distinct_backends()[0][1].store
        for name in ("append", "create_stream", "submit"):
            inner = getattr(store, name)

            async def write(*args: Any, _inner: Any = inner, **options: Any) -> Any:
                self.writes += 1
                mine = self.writes == self.kill_at
                if mine and self.kill_when == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                result = await _inner(*args, **options)
                if mine:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            setattr(store, name, write)

    async def _session(self, sessions: SessionManager) -> Session:
        try:
            return await sessions.get_session(SESSION)
        except SessionNotFound:
            config = SessionConfig(
                unsafe_auto_approve=True, workspace=str(self.folder / "work"), system_prompt="p"
            )
            session = await sessions.create_session(SESSION, config)
            self.ack("created")
            return session

    async def _job(self, session: Session, number: int) -> None:
        answer = await session.generate(f"job {number}", command_id=b"%016d" % number)
        self.ack("answer", number, answer.version, answer.text)

    async def _watch(self, session: Session) -> None:
        async for event in session.subscribe_events(0):
            if not event.live:
                self.ack("event", event.version, event.type)

    async def _person(self, session: Session) -> None:
        """Answer questions by what really happened."""
        while True:
            for question in await session.questions():
                try:
                    decision = await self._decision(session, question.ref)
                    await session.answer(question.id, decision)
                except HoldfastError as error:
                    self.ack("unanswered", error.reason)
            await asyncio.sleep(0.002)

    async def _decision(self, session: Session, ref: Any) -> str:
        message = next(
            m for m in reversed(await session.history()) if m.role is Role.ASSISTANT and m.tool_uses
        )
        use = message.tool_uses[ref.ordinal - 1]
        arguments = json.loads(use.arguments)
        if use.name == "bash":
            job = arguments["command"].split("echo bash ")[1].split()[0]
            done = f"bash {job}" in lines(self.folder / "work" / "shell")
        else:
            done = any(
                line.startswith(f"{use.name} {arguments['what']} ")
                for line in lines(self.folder / "ledger")
            )
        return "happened" if done else "run_again"

    async def _report(self, session: Session) -> dict[str, Any]:
        """Read everything back: the chain is verified on the way."""
        journal = session.where.backend.journal(session.where.row)
        count = sum([1 async for _ in journal.replay()])
        feed = Feed(session._core, session.where)
        events = [[event.version, event.type] for event in await feed.start(0)]
        feed.close()
        view, bodies = await session.state_of()
        history = [entry.message for entry in bodies.visible()]
        again = render([*bodies.visible()])
        return {
            "count": count,
            "version": view.version,
            "events": events,
            "texts": texts(history),
            "results": [[one.name, one.content] for one in results(history)],
            "calls": sum(len(message.tool_uses) for message in history),
            "invalid": [
                problem
                for problem in check_conversation(again)
                if problem != "the conversation ends with the assistant"
            ],
            "usage": view.usage.total_tokens,
            "turns": view.turn_count,
            "open": len(view.open) + len(view.questions),
            "state": view.state.title,
        }


def live(order: dict[str, Any]) -> int:
    """Live one life; returns the exit status."""
    asyncio.run(Life(order).live())
    return 0
