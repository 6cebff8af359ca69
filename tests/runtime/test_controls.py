"""Reading and controlling a session through its handle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.core.errors import IllegalTransition, InvalidInput, NotNow
from holdfast.core.labels import Integrity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Role, Text, assistant
from holdfast.core.quantities import Usage
from holdfast.core.settings import QueuePolicy
from holdfast.runtime.config import ContextUsage, SessionConfig
from holdfast.testing.script import hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, last_user, memory, on_file, one_session, run, texts

# --- lifecycle ------------------------------------------------------------------------


def test_pause_only_from_active_or_processing_and_resume_only_from_paused() -> None:
    """Pause and resume are true once each, and false everywhere else."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with one_session(model) as session:
            assert not await session.resume()
            assert await session.pause("why")
            assert not await session.pause()
            assert "why" == (await session.info()).state_reason
            assert await session.resume()
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            assert SessionState.PROCESSING is await session.state()
            assert await session.pause()
            assert SessionState.PAUSED is await session.state()
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await session.end()
            assert not await session.pause()
            assert not await session.resume()

    run(work())


@pytest.mark.parametrize("state", [SessionState.COMPLETED, SessionState.ERROR])
def test_an_ended_session_refuses_messages_until_it_is_reopened(state: SessionState) -> None:
    """Completed and error sessions take no message; reopened ones go on."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("a")
            await session.set_state(state, "because")
            assert "because" == (await session.info()).state_reason
            assert not await session.is_active()
            for act in (session.generate("b"), session.add_message("b")):
                with pytest.raises(NotNow):
                    await act
            await session.reopen()
            assert "re: c" == (await session.generate("c")).text
            assert ["a", "re: a", "c", "re: c"] == texts(await session.history())

    run(work())


@pytest.mark.parametrize("state", ["Terminated", "Creating", "Processing", "nonsense", "", 7, None])
def test_states_that_are_not_set_by_hand_are_refused(state: object) -> None:
    """`set_state` walks the table's edges and no others."""

    async def work() -> None:
        async with one_session(echo()) as session:
            version = await session.version()
            with pytest.raises((IllegalTransition, InvalidInput)):
                await session.set_state(state)
            assert version == await session.version()
            assert "re: q" == (await session.generate("q")).text

    run(work())


# --- settings -------------------------------------------------------------------------


def test_configure_survives_a_restart_and_none_changes_nothing(tmp_path: Path) -> None:
    """Thinking and its budget are durable; None leaves a part as it is."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.configure(thinking=True, budget=4321)
            await session.configure()
            await session.configure(thinking=None, budget=None)
            await session.set_queue_policy("steer")
        model = echo()
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.get_session("one")
            settings = (await session.view()).settings
            assert (True, 4321, QueuePolicy.STEER) == (
                settings.thinking,
                settings.thinking_tokens,
                settings.queue_policy,
            )
            await session.generate("q")
            assert 4321 == model.requests[0].thinking_tokens
            await session.configure(thinking=False)
            await session.generate("q")
            assert model.requests[1].thinking_tokens is None
            assert 4321 == (await session.view()).settings.thinking_tokens

    run(work())


def test_concurrent_changes_of_different_details_are_all_kept() -> None:
    """Title, tags, metadata and settings set at the same moment do not undo each other."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await asyncio.gather(
                session.set_title("T"),
                session.set_tags(["t"]),
                *(session.set_custom(f"k{i}", i) for i in range(10)),
                session.configure(thinking=True),
                session.configure(budget=99),
                session.set_queue_policy("reject"),
            )
            view = await session.view()
            assert ("T", ("t",)) == (view.details.title, view.details.tags)
            assert {f"k{i}": i for i in range(10)} == dict(await session.metadata())
            assert (True, 99, QueuePolicy.REJECT) == (
                view.settings.thinking,
                view.settings.thinking_tokens,
                view.settings.queue_policy,
            )

    run(work())


def test_metadata_is_set_replaced_and_removed() -> None:
    """None removes an entry, also one that is not there; odd values are refused."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.set_metadata("a", [1, {"b": None}])
            await session.set_custom("a", "x")
            assert {"a": "x"} == dict(await session.metadata())
            await session.set_custom("a", None)
            await session.set_custom("never", None)
            assert {} == dict(await session.metadata())
            for value in (object(), float("nan"), {1, 2}, "x" * 20_000):
                with pytest.raises(InvalidInput):
                    await session.set_custom("k", value)
            with pytest.raises(InvalidInput):
                await session.set_custom(5, "x")
            await session.set_custom("\ud800", "\ud800")
            assert {"?": "?"} == dict(await session.metadata())

    run(work())


def test_wrong_types_of_details_are_invalid_input() -> None:
    """Titles, tags, prompts, budgets and policies of a wrong type leave no trace."""

    async def work() -> None:
        async with one_session(echo()) as session:
            version = await session.version()
            attempts = [
                lambda: session.set_title(5),
                lambda: session.set_title("x" * 501),
                lambda: session.set_tags("abc"),
                lambda: session.set_tags([1]),
                lambda: session.set_tags(["x"] * 65),
                lambda: session.set_system_prompt(None),
                lambda: session.configure(thinking="yes"),
                lambda: session.configure(budget="many"),
                lambda: session.configure(budget=-1),
                lambda: session.configure(model_config="gpt"),
                lambda: session.set_queue_policy("later"),
                lambda: session.add_message(5),
                lambda: session.add_message(""),
                lambda: session.rewind("1"),
                lambda: session.rewind(0),
                lambda: session.rewind(10_000),
            ]
            for number, attempt in enumerate(attempts):
                with pytest.raises(InvalidInput):
                    await attempt()
                    pytest.fail(f"attempt {number} was accepted")
            assert version == await session.version()
            assert "re: q" == (await session.generate("q")).text

    run(work())


# --- money ----------------------------------------------------------------------------


def test_usage_is_the_sum_of_the_records_and_survives(tmp_path: Path) -> None:
    """Every model call has a record; totals are their sum before and after a restart."""

    async def work() -> None:
        spent = [Usage(input_tokens=10 * i, output_tokens=i, cost_micros=7 * i) for i in (1, 2, 3)]
        model = ScriptedModel([say("x", usage=usage) for usage in spent])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            answers = [await session.generate(f"q{i}") for i in range(3)]
            assert spent == [answer.usage for answer in answers]
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.get_session("one")
            records = await session.cost_records()
            assert spent == [record.usage for record in records]
            assert {"scripted"} == {record.model for record in records}
            total = await session.total_usage()
            assert (60, 6, 42) == (total.input_tokens, total.output_tokens, total.cost_micros)

    run(work())


def test_clear_and_rewind_keep_money_and_limits() -> None:
    """What the model sees changes; usage, records, counts and the limit do not."""

    async def work() -> None:
        model = echo()
        async with one_session(model, config=SessionConfig(max_context_length=5000)) as session:
            assert ContextUsage(0, 5000, 0.0, 0) == await session.context_usage()
            await session.generate("a")
            middle = await session.version()
            await session.generate("b")
            total, records = await session.total_usage(), await session.cost_records()
            await session.rewind(middle)
            assert ["a", "re: a"] == texts(await session.history())
            assert "re: c" == (await session.generate("c")).text
            assert ["a", "re: a", "c"] == texts(model.requests[-1].messages)
            await session.clear()
            assert [] == await session.history()
            usage = await session.context_usage()
            assert (0, 5000, 0.0) == (usage.used_tokens, usage.max_tokens, usage.percent)
            assert total.input_tokens + 10 == (await session.total_usage()).input_tokens
            assert len(records) + 1 == len(await session.cost_records())
            assert 3 == (await session.info()).message_count
            assert "re: d" == (await session.generate("d")).text
            assert ["d"] == texts(model.requests[-1].messages)

    run(work())


def test_the_context_of_a_new_session_is_the_default() -> None:
    """0 of 200,000 tokens."""

    async def work() -> None:
        async with one_session(echo()) as session:
            assert ContextUsage(0, 200_000, 0.0, 0) == await session.context_usage()
            await session.generate("q")
            usage = await session.context_usage()
            assert (15, 1) == (usage.used_tokens, usage.turns)
            assert 0 < usage.percent < 1

    run(work())


def test_rewind_during_a_turn_is_refused() -> None:
    """What the model sees is not changed under a running turn."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with one_session(model) as session:
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            for act in (session.clear(), session.rewind(1), session.add_message("x")):
                with pytest.raises(NotNow):
                    await act
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())


# --- history --------------------------------------------------------------------------


def test_added_messages_are_untrusted_and_keep_the_conversation_valid() -> None:
    """Messages of both roles are taken in, in order, as untrusted."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            await session.add_message(assistant("I was here first"))
            await session.add_message("so was \ud800 I")
            await session.add_message(assistant("again"))
            history = await session.history()
            assert [Role.ASSISTANT, Role.USER, Role.ASSISTANT] == [m.role for m in history]
            assert {Integrity.UNTRUSTED} == {m.label.integrity for m in history}
            assert "re: now" == (await session.generate("now")).text
            assert [] == model.problems
            assert "now" == last_user(model.requests[0].messages)
            for role in (Role.SYSTEM, Role.TOOL):
                with pytest.raises(InvalidInput):
                    await session.add_message(Message(role, (Text("x"),)))
            assert 2 == len(await session.last_messages(2))
            assert [] == await session.last_messages(0)

    run(work())


def test_the_system_prompt_is_sent_and_changed() -> None:
    """The prompt of the moment goes with each request; "" removes it."""

    async def work() -> None:
        model = echo()
        async with one_session(model, config=SessionConfig(system_prompt="one")) as session:
            await session.generate("a")
            await session.set_system_prompt("two")
            await session.generate("b")
            await session.set_system_prompt("")
            await session.generate("c")
            assert ["one", "two", ""] == [request.system or "" for request in model.requests]

    run(work())


def test_reads_do_not_wait_for_a_turn() -> None:
    """Info, history and listings answer while a hundred sessions hang in a turn."""

    async def work() -> None:
        model = ScriptedModel([hang("x") for _ in range(30)])
        async with memory(model) as sessions:
            tasks = []
            for i in range(30):
                session = await sessions.create_session(f"s{i}")
                tasks.append(asyncio.create_task(session.generate("q")))
            while len(model.requests) < 30:
                await asyncio.sleep(0.005)
            loop = asyncio.get_running_loop()
            started = loop.time()
            page = await sessions.list_sessions()
            await (await sessions.get_session("s3")).info()
            assert 30 == len(page.sessions)
            assert {"Processing"} == {one.state for one in page.sessions}
            assert loop.time() - started < 0.5
            for i in range(30):
                assert await sessions.cancel_operation(f"s{i}")
            await asyncio.gather(*tasks, return_exceptions=True)

    run(work())
