"""The inbox: what waits is durable, in order, once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.core.commands import Pause, Send
from holdfast.core.errors import Cancelled, CommandMismatch, HoldfastError, NotNow
from holdfast.core.messages import user
from holdfast.ports.store import PendingKind
from holdfast.runtime.host import Handled, Mail
from holdfast.runtime.inbox import Inbox
from holdfast.testing.script import hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, on_file, one_session, run, texts


def test_queued_messages_survive_a_restart_in_order(tmp_path: Path) -> None:
    """Messages that waited when the process ended are answered by the next one, in order."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            tasks = [asyncio.create_task(session.generate("first"))]
            await model.hanging.wait()
            for number in range(5):
                tasks.append(asyncio.create_task(session.generate(f"q{number}")))
                store, stream = session.where.backend.store, session.where.stream
                while len(await store.pending(stream)) <= number:
                    await asyncio.sleep(0.001)
        await asyncio.gather(*tasks, return_exceptions=True)
        async with on_file(tmp_path, echo()) as sessions:
            session = (await sessions.resume_interrupted())[0]
            while (await session.info()).turn_count < 6:
                await asyncio.sleep(0.005)
            said = texts(await session.history())
            assert ["first", *(f"q{n}" for n in range(5))] == said[::2]
            assert [] == list(await session.where.backend.store.pending(session.where.stream))

    run(work())


def test_what_could_not_be_carried_out_keeps_its_place() -> None:
    """A busy store puts nothing behind what came later."""

    async def work() -> None:
        async with one_session(echo()) as session:
            inbox = Inbox(session.where.backend.journal(session.where.row), lambda: None)
            for seq in (2, 3, 1):
                future: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
                inbox.put_back(Mail(command=Send(message=user("m")), future=future, seq=seq))
            assert [1, 2, 3] == [mail.seq for mail in inbox.waiting]

    run(work())


def test_queue_only_submits_and_the_leader_carries_it_out() -> None:
    """`queue` returns an id at once; the same id again is the same command."""

    async def work() -> None:
        model = echo()
        async with one_session(model) as session:
            core, where = session._core, session.where
            id = await core.queue(where, Send(message=user("later")), id=b"q" * 16)
            assert b"q" * 16 == id
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.005)
            await core.queue(where, Send(message=user("later")), id=id)
            assert "re: later" == (await session.generate("later", command_id=id)).text
            assert 1 == len(model.requests)
            with pytest.raises(CommandMismatch):
                await session.generate("other", command_id=id)

    run(work())


def test_a_queued_command_that_is_refused_leaves_the_inbox(tmp_path: Path) -> None:
    """A message for a session that was completed meanwhile is refused on record, once."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.end()
            core, where = session._core, session.where
            await core.queue(where, Send(message=user("late")), id=b"r" * 16)
            while await where.backend.store.pending(where.stream, PendingKind.COMMAND):
                await asyncio.sleep(0.005)
            assert [] == texts(await session.history())
            with pytest.raises(NotNow):
                await session.generate("late", command_id=b"r" * 16)

    run(work())


def test_garbage_in_the_inbox_does_not_stop_the_session() -> None:
    """A row that cannot be opened is dropped; what is behind it is carried out."""

    async def work() -> None:
        from dataclasses import replace

        model = ScriptedModel([hang("x"), say("y")])
        async with one_session(model) as session:
            task = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
            queued = asyncio.create_task(session.generate("b"))
            store, stream = session.where.backend.store, session.where.stream
            while not (rows := await store.pending(stream)):
                await asyncio.sleep(0.001)
            await store.submit(replace(rows[0], id=b"g" * 16, payload=b"garbage", digest=b"d"))
            await session._core.queue(session.where, Pause(why="after garbage"))
            while (await session.info()).state != "Paused":
                await asyncio.sleep(0.005)
            assert await session.cancel()
            await session.resume()
            assert "y" == (await queued).text
            with pytest.raises(Cancelled):
                await task

    run(work())


def test_messages_queued_when_the_session_ends_are_refused() -> None:
    """Ending a session answers everybody who still waits."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with one_session(model) as session:
            tasks = [asyncio.create_task(session.generate(f"q{n}")) for n in range(5)]
            await model.hanging.wait()
            store, stream = session.where.backend.store, session.where.stream
            while len(await store.pending(stream)) < 4:
                await asyncio.sleep(0.001)
            await session.end()
            done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
            assert all(isinstance(one, HoldfastError) for one in done), done
            assert [] == list(await store.pending(stream))

    run(work())
