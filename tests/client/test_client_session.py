"""Talking with a session of a server."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from clienthelp import IMPATIENT, canned, pair, streaming
from holdfast.bootstrap import SessionManager
from holdfast.client import Client, ClientSettings
from holdfast.client.values import StreamEvent
from holdfast.core.errors import (
    BadAnswer,
    Busy,
    Cancelled,
    CommandMismatch,
    Denied,
    Interrupted,
    InvalidInput,
    NoModel,
    ProviderFailed,
)
from holdfast.testing.script import Failure, Turn, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, on_file, registry, run
from streamkit import KILLS, Nursery, killable


def test_a_message_is_answered_once() -> None:
    """The same id again gives the first answer and pays nothing twice."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            id = os.urandom(16)
            first = await session.generate("hi", command_id=id)
            assert ("re: hi", 10, 0, True) == (
                first.text,
                first.usage.input_tokens,
                first.tool_calls_count,
                first.trusted,
            )
            assert first == await session.generate("hi", command_id=id)
            assert first.version == await session.version()
            with pytest.raises(CommandMismatch):
                await session.generate("another", command_id=id)
            assert 2 == len(await session.history())
            for wrong in (3, None, b"hi"):
                with pytest.raises(InvalidInput):
                    await session.generate(wrong)  # type: ignore[arg-type]  # the point of the test
            with pytest.raises(InvalidInput):
                await session.generate("hi", policy="sometimes")

    run(main())


def test_runs_that_end_otherwise_are_the_librarys_errors() -> None:
    """The same error of the same class as whoever asks the manager itself gets."""

    async def main() -> None:
        turns = [
            Turn(failure=Failure(message="broken")),
            Turn(failure=Failure(message="broken")),
            Turn(hang=True),
            Turn(hang=True),
            say("never"),
        ]
        async with pair(sessions=memory(ScriptedModel(turns))) as found:
            near = await found.served.sessions.create_session("one")
            far = await found.client.get_session("one")
            errors = []
            for each in (near, far):
                with pytest.raises(ProviderFailed) as failed:
                    await each.generate("go")
                errors.append((failed.value.reason, failed.value.message))
            assert errors[0] == errors[1]
            for each in (near, far):
                running = asyncio.create_task(each.generate("go"))
                while (await near.view()).turn is None:
                    await asyncio.sleep(0.01)
                with pytest.raises(Busy):
                    await far.generate("more", policy="reject")
                assert await far.cancel()
                with pytest.raises(Cancelled):
                    await running
            await far.set_budget({"run_tokens": 1})
            for each in (near, far):
                running = asyncio.create_task(each.generate("go"))
                while not (asked := await far.approvals()):
                    await asyncio.sleep(0.01)
                await far.answer(asked[0].question, "deny")
                with pytest.raises(Denied):
                    await running

    run(main())


def test_without_a_model_nothing_is_waited_for() -> None:
    """Waiting ends nothing there: the error comes at once, though its status is 503."""

    async def main() -> None:
        async with pair(sessions=SessionManager(None, registry())) as found:
            session = await found.client.create_session("one")
            async with asyncio.timeout(2):
                with pytest.raises(NoModel):
                    await session.generate("hi")

    run(main())


def test_leaving_detaches() -> None:
    """The turn goes on whoever waits for it; the session's end ends the wait."""

    async def main() -> None:
        async with pair(ScriptedModel([say("a", "b", delay_s=0.05), Turn(hang=True)])) as found:
            session = await found.client.create_session("one")
            async with aclosing(session.stream("hi")) as events:
                async for event in events:
                    if event.type == "text_delta":
                        break
            while len(await session.history()) < 2:
                await asyncio.sleep(0.02)
            hanging = asyncio.create_task(session.generate("again"))
            while (await session.info()).state != "Processing":
                await asyncio.sleep(0.01)
            await found.client.terminate_session("one")
            with pytest.raises((Interrupted, Cancelled)):
                await hanging

    run(main())


@pytest.mark.parametrize("version", [-1, True, "3", 1.5])
def test_a_version_is_a_number(version: int) -> None:
    """Nothing else names a place in a log."""

    async def main() -> None:
        async with canned() as server, Client(server.url, settings=IMPATIENT) as client:
            with pytest.raises(InvalidInput):
                await anext(client._named("one").subscribe_events(version))
            assert 0 == server.connections

    run(main())


def test_a_run_that_ends_strangely_is_refused() -> None:
    """An end without its facts is no answer, and an end of the session none either."""

    async def main() -> None:
        head = '{"session": "one", "version": 5, "time_ms": 1, "run": 2, "type": '
        odd = [
            "data: " + head + '"agent_end"}',
            "data: " + head + '"agent_end", "outcome": "completed", "text": 3}',
        ]
        for frame in odd:
            async with (
                canned(streaming(frame)) as server,
                Client(server.url, settings=IMPATIENT) as client,
            ):
                with pytest.raises(BadAnswer):
                    await client.generate("one", "hi")
        async with (
            canned(streaming("data: " + head + '"session_ended"}')) as server,
            Client(server.url, settings=IMPATIENT) as client,
        ):
            with pytest.raises(Interrupted):
                await client.generate("one", "hi")

    run(main())


@pytest.mark.slow
def test_a_killed_server_is_waited_for(tmp_path: Path) -> None:
    """A message whose server is killed again and again is answered once, in one stream."""
    patient = ClientSettings(patience_s=60.0, tries_max=10_000, wait_s_min=0.01, wait_s_max=0.05)

    async def main(nursery: Nursery) -> list[StreamEvent]:
        async with on_file(tmp_path) as sessions:
            await sessions.create_session("one")
            made = await sessions.tokens.create("user:ann", "operator", session="")
        got, starting = [], asyncio.get_running_loop().create_future()
        starting.set_result(None)
        async with (
            killable(nursery, tmp_path) as server,
            Client(server.url, token=made.guard_token, settings=patient) as client,
        ):
            session = await client.get_session("one")
            async with aclosing(session.stream("hang")) as events:
                async for event in events:
                    got.append(event)
                    begun = [one.type for one in got].count("turn_start")
                    if event.type == "turn_start" and begun <= KILLS:
                        await starting
                        server.kill()
                        starting = asyncio.create_task(server.start())
            await starting
            texts = [one.text for one in await session.history()]
            assert ["hang", got[-1].data["text"]] == texts
            replayed = []
            async with aclosing(session.subscribe_events(0)) as events:
                async for event in events:
                    replayed.append(event)
                    if event.type == "agent_end":
                        break
        assert [one for one in got if not one.live] == replayed[1:]
        return got

    nursery = Nursery()
    try:
        got = asyncio.run(main(nursery))
    finally:
        nursery.close()
    assert "".join(f"hang-{piece} " for piece in range(6)) == got[-1].data["text"]
    assert KILLS == [one.type for one in got].count("restarted")
