"""Talking with a session of a server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import aclosing
from pathlib import Path

import pytest

from clienthelp import IMPATIENT, canned, pair, streaming
from holdfast.bootstrap import SessionManager
from holdfast.client import Client, ClientSettings
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
from sessionhelp import memory, registry, run


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


SERVER = """
    import asyncio, os, sys
    import uvicorn
    from holdfast.server.app import create_app
    from holdfast.testing.script import Turn, say
    from holdfast.testing.scripted import ScriptedModel
    from pathlib import Path
    from sessionhelp import on_file

    port, place, slow = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "slow"

    async def main():
        turn = say("one ", "two ", "three", delay_s=60.0) if slow else say("one ", "two ", "three")
        async with on_file(place, ScriptedModel([turn])) as sessions:
            if slow:
                await sessions.create_session("one")
                made = await sessions.tokens.create("user:ann", "operator", session="")
                print(made.guard_token, flush=True)
            app = create_app(sessions)
            config = uvicorn.Config(app, port=port, lifespan="off", log_config=None)
            await uvicorn.Server(config).serve()

    asyncio.run(main())
"""


@pytest.mark.slow
def test_a_killed_server_is_waited_for(tmp_path: Path) -> None:
    """A message whose server is killed is answered by the next one, once, in one stream."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    program = [sys.executable, "-c", textwrap.dedent(SERVER), str(port), str(tmp_path)]
    tests = Path(__file__).parent.parent
    paths = os.pathsep.join([str(tests), str(tests.parent / "src")])
    environment = {**os.environ, "PYTHONPATH": paths}

    def start(speed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*program, speed], stdout=subprocess.PIPE, text=True, env=environment
        )

    first = start("slow")
    processes = [first]
    patient = ClientSettings(patience_s=30.0, tries_max=1000, wait_s_min=0.02, wait_s_max=0.1)

    async def main(token: str) -> list[tuple[int, str]]:
        got = []
        async with Client(f"http://127.0.0.1:{port}", token=token, settings=patient) as client:
            session = await client.get_session("one")
            async with aclosing(session.stream("count")) as events:
                async for event in events:
                    got.append(event)
                    if event.type == "turn_start" and len(processes) == 1:
                        first.send_signal(signal.SIGKILL)
                        await asyncio.to_thread(first.wait)
                        processes.append(start("fast"))
            assert ["count", "one two three"] == [one.text for one in await session.history()]
        assert "one two three" == got[-1].data["text"]
        return [(one.version, one.type) for one in got if not one.live]

    try:
        assert first.stdout is not None
        token = first.stdout.readline().strip()
        assert token
        shown = asyncio.run(main(token))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert len(set(shown)) == len(shown)
    assert shown == sorted(shown, key=lambda one: one[0])
    assert ("agent_start", "agent_end") == (shown[0][1], shown[-1][1])
    assert "restarted" in [name for _, name in shown]
