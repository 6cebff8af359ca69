"""Talking to a session: order, queue policies, command ids, streams."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from holdfast.core.errors import (
    Busy,
    Cancelled,
    CommandMismatch,
    InvalidInput,
    NotNow,
    ProviderFailed,
)
from holdfast.core.messages import Role
from holdfast.core.tools import Nature
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import Turn, call, fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import answer_last, echo, last_user, on_file, one_session, run, texts, tool, until

ID = bytes(range(16))


# --- order ----------------------------------------------------------------------------


def test_fifty_concurrent_generates_are_fifty_ordered_exchanges() -> None:
    """Each of 50 concurrent callers gets its own answer and each request saw the one before."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            answers = await asyncio.gather(*(session.generate(f"q{i}") for i in range(50)))
            assert [f"re: q{i}" for i in range(50)] == [a.text for a in answers]
            expected = [t for i in range(50) for t in (f"q{i}", f"re: q{i}")]
            assert expected == texts(await session.history())
            for i, request in enumerate(model.requests):
                assert expected[: 2 * i + 1] == texts(request.messages)
            assert [] == model.problems
            info = await session.info()
            assert (50, 50) == (info.message_count, info.turn_count)
            total = await session.total_usage()
            assert (500, 250) == (total.input_tokens, total.output_tokens)

    run(work())


def test_concurrent_generates_survive_a_restart_in_order(tmp_path: Path) -> None:
    """What 20 concurrent callers said is in the file, in the order it was answered."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await asyncio.gather(*(session.generate(f"q{i}") for i in range(20)))
            before = texts(await session.history())
        async with on_file(tmp_path, echo()) as sessions:
            assert before == texts(await (await sessions.get_session("one")).history())
            assert 40 == len(before)
            assert [f"q{i}" for i in range(20)] == before[::2]

    run(work())


# --- queue policies -------------------------------------------------------------------


def test_enqueue_waits_for_the_end_of_the_turn() -> None:
    """The default policy answers a second message after the first."""

    async def work() -> None:
        gate = asyncio.Event()

        async def wait() -> str:
            await gate.wait()
            return "waited"

        model = ScriptedModel([call("wait"), say("first"), say("second")])
        async with one_session(model, tool(wait, nature=Nature.READ_ONLY)) as session:
            one = asyncio.create_task(session.generate("a"))
            await until(lambda: len(model.requests) == 1)
            two = asyncio.create_task(session.generate("b"))
            await until_queued(session)
            gate.set()
            assert ("first", "second") == ((await one).text, (await two).text)
            assert ["a", "", "first", "b", "second"] == texts(await session.history())

    run(work())


async def until_queued(session: object) -> None:
    """Wait until a message stands in the inbox."""
    where = session.where
    while not await where.backend.store.pending(where.stream):
        await asyncio.sleep(0.002)


def test_reject_refuses_a_second_message_and_leaves_no_trace() -> None:
    """With `reject` a message during a turn is Busy."""

    async def work() -> None:
        model = ScriptedModel([hang("hm"), say("x")])
        async with one_session(model) as session:
            first = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
            version = await session.version()
            with pytest.raises(Busy):
                await session.generate("b", policy="reject")
            assert version == await session.version()
            await session.cancel()
            with pytest.raises(Cancelled):
                await first
            assert "b" not in texts(await session.history())

    run(work())


def test_interrupt_ends_the_turn_and_answers_the_new_message() -> None:
    """With `interrupt` the running turn is cancelled, keeps its words, and the new one runs."""

    async def work() -> None:
        model = ScriptedModel([hang("half"), say("new")])
        async with one_session(model) as session:
            first = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
            answer = await session.generate("b", policy="interrupt")
            assert "new" == answer.text
            with pytest.raises(Cancelled):
                await first
            assert ["a", "half", "b", "new"] == texts(await session.history())
            assert [] == model.problems

    run(work())


def test_steer_joins_the_running_turn() -> None:
    """With `steer` the message is seen by the next call of the same turn."""

    async def work() -> None:
        gate = asyncio.Event()

        async def wait() -> str:
            await gate.wait()
            return "waited"

        model = ScriptedModel([call("wait"), answer_last])
        async with one_session(model, tool(wait, nature=Nature.READ_ONLY)) as session:
            first = asyncio.create_task(session.generate("a"))
            await until(lambda: len(model.requests) == 1)
            second = asyncio.create_task(session.generate("rather b", policy="steer"))
            await until_texts(session, "rather b")
            gate.set()
            assert "re: rather b" == (await first).text == (await second).text
            assert 1 == (await session.info()).turn_count
            assert [] == model.problems

    run(work())


async def until_texts(session: object, text: str) -> None:
    """Wait until something was said."""
    while text not in texts(await session.history()):
        await asyncio.sleep(0.002)


def test_steering_during_the_last_answer_gets_its_own_answer() -> None:
    """A steering message that comes while the model talks is answered in the same turn."""

    async def work() -> None:
        started = asyncio.Event()
        go = asyncio.Event()
        model = ScriptedModel([say("one", delay_s=0.05), answer_last])
        async with one_session(model) as session:
            first = asyncio.create_task(session.generate("a"))
            await until(lambda: len(model.requests) == 1)
            second = await session.generate("b", policy="steer")
            assert "re: b" == second.text == (await first).text
            assert ["a", "b", "one", "re: b"] == sorted(texts(await session.history()))
            assert [] == model.problems
            started.set(), go.set()

    run(work())


def test_an_unknown_policy_and_wrong_types_are_invalid_input() -> None:
    """Wrong values of public arguments are typed errors and leave no trace."""

    async def work() -> None:
        async with one_session(echo()) as session:
            version = await session.version()
            wrong: list[dict[str, object]] = [
                {"prompt": "x", "policy": "later"},
                {"prompt": 7},
                {"prompt": None},
                {"prompt": b"bytes"},
                {"prompt": ""},
                {"prompt": " \n"},
                {"prompt": "x", "command_id": "not bytes"},
                {"prompt": "x", "command_id": b"short"},
                {"prompt": "x", "by": 5},
            ]
            for arguments in wrong:
                with pytest.raises(InvalidInput):
                    await session.generate(**arguments)
            assert version == await session.version()

    run(work())


# --- command ids ----------------------------------------------------------------------


def test_the_same_command_id_pays_once_one_after_the_other() -> None:
    """A repeated id gets the first answer without another call of the model."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            first = await session.generate("q", command_id=ID)
            await session.generate("between")
            again = await session.generate("q", command_id=ID)
            assert "re: q" == first.text == again.text
            assert 2 == len(model.requests)
            assert first.version == again.version

    run(work())


def test_the_same_command_id_pays_once_concurrently() -> None:
    """Ten callers with one id get one turn."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            answers = await asyncio.gather(
                *(session.generate("q", command_id=ID) for _ in range(10))
            )
            assert {"re: q"} == {answer.text for answer in answers}
            assert 1 == len(model.requests)
            assert ["q", "re: q"] == texts(await session.history())

    run(work())


def test_the_same_command_id_pays_once_after_a_restart(tmp_path: Path) -> None:
    """The id is remembered in the store."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            first = await (await sessions.create_session("one")).generate("q", command_id=ID)
        model = echo()
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.get_session("one")
            assert first.text == (await session.generate("q", command_id=ID)).text
            assert 0 == len(model.requests)
            with pytest.raises(CommandMismatch):
                await session.generate("other", command_id=ID)

    run(work())


def test_another_body_under_the_same_command_id_is_refused() -> None:
    """Same id, other words: CommandMismatch, at once or while the first still runs."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with one_session(model) as session:
            first = asyncio.create_task(session.generate("q", command_id=ID))
            await model.hanging.wait()
            with pytest.raises(CommandMismatch):
                await session.generate("other", command_id=ID)
            await session.cancel()
            with pytest.raises(Cancelled):
                await first
            with pytest.raises(CommandMismatch):
                await session.generate("other", command_id=ID)

    run(work())


def test_a_repeated_id_of_a_failed_turn_fails_the_same_way() -> None:
    """The first outcome of a command is its outcome, also when it is a failure."""

    async def work() -> None:
        model = ScriptedModel([fail("no"), say("later")])
        async with one_session(model) as session:
            for _ in range(2):
                with pytest.raises(ProviderFailed):
                    await session.generate("q", command_id=ID)
            assert 1 == len(model.requests)

    run(work())


def test_a_repeated_id_of_a_queued_message_waits_with_it() -> None:
    """A second submission of a message that waits in the inbox shares its turn."""

    async def work() -> None:
        model = ScriptedModel([hang("x"), say("queued")])
        async with one_session(model) as session:
            first = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
            queued = [asyncio.create_task(session.generate("b", command_id=ID)) for _ in range(3)]
            await until_queued(session)
            await session.cancel()
            assert {"queued"} == {(await one).text for one in queued}
            with pytest.raises(Cancelled):
                await first
            assert 2 == len(model.requests)

    run(work())


# --- detaching ------------------------------------------------------------------------


def test_cancelling_the_waiting_task_does_not_cancel_the_turn() -> None:
    """`generate` detaches when its caller is cancelled; the turn goes on."""

    async def work() -> None:
        gate = asyncio.Event()

        async def wait() -> str:
            await gate.wait()
            return "ok"

        model = ScriptedModel([call("wait"), say("done")])
        async with one_session(model, tool(wait)) as session:
            task = asyncio.create_task(session.generate("q"))
            await until(lambda: len(model.requests) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gate.set()
            await until_texts(session, "done")
            assert 1 == (await session.info()).turn_count
            assert 0 == model.cancelled

    run(work())


def test_leaving_a_stream_early_detaches() -> None:
    """Leaving `async for` does not cancel the turn."""

    async def work() -> None:
        model = ScriptedModel([say("a", "b", "c")])
        async with one_session(model) as session:
            stream = session.stream("q")
            async for event in stream:
                if event.type == "agent_start":
                    break
            await stream.aclose()
            await until_texts(session, "abc")

    run(work())


# --- streams --------------------------------------------------------------------------


def test_a_stream_has_the_whole_run_in_order() -> None:
    """A stream begins with agent_start, ends with agent_end, and its deltas are the answer."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        model = ScriptedModel([call("look", text="I look."), say("it", " is")])
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            events = [event async for event in session.stream("q")]
            durable = [event.type for event in events if not event.live]
            assert [
                "agent_start",
                "turn_start",
                "turn_end",
                "tool_start",
                "tool_end",
                "turn_start",
                "turn_end",
                "agent_end",
            ] == durable
            deltas = "".join(str(e.data["text"]) for e in events if e.type == "text_delta")
            assert "I look.it is" == deltas
            versions = [event.version for event in events]
            assert versions == sorted(versions)
            assert 1 == len({event.run for event in events})

    run(work())


def test_a_stream_of_a_refused_message_raises() -> None:
    """A refused message is raised from the stream, not swallowed."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.end()
            with pytest.raises(NotNow):
                async for _ in session.stream("q"):
                    pass

    run(work())


def test_streaming_a_command_again_replays_its_run() -> None:
    """A repeated id streams the first run's durable events."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            first = [e async for e in session.stream("q", command_id=ID)]
            await session.generate("between")
            again = [e async for e in session.stream("q", command_id=ID)]
            durable = [(e.type, e.version) for e in first if not e.live]
            assert durable == [(e.type, e.version) for e in again]
            assert 2 == len(model.requests)

    run(work())


def test_fifty_streams_at_once_each_get_their_own_run() -> None:
    """Streams of queued messages do not mix."""

    async def work() -> None:
        async with one_session(echo()) as session:

            async def one(i: int) -> str:
                events = [e async for e in session.stream(f"q{i}")]
                assert "agent_end" == events[-1].type
                return "".join(str(e.data["text"]) for e in events if e.type == "text_delta")

            said = await asyncio.gather(*(one(i) for i in range(20)))
            assert [f"re: q{i}" for i in range(20)] == said

    run(work())


# --- subscribing ----------------------------------------------------------------------


def test_a_late_subscriber_sees_everything_once_and_then_live() -> None:
    """Replay, then live, without a gap and without a double, while turns run."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("before")
            seen: list[tuple[int, str]] = []
            ready = asyncio.Event()

            async def watch() -> None:
                async for event in session.subscribe_events(0):
                    ready.set()
                    if not event.live:
                        seen.append((event.version, event.type))
                    if event.type == "session_ended":
                        return

            watcher = asyncio.create_task(watch())
            await asyncio.gather(*(session.generate(f"q{i}") for i in range(10)), ready.wait())
            await session._core.terminate_session("one")
            await watcher
            versions = [version for version, _ in seen]
            assert versions == sorted(versions)
            assert len(seen) == len(set(seen))
            assert 11 == sum(1 for _, kind in seen if kind == "agent_end")
            assert "session_created" == seen[0][1]
            assert "session_ended" == seen[-1][1]

    run(work())


def test_every_subscription_point_gives_the_same_tail() -> None:
    """Subscribing behind any version gives exactly what came after it."""

    async def work() -> None:
        async with one_session(echo()) as session:
            for i in range(3):
                await session.generate(f"q{i}")
            head = await session.version()
            full = [e async for e in replayed(session, 0, head)]
            for start in range(head):
                tail = [e async for e in replayed(session, start, head)]
                assert [e for e in full if e.version > start] == tail

    run(work())


async def replayed(session: object, start: int, head: int):
    """The events behind `start` up to `head`."""
    stream = session.subscribe_events(start)
    async for event in stream:
        yield event
        if event.version == head:
            await asyncio.sleep(0)
            break
    await stream.aclose()


def test_a_slow_subscriber_is_told_what_it_missed() -> None:
    """A reader that does not read gets a gap with the versions it must fetch."""

    async def work() -> None:
        pieces = tuple(f"{i} " for i in range(700))
        async with one_session(ScriptedModel(itertools.repeat(say(*pieces)))) as session:
            stream = session.subscribe_events(await session.version())
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.01)
            for _ in range(3):
                await session.generate("q")
            got = [await first]
            head = await session.version()
            async for event in stream:
                got.append(event)
                if event.type == "gap":
                    break
            gap = got[-1]
            assert int(str(gap.data["from_version"])) <= int(str(gap.data["to_version"])) <= head
            missed = range(int(str(gap.data["from_version"])), int(str(gap.data["to_version"])) + 1)
            assert len(missed) > 0
            await stream.aclose()

    run(work())


def test_a_failed_turn_keeps_the_message_and_the_session_goes_on() -> None:
    """A provider's failure is ProviderFailed; what the user said stays and the next turn works."""

    async def work() -> None:
        model = ScriptedModel([fail("overloaded"), answer_last])
        async with one_session(model) as session:
            with pytest.raises(ProviderFailed, match="overloaded"):
                await session.generate("q1")
            assert ["q1"] == texts(await session.history())
            assert "re: q2" == (await session.generate("q2")).text
            assert "q1" in [p.text for p in model.requests[-1].messages[0].parts]
            assert [] == model.problems
            assert "q2" == last_user(model.requests[-1].messages)

    run(work())


def test_text_that_comes_with_tool_calls_is_kept() -> None:
    """Words beside a tool call are part of the history and are sent again."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        model = ScriptedModel([call("look", text="Let me look."), say("done")])
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            await session.generate("q")
            assert ["q", "Let me look.", "done"] == texts(await session.history())
            roles = [m.role for m in model.requests[-1].messages]
            assert [Role.USER, Role.ASSISTANT, Role.TOOL] == roles
            assert "Let me look." == model.requests[-1].messages[1].text

    run(work())


def test_hostile_text_survives_the_round_trip(tmp_path: Path) -> None:
    """Lone surrogates are replaced, NUL and odd characters are kept, in store and request."""

    async def work() -> None:
        hostile = "a\x00b\ud800c\u202e\U0001f600\r\n\x1b[31m"
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one", SessionConfig(system_prompt=hostile))
            answer = await session.generate(hostile)
            assert "re: a\x00b?c\u202e\U0001f600\r\n\x1b[31m" == answer.text
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.get_session("one")
            assert "a\x00b?c\u202e\U0001f600\r\n\x1b[31m" == (await session.history())[0].text
            assert "?" in await session.system_prompt()

    run(work())


def test_a_four_megabyte_message_is_kept_and_a_larger_one_refused(tmp_path: Path) -> None:
    """The limit of a message is 4 MB; what fits survives a restart."""

    async def work() -> None:
        size = 4 * 1024 * 1024
        model = ScriptedModel([Turn(steps=say("ok").steps)])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            assert "ok" == (await session.generate("x" * size)).text
            with pytest.raises(InvalidInput):
                await session.generate("x" * (size + 1))
        async with on_file(tmp_path, echo()) as sessions:
            history = await (await sessions.get_session("one")).history()
            assert size == len(history[0].text)

    run(work())
