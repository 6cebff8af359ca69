"""pydantic-ai: `Agent.run`, its messages saved by the user.

The library keeps no sessions of its own; what its documentation shows is to keep
`all_messages_json()`. Here that is done the careful way: into a file per session,
written beside, synced and renamed, after every run. It is therefore the *user's*
code that is durable, once a turn, and a crash within a turn loses the turn.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from peercommon import ANSWER, PROMPT, SESSIONS, TEXT, main, rate, timed_turns
from pydantic_ai import Agent
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel


async def _answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts):
        return ModelResponse(parts=[TextPart(ANSWER)])
    return ModelResponse(parts=[ToolCallPart("look", {"path": "hello.txt"})])


class Kept:
    """The user's own store: one file a session, replaced as a whole."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory

    def _save(self, id: str, messages: bytes) -> None:
        target = self._directory / f"{id}.json"
        draft = target.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(messages)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        above = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(above)
        finally:
            os.close(above)

    async def save(self, id: str, messages: bytes) -> None:
        """Keep a session."""
        await asyncio.to_thread(self._save, id, messages)

    def load(self, id: str) -> list[ModelMessage]:
        """Read a session back."""
        file = self._directory / f"{id}.json"
        return ModelMessagesTypeAdapter.validate_json(file.read_bytes()) if file.exists() else []


async def measure(directory: Path, each: int, turns: int) -> dict[str, object]:
    """Take both figures."""
    kept = Kept(directory / "append")
    histories: list[list[ModelMessage]] = [[] for _ in range(SESSIONS)]

    async def append(session: int) -> None:
        history = histories[session]
        history.append(ModelRequest(parts=[UserPromptPart(TEXT)]))
        await kept.save(f"s{session}", ModelMessagesTypeAdapter.dump_json(history))

    await append(0)
    appended = await rate(append, each)
    agent = Agent(FunctionModel(_answer), system_prompt="Be brief.")

    @agent.tool_plain
    def look(path: str) -> str:
        """Look."""
        return "hello"

    store = Kept(directory / "turns")

    async def turn() -> str:
        found = await agent.run(PROMPT, message_history=store.load("one"))
        await store.save("one", found.all_messages_json())
        return found.output

    return {"append_128": appended, "turn_ms": await timed_turns(turn, turns)}


if __name__ == "__main__":
    store = "the user's own file a session, synced and renamed after each run"
    main(("pydantic-ai-slim",), measure, store)
