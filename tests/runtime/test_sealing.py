"""Sealed sessions through the public API, with real processes, a real store, a real provider."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    SessionNotFound,
    SessionSealed,
    VersionMismatch,
)
from holdfast.core.lifecycle import SessionState
from holdfast.ports.sealed import HostEnded
from holdfast.runtime.audit import verify_store
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.hooks import HookEngine
from holdfast.runtime.sealedsession import SealedSession
from holdfast.testing.script import call, hang, say
from sealedhelp import SEALED, alive, found_in, opened, provider, run, secret_of
from sessionhelp import echo, memory, on_file, texts

TESTS = Path(__file__).parents[1]


def pid_of(sessions: SessionManager, session: Session) -> int:
    """The process that hosts a session."""
    pid = sessions.sealed_pid(session.where)
    assert pid is not None and alive(pid)
    return pid


async def until_gone(pid: int) -> None:
    """Wait until a process has ended."""
    while alive(pid):
        await asyncio.sleep(0.02)


def test_a_sealed_session_talks_is_wiped_and_its_process_is_gone(tmp_path: Path) -> None:
    """It answers, streams, is configured and listed without its title; the chain verifies."""

    async def work() -> None:
        async with provider() as server, opened(tmp_path, server.base_url) as sessions:
            session = await sessions.create_session("one", SessionConfig(sealed=True, name="n"))
            assert isinstance(session, SealedSession)
            pid = pid_of(sessions, session)
            assert pid != os.getpid()
            assert "re: a" == (await session.generate("a")).text
            events = [event async for event in session.stream("b")]
            assert ("agent_start", "agent_end") == (events[0].type, events[-1].type)
            assert "re: b" == events[-1].data["text"]
            prompt = bytearray(b"c")
            assert (b"re: c", b"\0") == (await session.ask(prompt), prompt)
            held = session.if_version(await session.version())
            await held.set_title("kanarie")
            assert "kanarie" == (await session.info()).title
            for late in (held.set_title("x"), sessions.terminate_session("one", if_version=1)):
                with pytest.raises(VersionMismatch):
                    await late
            assert ["a", "re: a", "b", "re: b", "c", "re: c"] == texts(await session.history())
            assert await session.pause() and SessionState.PAUSED is await session.state()
            assert await session.resume()
            replayed = [e.type async for e in _first(session, 3)]
            assert "session_created" == replayed[0]
            (listed,) = (await sessions.list_sessions()).sessions
            assert (True, "", "") == (listed.sealed, listed.title, listed.damaged)
            audit = await verify_store(sessions)
            assert audit.ok and ["sealed"] == [one.kind.value for one in audit.findings]
            receipt = await sessions.terminate_session("one")
            assert receipt.destroyed_at_ms > 0 and not alive(pid)
            audit = await verify_store(sessions)
            assert (True, 1, ()) == (audit.ok, audit.wiped, audit.findings)
            for act in (session.generate("d"), session.history(), sessions.get_session("one")):
                with pytest.raises(HoldfastError):
                    await act
            assert sessions.sealed_pid(session.where) is None

    run(work())


async def _first(session, count):
    async for event in session.subscribe_events(0):
        yield event
        count -= 1
        if not count:
            return


def test_this_process_cannot_read_or_lead_it(tmp_path: Path) -> None:
    """Whatever is not relayed is refused, by its own key store; nothing of it is led here."""

    async def work() -> None:
        async with provider() as server, opened(tmp_path, server.base_url) as sessions:
            session = await sessions.create_session("one", SEALED)
            await session.generate("a")
            where = session.where
            refused = [
                session.state_of(),
                session.cost_records(),
                session.allowances(),
                session.permission_policy(),
                session.escapes(),
                where.backend.load(where.row),
                sessions.engine(where),
                sessions.fork_session("one"),
                sessions.export_text("one"),
                sessions.follow(where),
                sessions.isolation.registry("one"),
            ]
            for act in refused:
                with pytest.raises(SessionSealed):
                    await act
            for act in (lambda: session.emit("x", {}), lambda: session.on_approval(None)):
                with pytest.raises(SessionSealed):
                    act()
            assert sessions.live(where.stream) is None
            with pytest.raises(InvalidInput, match="neither a parent nor children"):
                await sessions.create_child_session("one")
            await sessions.create_session("plain")
            with pytest.raises(InvalidInput, match="neither a parent nor children"):
                await sessions.create_child_session("plain", config=SEALED)
            assert "re: b" == (await session.generate("b")).text

    run(work())


def test_what_no_other_process_can_have_is_refused(tmp_path: Path) -> None:
    """Clients, hooks and stores of one's own: the session is not made, and nothing remains."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            with pytest.raises(InvalidInput, match="cannot be sealed"):
                await sessions.create_session("one", SEALED)
        async with on_file(tmp_path, echo()) as sessions:
            with pytest.raises(InvalidInput, match="cannot be taken to another"):
                await sessions.create_session("one", SEALED)
            assert 0 == await sessions.session_count()
        key = tmp_path / "keys" / "installation.key"
        client = SessionManager.open(tmp_path / "c.db", llm_client=echo(), installation_key=key)
        async with client as sessions:
            with pytest.raises(InvalidInput, match="given as a client"):
                await sessions.create_session("one", SEALED)
            assert 0 == await sessions.session_count()
        async with provider() as server, opened(tmp_path / "b", server.base_url) as sessions:
            sessions.add_hook_engine(HookEngine("mine"))
            with pytest.raises(InvalidInput, match="hooks that are functions"):
                await sessions.create_session("one", SEALED)
            with pytest.raises(InvalidInput):
                await sessions.create_session("one", SessionConfig(sealed=1))
            assert 0 == await sessions.session_count()

    run(work())


@pytest.mark.slow
def test_a_host_that_is_killed_is_started_again_and_the_turn_is_answered(tmp_path: Path) -> None:
    """The waiting call gets its answer from the next process; nothing is said twice."""

    async def work() -> None:
        script = [hang("x"), say("answered"), say("more")]
        async with provider(script) as server, opened(tmp_path, server.base_url) as sessions:
            session = await sessions.create_session("one", SEALED)
            first = pid_of(sessions, session)
            waiting = asyncio.create_task(session.generate("a"))
            await server.hanging.wait()
            os.kill(first, signal.SIGKILL)
            assert "answered" == (await waiting).text
            assert pid_of(sessions, session) != first
            assert ["a", "answered"] == texts(await session.history())
            os.kill(pid_of(sessions, session), signal.SIGKILL)
            assert "more" == (await session.generate("b")).text

    run(work())


def test_a_question_is_answered_from_outside(tmp_path: Path) -> None:
    """The gate is the same one: a call asks, and runs once a person has said yes."""

    async def work() -> None:
        (tmp_path / "work").mkdir()
        script = [call("write", {"file_path": "a.txt", "content": "kanarie"}), say("done")]
        async with provider(script) as server, opened(tmp_path, server.base_url) as sessions:
            config = SessionConfig(sealed=True, workspace=str(tmp_path / "work"))
            session = await sessions.create_session("one", config)
            waiting = asyncio.create_task(session.generate("a"))
            while not (asked := await session.approvals()):
                assert not waiting.done(), waiting.result()
                await asyncio.sleep(0.02)
            assert not (tmp_path / "work" / "a.txt").exists()
            await session.answer_approval(asked[0].id, "once")
            assert "done" == (await waiting).text
            assert "kanarie" == (tmp_path / "work" / "a.txt").read_text()

    run(work())


@pytest.mark.slow
def test_it_goes_on_after_a_restart_and_an_idle_host_ends(tmp_path: Path) -> None:
    """Closing ends the process and no session; what rests is let go of and comes back."""

    async def work() -> None:
        async with provider() as server:
            async with opened(tmp_path, server.base_url) as sessions:
                session = await sessions.create_session("one", SEALED)
                await session.generate("a")
                pid = pid_of(sessions, session)
            assert not alive(pid)
            async with opened(tmp_path, server.base_url, idle_s=0.2) as sessions:
                session = await sessions.get_session("one")
                assert ["a", "re: a"] == texts(await session.history())
                await until_gone(pid_of(sessions, session))
                assert "re: b" == (await session.generate("b")).text

    run(work())


@pytest.mark.slow
def test_another_process_of_the_store_wipes_it(tmp_path: Path) -> None:
    """The command goes to the host that leads; both hosts are gone then."""

    async def work() -> None:
        async with (
            provider() as server,
            opened(tmp_path, server.base_url) as ours,
            opened(tmp_path, server.base_url) as theirs,
        ):
            session = await ours.create_session("one", SEALED)
            await session.generate("a")
            pid = pid_of(ours, session)
            await theirs.terminate_session("one")
            await until_gone(pid)
            with pytest.raises(SessionNotFound):
                await ours.get_session("one")
            audit = await verify_store(theirs)
            assert audit.ok and 1 == audit.wiped

    run(work())


@pytest.mark.slow
def test_a_host_that_dies_over_the_wipe_leaves_a_whole_one(tmp_path: Path) -> None:
    """The receipt comes all the same, or the error says that it is not known; never a half."""

    async def work() -> None:
        async with provider() as server, opened(tmp_path, server.base_url) as sessions:
            session = await sessions.create_session("one", SEALED)
            await session.generate("a")
            pid = pid_of(sessions, session)
            wiping = asyncio.create_task(sessions.terminate_session("one"))
            while alive(pid) and await session.state() is not SessionState.TERMINATING:
                await asyncio.sleep(0)
                if wiping.done():
                    break
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
            try:
                assert (await wiping).destroyed_at_ms > 0
            except (HostEnded, SessionNotFound):
                with suppress(SessionNotFound):  # its host had come to the end
                    await sessions.terminate_session("one")
            audit = await verify_store(sessions)
            assert audit.ok and 1 == audit.wiped, audit.findings

    run(work())


@pytest.mark.slow
def test_nothing_can_be_found_in_memory_after_the_wipe(tmp_path: Path) -> None:
    """Another process looks: by `ask` nothing was ever in the manager's; the host's is gone."""
    count = 6
    secrets = [secret_of(number) for number in range(count)]

    async def work() -> None:
        async with provider() as server:
            words = [str(TESTS / "sealed_child.py"), str(tmp_path), server.base_url, "ask", "6"]
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None and child.stdin is not None
            word, host = (await child.stdout.readline()).split()
            assert b"working" == word
            assert set() == await asyncio.to_thread(found_in, child.pid, secrets)
            # What is looked for can be found where it is.
            assert set(range(count)) == await asyncio.to_thread(found_in, int(host), secrets)
            child.stdin.write(b"\n")
            assert b"wiped\n" == await child.stdout.readline()
            assert not alive(int(host))
            assert set() == await asyncio.to_thread(found_in, child.pid, secrets)
            child.stdin.write(b"\n")
            assert 0 == await child.wait()

    run(work())


@pytest.mark.slow
def test_the_host_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Killed without a word, the manager takes it along."""

    async def work() -> None:
        async with provider() as server:
            words = [str(TESTS / "sealed_child.py"), str(tmp_path), server.base_url, "ask", "1"]
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None
            host = int((await child.stdout.readline()).split()[1])
            assert alive(host)
            child.kill()
            await child.wait()
            await until_gone(host)
            async with opened(tmp_path, server.base_url) as sessions:
                session = await sessions.get_session("one")
                assert 2 == len(await session.history())

    run(work())
