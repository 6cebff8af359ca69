"""pydantic-ai: `Agent.run`, its messages saved by the user.

The library keeps no sessions of its own; what its documentation shows is to keep
`all_messages_json()`. Here that is done the careful way: into a SQLite row per
session, committed with `synchronous=FULL`, after every run. It is therefore the
*user's* code that is durable, once a turn, and a crash within a turn loses it.
"""

from __future__ import annotations

import asyncio
import sqlite3
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
    """The user's own store: one row a session, replaced as a whole."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE kept(id TEXT PRIMARY KEY, messages BLOB)")
        self._lock = asyncio.Lock()

    def _save(self, id: str, messages: bytes) -> None:
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (id, messages))

    async def save(self, id: str, messages: bytes) -> None:
        """Keep a session."""
        async with self._lock:
            await asyncio.to_thread(self._save, id, messages)

    def load(self, id: str) -> list[ModelMessage]:
        """Read a session back."""
        row = self._connection.execute("SELECT messages FROM kept WHERE id = ?", (id,)).fetchone()
        return ModelMessagesTypeAdapter.validate_json(row[0]) if row else []


async def measure(directory: Path, each: int, turns: int) -> dict[str, object]:
    """Take both figures."""
    kept = Kept(directory / "append.db")
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

    store = Kept(directory / "turns.db")

    async def turn() -> str:
        found = await agent.run(PROMPT, message_history=store.load("one"))
        await store.save("one", found.all_messages_json())
        return found.output

    return {"append_128": appended, "turn_ms": await timed_turns(turn, turns)}


if __name__ == "__main__":
    main(
        ("pydantic-ai-slim",), measure, "the user's own SQLite row a session, FULL, after each run"
    )
