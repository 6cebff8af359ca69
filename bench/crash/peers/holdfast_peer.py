"""Holdfast: a session on a SQLite file; the tool's nature is NATURE.

Resuming is `resume_interrupted`. The script stands for the person who is asked about a call
of nature `once`: it answers what the ledger says.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from crashpeer import (
    Entries,
    barrier,
    delay,
    die_if_told,
    effect,
    folder,
    main,
    note,
    think,
)

from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.bootstrap import SessionManager
from holdfast.core.messages import Message, Text, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.model import ModelEvent, ModelReply, ModelRequest
from holdfast.ports.tool import Json, Reconciled, Reconciliation, ToolContext, ToolOutcome
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session

T = TypeVar("T")
NATURE = Nature(os.environ.get("NATURE", "once"))
SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "string"}},
    "additionalProperties": False,
}


def entries_of(messages: tuple[Message, ...] | list[Message]) -> Entries:
    """Messages as entries."""
    found: Entries = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text):
                found.append((str(message.role), part.text))
            elif isinstance(part, ToolUse):
                found.append(("call", f"{part.name} {part.arguments}"))
            elif isinstance(part, ToolResult):
                found.append(("error" if part.is_error else "result", part.content))
    return found


class Scripted:
    """Plays the script."""

    model = "scripted"
    provider = "bench"
    context_tokens = 200_000

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer."""
        said = think(entries_of(request.messages))
        await delay()
        call = ToolUse("c1", "charge", json.dumps({"amount": "42"}))
        yield ModelReply(
            parts=(call if said is None else Text(said),),
            usage=Usage(input_tokens=10, output_tokens=5),
            stop="tool_use" if said is None else "stop",
            model=self.model,
            provider=self.provider,
        )

    async def aclose(self) -> None:
        """Nothing to close."""


def happened(key: str = "") -> bool:
    """Whether the ledger has the charge, with this key if one is given."""
    ledger = folder() / "ledger"
    return ledger.exists() and any(key in line for line in ledger.read_text().splitlines())


class Charge:
    """The tool, as its author would write it for the nature it declares."""

    spec = ToolSpec(
        name="charge",
        description="Charge the customer.",
        parameters=json.dumps(SCHEMA),
        nature=NATURE,
    )

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Do it; an idempotent tool looks at its key, a read-only one changes nothing."""
        note(folder() / "calls.log", context.effect_id)
        done = ToolOutcome(content=f"charged {arguments['amount']}")
        if NATURE is Nature.READ_ONLY:
            die_if_told()
        elif NATURE is not Nature.IDEMPOTENT or not happened(context.effect_id):
            effect(f"charge {arguments['amount']} {context.effect_id}")
        return done

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> Reconciled:
        """Look the call up by its key."""
        if not happened(context.effect_id):
            return Reconciled(state=Reconciliation.NOT_DONE)
        done = ToolOutcome(content=f"charged {arguments['amount']}")
        return Reconciled(state=Reconciliation.DONE, outcome=done)


@asynccontextmanager
async def opened() -> AsyncIterator[SessionManager]:
    """The durable store."""
    async with SessionManager.open(
        folder() / "holdfast.db",
        llm_client=Scripted(),
        tool_executor=ToolRegistry([Charge()]),
        installation_key=folder() / "installation.key",
    ) as sessions:
        yield sessions


async def setup() -> None:
    """Make the session."""
    async with opened() as sessions:
        await sessions.create_session("one", SessionConfig(unsafe_auto_approve=True))


async def person(session: Session) -> None:
    """Answer truthfully what the runtime asks; each question is on record."""
    while True:
        for question in await session.questions():
            note(folder() / "asked.log", f"{question.about} of {question.name}")
            await session.answer(question.id, "happened" if happened() else "run_again")
        await asyncio.sleep(0.01)


async def beside_a_person(session: Session, work: Coroutine[object, object, T]) -> T:
    """Await while somebody answers questions; that this fails must not go unseen."""
    working, helper = asyncio.create_task(work), asyncio.create_task(person(session))
    done, _ = await asyncio.wait({working, helper}, return_when=asyncio.FIRST_COMPLETED)
    if helper in done:
        helper.result()
    helper.cancel()
    return working.result()


async def finished(session: Session) -> None:
    """Wait until the turn that was cut off has ended."""
    while (await session.view()).turn is not None:  # noqa: ASYNC110 - another task ends it
        await asyncio.sleep(0.01)


async def send(text: str) -> str:
    """One turn."""
    async with opened() as sessions:
        session = await sessions.get_session("one")
        barrier()
        return (await beside_a_person(session, session.generate(text))).text


async def resume() -> str:
    """The documented way: finish what was cut off."""
    async with opened() as sessions:
        session = await sessions.get_session("one")
        await sessions.resume_interrupted()
        await beside_a_person(session, finished(session))
        return (await session.history())[-1].text


async def read() -> Entries:
    """What is stored."""
    async with opened() as sessions:
        return entries_of(await (await sessions.get_session("one")).history())


if __name__ == "__main__":
    main(("holdfast",), "its SQLite store", setup=setup, send=send, read=read, resume=resume)
