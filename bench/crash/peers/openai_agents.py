"""OpenAI Agents SDK: `Runner.run` with a `SQLiteSession`.

There is no documented way to resume after a crash: `RunState` is for approvals and must have
been saved by the application before. What remains is to send the next message.
"""

from __future__ import annotations

from typing import Any

from agents import Agent, Runner, SQLiteSession, function_tool, set_tracing_disabled
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from crashpeer import Entries, barrier, charge, delay, folder, main, think
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)


def entries_of(items: Any) -> Entries:
    """Items of the Responses API as entries."""
    if isinstance(items, str):
        return [("user", items)]
    found: Entries = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            found.append(("call", f"{item['name']} {item['arguments']}"))
        elif kind == "function_call_output":
            found.append(("result", str(item["output"])))
        elif kind == "message":
            content = item["content"]
            text = content if isinstance(content, str) else content[0]["text"]
            found.append((item["role"], text))
    return found


class Scripted(Model):
    """Plays the script."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Answer."""
        said = think(entries_of(kwargs.get("input", args[1] if len(args) > 1 else [])))
        await delay()
        if said is None:
            output: Any = ResponseFunctionToolCall(
                arguments='{"amount": "42"}',
                call_id="c1",
                name="charge",
                type="function_call",
                id="f1",
                status="completed",
            )
        else:
            text = ResponseOutputText(text=said, type="output_text", annotations=[])
            output = ResponseOutputMessage(
                id="m1", content=[text], role="assistant", status="completed", type="message"
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        """Not used."""
        raise NotImplementedError


def session() -> SQLiteSession:
    """The durable session."""
    return SQLiteSession("one", str(folder() / "peer.db"))


async def setup() -> None:
    """Make the file, so that the race is not about that."""
    await session().get_items()


async def send(text: str) -> str:
    """One turn."""
    set_tracing_disabled(True)
    agent = Agent(name="bench", model=Scripted(), tools=[function_tool(charge)])
    kept = session()
    barrier()
    return str((await Runner.run(agent, text, session=kept)).final_output)


async def read() -> Entries:
    """What is stored."""
    return entries_of(await session().get_items())


if __name__ == "__main__":
    main(("openai-agents",), "SQLiteSession", setup=setup, send=send, read=read)
