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


def test_behind_a_turn_that_waits_for_a_person() -> None:
    """The message is kept, and whoever sent it is told what it waits for."""

    async def work() -> None:
        model = ScriptedModel([call("look", {}), say("first"), say("second")])
        async with memory(model, tool(look, params=["text"])) as sessions:
            session = await sessions.create_session("a")
            first = await converse(session, "go", id=b"a" * 16, wait_s=10)
            for _ in range(2):
                behind = await converse(session, "next", id=b"b" * 16, wait_s=10)
                assert (None, first.question) == (behind.result, behind.question)
            await session.answer_approval(first.question, "deny")
            later = await converse(session, "next", id=b"b" * 16, wait_s=10)
            assert later.result is not None and "second" == later.result.text
            assert 2 == (await session.info()).message_count

    run(work())
