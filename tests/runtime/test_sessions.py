"""Creating, finding, restoring sessions."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import (
    InvalidInput,
    InvalidSessionId,
    LiteralSecret,
    NotYetSupported,
    SessionExists,
    SessionNotFound,
    StoreNotRegistered,
)
from holdfast.core.lifecycle import SessionState
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.runtime.config import SessionConfig
from sessionhelp import UNSAFE, echo, memory, on_file, run, texts


def test_create_get_count_and_all() -> None:
    """A created session is found by its id in any case, counted and listed."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            assert 0 == await sessions.session_count()
            first = await sessions.create_session("Alpha")
            second = await sessions.create_session()
            assert "Alpha" == str(first) == first.id
            assert second.id.startswith("sess-") and 37 == len(second.id)
            assert "Alpha" == (await sessions.get_session("ALPHA")).id
            assert 2 == await sessions.session_count()
            found = {session.id for session in await sessions.get_all_sessions()}
            assert {"Alpha", second.id} == found
            info = await first.info()
            assert ("local", "Active", "Normal", 0, {}, False) == (
                info.user_id,
                info.state,
                info.sensitivity_level,
                info.message_count,
                dict(info.metadata),
                info.tee_active,
            )

    run(work())


def test_an_existing_id_is_refused_and_never_replaced() -> None:
    """Creating an id again, in any case, leaves the first one as it is."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            for id in ("one", "ONE"):
                with pytest.raises(SessionExists):
                    await sessions.create_session(id)
            assert ["q", "re: q"] == texts(await session.history())
            assert 1 == await sessions.session_count()

    run(work())


def test_an_id_created_fifty_times_at_once_exists_once() -> None:
    """Of concurrent creators of one id exactly one wins."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            done = await asyncio.gather(
                *(sessions.create_session("one") for _ in range(50)), return_exceptions=True
            )
            assert 49 == sum(isinstance(one, SessionExists) for one in done)
            assert 1 == await sessions.session_count()
            assert "re: q" == (await (await sessions.get_session("one")).generate("q")).text

    run(work())


@pytest.mark.parametrize(
    "id", ["", ".", "..", "a/b", "a\\b", "../x", ".hidden", "a b", "é", "x" * 129, "con", "a\0b"]
)
def test_an_unsafe_id_is_refused_and_leaves_no_trace(tmp_path: Path, id: str) -> None:
    """A refused id changes nothing: not the count, not a file, not a key."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            await sessions.create_session("one")
            backend = sessions.distinct_backends()[0][1]
            before = (
                backend.keys.session_streams() if hasattr(backend.keys, "session_streams") else 0
            )
            with pytest.raises(InvalidSessionId):
                await sessions.create_session(id)
            with pytest.raises(SessionNotFound):
                await sessions.get_session(id)
            assert 1 == await sessions.session_count()
            after = (
                backend.keys.session_streams() if hasattr(backend.keys, "session_streams") else 0
            )
            assert before == after

    run(work())


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": 5},
        {"id": b"one"},
        {"config": {"name": "x"}},
        {"config": "x"},
        {"user_id": 7},
        {"channel_id": 7},
        {"chat_id": object()},
    ],
)
def test_wrong_types_are_invalid_input(arguments: dict[str, object]) -> None:
    """Arguments of a wrong type are refused by type, and nothing is created."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.create_session(**arguments)
            assert 0 == await sessions.session_count()

    run(work())


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (SessionConfig(queue_config={}), "queue_config"),
        (SessionConfig(auto_compact=True), "auto_compact"),
        (SessionConfig(planning_enabled=True), "planning_enabled"),
        (SessionConfig(goal_tracking=True), "goal_tracking"),
    ],
)
def test_what_does_not_exist_yet_is_named(config: SessionConfig, field: str) -> None:
    """A field of a later feature is NotYetSupported, by name, never ignored."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            with pytest.raises(NotYetSupported, match=field):
                await sessions.create_session("one", config)
            assert 0 == await sessions.session_count()

    run(work())


def test_a_literal_key_is_refused_and_not_repeated() -> None:
    """A key in clear is LiteralSecret, and the error does not contain it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            model = ModelSettings(provider="openai", model="m", key="sk-verysecret")
            with pytest.raises(LiteralSecret) as caught:
                await sessions.create_session("one", SessionConfig(model=model))
            assert "verysecret" not in repr(caught.value) + str(caught.value)
            session = await sessions.create_session("one")
            with pytest.raises(LiteralSecret) as caught:
                await session.configure(model_config=model)
            assert "verysecret" not in repr(caught.value) + str(caught.value)

    run(work())


def test_an_unregistered_storage_type_is_an_error(tmp_path: Path) -> None:
    """Nothing falls back to another store."""

    async def work() -> None:
        from holdfast.adapters.store.memory import MemoryStore

        sessions = SessionManager.with_store(echo(), None, MemoryStore(), "custom")
        async with sessions:
            with pytest.raises(StoreNotRegistered):
                await sessions.create_session("one", SessionConfig(storage_type="file"))
            with pytest.raises(InvalidInput):
                await sessions.create_session("one", SessionConfig(storage_type="tape"))
            config = SessionConfig(storage_type=StorageType.CUSTOM)
            assert "one" == (await sessions.create_session("one", config)).id
            health = await sessions.store_health()
            assert 1 == len(health) and health[0][0].startswith("custom:")
            assert health[0][1].ok

    run(work())


# --- a user's session -----------------------------------------------------------------


def test_a_hundred_concurrent_callers_get_one_session() -> None:
    """get_or_create gives all callers of one (user, channel, chat) the same session."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            found = await asyncio.gather(
                *(sessions.get_or_create_session("u", "c", "x", UNSAFE) for _ in range(100))
            )
            assert 1 == len({session.id for session in found})
            assert 1 == await sessions.session_count()
            other = await sessions.get_or_create_session("u", "c", "y")
            assert other.id != found[0].id
            info = await found[0].info()
            assert ("u", "c", "x") == (info.user_id, info.channel_id, info.chat_id)

    run(work())


def test_the_parts_of_a_users_session_do_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are two sessions; odd text is fine."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            triples = [("ab", "c", ""), ("a", "bc", ""), ("", "", "abc"), ("\u202e", "é/..", "\0")]
            found = [await sessions.get_or_create_session(*triple) for triple in triples]
            assert 4 == len({session.id for session in found})

    run(work())


def test_a_paused_session_is_returned_and_an_ended_one_replaced() -> None:
    """Pausing keeps a user's session; completing or wiping it makes room for a new one."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            assert await sessions.get_user_session("u", "c", "x") is None
            first = await sessions.get_or_create_session("u", "c", "x")
            await first.pause()
            assert first.id == (await sessions.get_or_create_session("u", "c", "x")).id
            await first.resume()
            await first.end()
            second = await sessions.get_or_create_session("u", "c", "x")
            assert first.id != second.id
            found = await sessions.get_user_session("u", "c", "x")
            assert found is not None and second.id == found.id
            await sessions.terminate_session(second.id)
            third = await sessions.get_or_create_session("u", "c", "x")
            assert third.id != first.id and [] == await third.history()
            found = await sessions.get_user_session("u", "c", "x")
            assert found is not None and third.id == found.id
            assert "re: q" == (await third.generate("q")).text

    run(work())


# --- restoring ------------------------------------------------------------------------


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    """History, prompt, settings, title, tags, metadata, counts and state are there again."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session(
                "one", SessionConfig(system_prompt="be kind", extra={"unknown": [1]}), user_id="u"
            )
            await session.generate("q")
            await session.set_title("A title")
            await session.set_tags(["x", "y"])
            await session.set_custom("k", {"n": 1})
            await session.configure(thinking=True, budget=1234)
            await session.pause("lunch")
            before = (await session.view(), await session.info(), await session.history())
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.restore_session_by_id("one")
            assert before == (
                await session.view(),
                await session.info(),
                await session.history(),
            )
            assert "be kind" == await session.system_prompt()
            assert (SessionState.PAUSED, "lunch") == (
                await session.state(),
                (await session.info()).state_reason,
            )

    run(work())


def test_load_all_tells_which_sessions_are_damaged(tmp_path: Path) -> None:
    """A session whose bytes were changed is reported; the others are loaded."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            for id in ("good", "bad"):
                await (await sessions.create_session(id)).generate("q")
            stream = (await sessions.get_session("bad")).where.stream
        await _tamper(tmp_path, stream)
        async with on_file(tmp_path, echo()) as sessions:
            report = await sessions.load_all_sessions()
            assert 1 == report
            assert ["bad"] == [name for name, _ in report.failed]
            with pytest.raises(Exception, match=r"chain|event|read"):
                await sessions.restore_session_by_id("bad")
            assert (
                "re: again" == (await (await sessions.get_session("good")).generate("again")).text
            )
            assert 2 == len((await sessions.list_sessions()).sessions)

    run(work())


async def _tamper(folder: Path, stream: int) -> None:
    """Flip a byte of an event in another process."""
    script = (
        "import apsw,sys\n"
        "c=apsw.Connection(sys.argv[1])\n"
        "body=next(c.execute('select body from event where stream=? and version=2',"
        "(int(sys.argv[2]),)))[0]\n"
        "body=body[:-1]+bytes([body[-1]^1])\n"
        "c.execute('update event set body=? where stream=? and version=2',"
        "(body,int(sys.argv[2])))\n"
    )
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(folder / "store" / "s.db"), str(stream)
    )
    assert 0 == await done.wait()


def test_a_missing_session_is_a_typed_error_everywhere() -> None:
    """Every method that takes an id says SessionNotFound."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            for method in (
                sessions.get_session,
                sessions.restore_session_by_id,
                sessions.terminate_session,
                sessions.destroy_session,
                sessions.fork_session,
                sessions.history,
                sessions.context_usage,
                sessions.pause_session,
                sessions.resume_session,
                sessions.cancel_operation,
                sessions.end_session,
                sessions.reopen_session,
                sessions.clear,
                sessions.get_llm_for_session,
            ):
                with pytest.raises(SessionNotFound):
                    await method("nobody")
            with pytest.raises(SessionNotFound):
                await sessions.generate("nobody", "q")

    run(work())
