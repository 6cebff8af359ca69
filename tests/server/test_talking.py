"""A message in one request: an answer, a question, or no time left."""

from __future__ import annotations

from holdfast.server.talking import converse
from holdfast.testing.script import call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run, tool


def look(text: str = "") -> str:
    """A tool."""
    return text


def test_three_ways_out() -> None:
    """The same id again comes to the same."""

    async def work() -> None:
        model = ScriptedModel([say("yes"), call("look", {}), hang()])
        async with memory(model, tool(look, params=["text"])) as sessions:
            session = await sessions.create_session("a")
            said = [await converse(session, "hi", id=b"a" * 16, wait_s=10) for _ in range(2)]
            assert ["yes", "yes"] == [one.result.text for one in said if one.result]
            asked = await converse(session, "go", id=b"b" * 16, wait_s=10)
            assert (None, True) == (asked.result, asked.question > 0)
            await session.answer_approval(asked.question, "deny")
            later = await converse(session, "go", id=b"b" * 16, wait_s=0.2)
            assert (None, 0) == (later.result, later.question)
            await session.cancel()

    run(work())
