"""What is said in a session: its history, and a message with its answer."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from holdfast.core.messages import Message, Role, Text
from holdfast.core.quantities import Usage
from holdfast.server.auth import Commanded, Commanding, Shown, require
from holdfast.server.forms import Done, Form, MessageForm, Prompt, message_form
from holdfast.server.routes import events
from holdfast.server.talking import converse

router = APIRouter(prefix="/api/v1/sessions", tags=["messages"])


class History(Form):
    """A window of the conversation as the model sees it."""

    messages: list[MessageForm]
    first: int = Field(description="Place of the first of them in the conversation, from 0.")
    total: int


@router.get(
    "/{session_id}/messages",
    operation_id="history",
    response_model=History,
    dependencies=[require("messages:read")],
)
async def history(
    session: Shown,
    before: Annotated[int | None, Query(ge=0, description="Only what stands before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> History:
    """The last messages, or the last before a place."""
    found = await session.history()
    end = len(found) if before is None else min(before, len(found))
    first = max(0, end - limit)
    return History(
        messages=[message_form(one) for one in found[first:end]], first=first, total=len(found)
    )


class Say(Form):
    """A message to the model."""

    content: Prompt
    policy: Literal["enqueue", "steer", "interrupt", "reject"] | None = Field(
        default=None, description="What to do if a turn runs; default: the session's."
    )
    wait_s: float = Field(
        default=300.0, gt=0, le=3600, description="How long to wait for the answer, in seconds."
    )


class Answered(Form):
    """What came of a message.

    `done` with the answer; `waiting` for a person, with the approval; `running` if the
    time was up. The turn goes on in any case.
    """

    status: Literal["done", "waiting", "running"]
    command: str = Field(description="Id of the command, in hex.")
    text: str | None = None
    version: int | None = None
    tool_calls_count: int | None = None
    usage: Usage | None = None
    trusted: bool | None = None
    approval: str | None = None


@router.post(
    "/{session_id}/messages",
    operation_id="generate",
    response_model=Answered,
    responses={200: {**events.STREAMED[200], "description": "What came of it, or the events."}},
    dependencies=[require("messages:send")],
)
async def send(
    request: Request, sessions: Commanding, session: Commanded, words: Say
) -> Answered | events.EventStream:
    """Send a message and wait for the answer; leaving does not cancel the turn.

    Who accepts `text/event-stream` gets the events of the run, to its end.
    """
    id = sessions.command_id()
    if events.wants_stream(request):
        return await events.run(
            request, session, words.content, id=id, policy=words.policy, scope="messages:send"
        )
    said = await converse(session, words.content, id=id, policy=words.policy, wait_s=words.wait_s)
    if said.question:
        approval = f"{session.id}:{said.question}"
        return Answered(status="waiting", command=id.hex(), approval=approval)
    if said.result is None:
        return Answered(status="running", command=id.hex())
    result = said.result
    return Answered(
        status="done",
        command=id.hex(),
        text=result.text,
        version=result.version,
        tool_calls_count=result.tool_calls_count,
        usage=result.usage,
        trusted=result.label.integrity.name == "TRUSTED",
    )


class Added(Form):
    """A message that is put into the history without an answer."""

    role: Literal["user", "assistant"]
    text: Prompt


@router.post(
    "/{session_id}/history",
    operation_id="add_message",
    response_model=Done,
    dependencies=[require("sessions:import")],
)
async def add(session: Commanded, added: Added) -> Done:
    """Take a message into the history, labelled imported and untrusted."""
    await session.add_message(Message(Role(added.role), (Text(added.text),)))
    return Done(changed=True)
