"""Google ADK: `DatabaseSessionService` on SQLite and `Runner.run_async`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.events import Event
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import DatabaseSessionService
from google.genai import types
from peercommon import ANSWER, PROMPT, SESSIONS, TEXT, main, rate, timed_turns


class InstantModel(BaseLlm):
    """Answers at once: a tool call, then a sentence."""

    async def generate_content_async(
        self, llm_request: Any, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answer by what was said last."""
        last = llm_request.contents[-1]
        if any(part.function_response for part in last.parts):
            part = types.Part(text=ANSWER)
        else:
            call = types.FunctionCall(name="look", args={"path": "hello.txt"})
            part = types.Part(function_call=call)
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


def look(path: str) -> dict[str, str]:
    """Look."""
    return {"result": "hello"}


def said(text: str) -> types.Content:
    """A user's words."""
    return types.Content(role="user", parts=[types.Part(text=text)])


async def measure(directory: Path, each: int, turns: int) -> dict[str, object]:
    """Take both figures."""
    service = DatabaseSessionService(f"sqlite+aiosqlite:///{directory}/append.db")
    sessions = [
        await service.create_session(app_name="bench", user_id="u", session_id=f"s{n}")
        for n in range(SESSIONS)
    ]

    async def append(session: int) -> None:
        event = Event(author="user", invocation_id="i", content=said(TEXT))
        await service.append_event(sessions[session], event)

    await append(0)
    appended = await rate(append, max(1, each // 8))
    service = DatabaseSessionService(f"sqlite+aiosqlite:///{directory}/turns.db")
    agent = LlmAgent(name="bench", model=InstantModel(model="instant"), tools=[look])
    runner = Runner(app_name="bench", agent=agent, session_service=service)
    await service.create_session(app_name="bench", user_id="u", session_id="one")

    async def turn() -> str:
        text = ""
        async for event in runner.run_async(
            user_id="u", session_id="one", new_message=said(PROMPT)
        ):
            for part in event.content.parts if event.content else ():
                text = part.text or text
        return text

    return {"append_128": appended, "turn_ms": await timed_turns(turn, turns)}


if __name__ == "__main__":
    main(("google-adk",), measure, "DatabaseSessionService, sqlite+aiosqlite, one file")
