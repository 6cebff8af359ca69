"""OpenAI Agents SDK: `SQLiteSession` and `Runner.run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents import Agent, Runner, SQLiteSession, function_tool, set_tracing_disabled
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)
from peercommon import ANSWER, PROMPT, SESSIONS, TEXT, main, rate, timed_turns


class InstantModel(Model):
    """Answers at once: a tool call, then a sentence."""

    def __init__(self) -> None:
        self.calls = 0

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer by what was said last."""
        items = kwargs.get("input", args[1] if len(args) > 1 else [])
        last = items[-1] if isinstance(items, list) and items else {}
        self.calls += 1
        if isinstance(last, dict) and last.get("type") == "function_call_output":
            text = ResponseOutputText(text=ANSWER, type="output_text", annotations=[])
            output: Any = ResponseOutputMessage(
                id=f"m{self.calls}",
                content=[text],
                role="assistant",
                status="completed",
                type="message",
            )
        else:
            output = ResponseFunctionToolCall(
                arguments='{"path": "hello.txt"}',
                call_id=f"c{self.calls}",
                name="look",
                type="function_call",
                id=f"f{self.calls}",
                status="completed",
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        """Not used."""
        raise NotImplementedError


@function_tool
def look(path: str) -> str:
    """Look."""
    return "hello"


async def measure(directory: Path, each: int, turns: int) -> dict[str, object]:
    """Take both figures."""
    set_tracing_disabled(True)
    file = str(directory / "append.db")
    sessions = [SQLiteSession(f"s{n}", file) for n in range(SESSIONS)]

    async def append(session: int) -> None:
        await sessions[session].add_items([{"role": "user", "content": TEXT}])

    await append(0)
    appended = await rate(append, each)
    agent = Agent(name="bench", instructions="Be brief.", model=InstantModel(), tools=[look])
    one = SQLiteSession("one", str(directory / "turns.db"))

    async def turn() -> str:
        return str((await Runner.run(agent, PROMPT, session=one)).final_output)

    return {"append_128": appended, "turn_ms": await timed_turns(turn, turns)}


if __name__ == "__main__":
    main(("openai-agents",), measure, "SQLiteSession, one file, its default settings")
