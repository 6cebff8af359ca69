"""The seeds' manager methods by session id."""

from __future__ import annotations

import pytest

from holdfast.core.errors import NoModel, SessionNotFound
from holdfast.core.tools import Nature
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, memory, run, texts, tool


def test_each_method_by_id_does_what_the_handle_does() -> None:
    """generate, history, clear, pause, resume, end, reopen, configure and the rest."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            assert "re: q" == (await sessions.generate("one", "q")).text
            assert ["q", "re: q"] == texts(await sessions.history("one"))
            assert 15 == (await sessions.context_usage("one")).used_tokens
            assert await sessions.pause_session("one")
            assert not await sessions.pause_session("one")
            assert await sessions.resume_session("one")
            assert not await sessions.resume_session("one")
            assert not await sessions.cancel_operation("one")
            await sessions.configure("one", thinking=True, budget=77)
            settings = (await (await sessions.get_session("one")).view()).settings
            assert (True, 77) == (settings.thinking, settings.thinking_tokens)
            await sessions.rewind("one", 1)
            assert [] == await sessions.history("one")
            await sessions.clear("one")
            await sessions.end_session("one")
            await sessions.end_session("one")
            await sessions.reopen_session("one")
            assert "re: z" == (await sessions.generate("one", "z")).text

    run(work())


def test_generate_streaming_gives_events_and_a_result() -> None:
    """The task finishes whether or not anybody reads the events, and there is one turn."""

    async def work() -> None:
        model = echo()
        async with memory(model) as sessions:
            await sessions.create_session("one")
            events, task = await sessions.generate_streaming("one", "q")
            kinds = [event.type async for event in events]
            assert ("agent_start", "agent_end") == (kinds[0], kinds[-1])
            assert "re: q" == (await task).text
            _, task = await sessions.generate_streaming("one", "r")
            assert "re: r" == (await task).text
            assert 2 == len(model.requests)
            with pytest.raises(SessionNotFound):
                await sessions.generate_streaming("nobody", "q")

    run(work())


def test_the_default_model_is_swapped_while_sessions_live() -> None:
    """Later turns go to the new default; without one a turn says so and the message stays."""

    async def work() -> None:
        first, second = ScriptedModel([say("one")]), ScriptedModel([say("two")])
        async with memory(first) as sessions:
            await sessions.create_session("one")
            assert "one" == (await sessions.generate("one", "q")).text
            await sessions.set_default_llm(second)
            assert "two" == (await sessions.generate("one", "q")).text
            assert 3 == len(second.requests[0].messages)
            await sessions.set_default_llm(None)
            assert await sessions.get_llm_for_session("one") is None
            before = texts(await sessions.history("one"))
            with pytest.raises(NoModel):
                await sessions.generate("one", "lost?")
            assert before == texts(await sessions.history("one"))[: len(before)]
            await sessions.set_default_llm(ScriptedModel([say("three")]))
            assert "three" == (await sessions.generate("one", "q")).text

    run(work())


def test_list_tools_is_sorted() -> None:
    """All tools this installation offers, by name."""

    def b() -> str:
        return ""

    def a() -> str:
        return ""

    async def work() -> None:
        async with memory(echo(), tool(b), tool(a, nature=Nature.READ_ONLY)) as sessions:
            assert ["a", "b"] == [spec.name for spec in sessions.list_tools()]

    run(work())
