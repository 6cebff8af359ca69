"""pydantic-ai: `Agent.run` with a message history that the user saves.

The library keeps no sessions; its documentation shows `all_messages_json()`, kept by the
application after the run. Here that is one file, read before a run, synced and replaced after
it. The race and the crash are therefore about what the simplest user's code gives, not about
a store of the library.
"""

from __future__ import annotations

import os
from pathlib import Path

from crashpeer import Entries, barrier, charge, delay, folder, main, think
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel


def entries_of(messages: list[ModelMessage]) -> Entries:
    """Messages as entries."""
    found: Entries = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                found.append(("user", str(part.content)))
            elif isinstance(part, TextPart):
                found.append(("assistant", part.content))
            elif isinstance(part, ToolCallPart):
                found.append(("call", f"{part.tool_name} {part.args}"))
            elif isinstance(part, ToolReturnPart):
                found.append(("result", str(part.content)))
    return found


async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Play the script."""
    said = think(entries_of(messages))
    await delay()
    if said is None:
        return ModelResponse(parts=[ToolCallPart("charge", {"amount": "42"})])
    return ModelResponse(parts=[TextPart(said)])


def kept() -> Path:
    """The user's own file."""
    return folder() / "messages.json"


def load() -> list[ModelMessage]:
    """Read the history."""
    return ModelMessagesTypeAdapter.validate_json(kept().read_bytes()) if kept().exists() else []


def save(messages: bytes) -> None:
    """Replace the file durably."""
    fresh = kept().with_name(f"messages.{os.getpid()}")
    with fresh.open("wb") as file:
        file.write(messages)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(kept())


async def setup() -> None:
    """Make the file, so that the race is not about that."""
    save(b"[]")


async def send(text: str) -> str:
    """One turn: read, run, replace."""
    agent = Agent(FunctionModel(answer))
    agent.tool_plain(charge)
    barrier()
    found = await agent.run(text, message_history=load())
    save(found.all_messages_json())
    return found.output


async def read() -> Entries:
    """What is stored."""
    return entries_of(load())


if __name__ == "__main__":
    main(
        ("pydantic-ai-slim",),
        "the user's own file, replaced after the run",
        setup=setup,
        send=send,
        read=read,
    )
