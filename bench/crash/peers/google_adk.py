"""Google ADK: `Runner.run_async` with a `DatabaseSessionService` on SQLite.

Resuming is documented for apps with `ResumabilityConfig` (RESUMABLE=1): run with the id of
the invocation that was cut off. Without it one sends the next message.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Any

from crashpeer import Entries, barrier, charge, delay, folder, main, think
from google.adk.agents import LlmAgent
from google.adk.apps import App, ResumabilityConfig
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import DatabaseSessionService
from google.genai import types

WHO = {"app_name": "bench", "user_id": "u", "session_id": "one"}


def entries_of(contents: list[types.Content]) -> Entries:
    """Contents as entries."""
    found: Entries = []
    for content in contents:
        role = "user" if content.role == "user" else "assistant"
        for part in content.parts or []:
            if part.function_call:
                found.append(("call", f"{part.function_call.name} {part.function_call.args}"))
            elif part.function_response:
                response = part.function_response.response or {}
                found.append(("error" if "error" in response else "result", str(response)))
            elif part.text:
                found.append((role, part.text))
    return found


class Scripted(BaseLlm):
    """Plays the script."""

    async def generate_content_async(
        self, llm_request: Any, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answer."""
        said = think(entries_of(llm_request.contents))
        await delay()
        if said is None:
            call = types.FunctionCall(name="charge", args={"amount": "42"})
            part = types.Part(function_call=call)
        else:
            part = types.Part(text=said)
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


def service() -> DatabaseSessionService:
    """The durable store."""
    return DatabaseSessionService(f"sqlite+aiosqlite:///{folder()}/peer.db")


async def run(**given: Any) -> str:
    """One invocation."""
    agent = LlmAgent(name="bench", model=Scripted(model="scripted"), tools=[charge])
    resumable = ResumabilityConfig(is_resumable=bool(os.environ.get("RESUMABLE")))
    app = App(name="bench", root_agent=agent, resumability_config=resumable)
    runner = Runner(app=app, session_service=service())
    barrier()
    text = ""
    async for event in runner.run_async(user_id="u", session_id="one", **given):
        for part in (event.content.parts or []) if event.content else []:
            text = part.text or text
    return text


async def setup() -> None:
    """Make the session."""
    await service().create_session(**WHO)


async def send(text: str) -> str:
    """One turn."""
    return await run(new_message=types.Content(role="user", parts=[types.Part(text=text)]))


async def resume() -> str:
    """The documented way."""
    session = await service().get_session(**WHO)
    assert session is not None, "it was made"
    return await run(invocation_id=session.events[-1].invocation_id)


async def read() -> Entries:
    """What is stored."""
    session = await service().get_session(**WHO)
    assert session is not None, "it was made"
    return entries_of([event.content for event in session.events if event.content])


if __name__ == "__main__":
    main(
        ("google-adk",),
        "DatabaseSessionService, sqlite+aiosqlite",
        setup=setup,
        send=send,
        read=read,
        resume=resume,
    )
