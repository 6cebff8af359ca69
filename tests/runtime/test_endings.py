"""Forks and wipes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.commands import Terminate
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    NotNow,
    SessionExists,
    SessionNotFound,
    Unreadable,
)
from holdfast.core.lifecycle import decode_state
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import hang
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, memory, on_file, run, texts


def test_a_fork_is_a_copy_and_independent(tmp_path: Path) -> None:
    """Config, usage, thinking, prompt and messages come along; later changes do not."""

    async def work() -> None:
        model = echo()
        async with on_file(tmp_path, model) as sessions:
            config = SessionConfig(system_prompt="p", thinking=True, max_context_length=7777)
            parent = await sessions.create_session("parent", config, user_id="u")
            await parent.set_tags(["t"])
            await parent.set_custom("k", 1)
            await parent.generate("a")
            fork = await sessions.fork_session("parent", "fork")
            assert texts(await parent.history()) == texts(await fork.history())
            assert await parent.total_usage() == await fork.total_usage()
            one, two = (await parent.view()), (await fork.view())
            assert one.settings.thinking is two.settings.thinking is True
            assert 7777 == two.settings.max_context_length
            assert ("p", ("t",), {"k": 1}) == (
                await fork.system_prompt(),
                two.details.tags,
                dict(await fork.metadata()),
            )
            assert "(fork)" in (await fork.info()).title
            assert two.origin is not None
            assert ("parent", one.version) == (two.origin.session_id, two.origin.version)
            await fork.generate("b")
            await parent.generate("c")
            assert ["a", "re: a", "b", "re: b"] == texts(await fork.history())
            assert ["a", "re: a", "c", "re: c"] == texts(await parent.history())
            assert [] == model.problems
        async with on_file(tmp_path, echo()) as sessions:
            fork = await sessions.get_session("fork")
            assert ["a", "re: a", "b", "re: b"] == texts(await fork.history())

    run(work())


def test_a_fork_of_an_earlier_version() -> None:
    """`at_version` forks what was visible then."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            parent = await sessions.create_session("parent")
            await parent.generate("a")
            version = await parent.version()
            await parent.generate("b")
            fork = await sessions.fork_session("parent", at_version=version)
            assert ["a", "re: a"] == texts(await fork.history())
            for wrong in (0, -1, 10_000):
                with pytest.raises(InvalidInput):
                    await sessions.fork_session("parent", at_version=wrong)
            with pytest.raises(SessionExists):
                await sessions.fork_session("parent", "PARENT")

    run(work())


def test_a_fork_in_the_middle_of_a_turn_takes_no_effect_along() -> None:
    """The fork is at rest and its next request is valid."""

    async def work() -> None:
        model = ScriptedModel([hang("x"), *([_answer] * 3)])
        async with memory(model) as sessions:
            parent = await sessions.create_session("parent")
            task = asyncio.create_task(parent.generate("a"))
            await model.hanging.wait()
            fork = await sessions.fork_session("parent", "fork")
            view = await fork.view()
            assert (None, (), ()) == (view.turn, view.open, view.questions)
            await parent.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert "ok" == (await fork.generate("b")).text
            assert [] == model.problems

    run(work())


def _answer(request):
    from holdfast.testing.script import say

    return say("ok")


def test_terminate_wipes_and_attests(tmp_path: Path) -> None:
    """A wiped session is gone by name, its log ends with a signed attestation."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("a")
            stream = session.where.stream
            receipt = await sessions.terminate_session("one", reason="asked for")
            assert ("one", (), ()) == (receipt.session_id, receipt.erased, receipt.kept)
            assert receipt.destroyed_at_ms > 0
            with pytest.raises(SessionNotFound):
                await sessions.get_session("one")
            with pytest.raises(SessionNotFound):
                await sessions.terminate_session("one")
            for act in (session.generate("b"), session.history(), session.pause()):
                with pytest.raises(HoldfastError):
                    await act
            row = await sessions.distinct_backends()[0][1].store.stream_row(stream)
            assert row is not None and b"" == row.index.sealed and not row.index.tokens
            assert 0 == await sessions.session_count()
            # The name is free again, and the new session knows nothing of the old.
            again = await sessions.create_session("one")
            assert [] == await again.history()

    run(work())


def test_terminating_in_the_middle_of_a_turn() -> None:
    """What runs is stopped first; whoever waits is told."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with memory(model) as sessions:
            session = await sessions.create_session("one")
            task = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
            queued = asyncio.create_task(session.generate("b"))
            while not await session.where.backend.store.pending(session.where.stream):
                await asyncio.sleep(0.002)
            await asyncio.wait_for(sessions.terminate_session("one"), 5)
            for one in (task, queued):
                with pytest.raises(HoldfastError):
                    await asyncio.wait_for(one, 5)
            assert 1 == model.cancelled

    run(work())


def test_a_wipe_cascades_to_forks_unless_they_are_kept() -> None:
    """Forks and forks of forks are wiped too; the receipt lists both kinds."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await (await sessions.create_session("root")).generate("a")
            await sessions.fork_session("root", "kept")
            await sessions.fork_session("root", "gone")
            await sessions.fork_session("gone", "deeper")
            receipt = await sessions.terminate_session("root", keep=["KEPT"])
            assert {"gone", "deeper"} == set(receipt.erased)
            assert ("kept",) == receipt.kept
            kept = await sessions.get_session("kept")
            assert "re: b" == (await kept.generate("b")).text
            assert ["kept"] == [s.id for s in await sessions.get_all_sessions()]

    run(work())


def test_destroy_hides_a_session_from_listings(tmp_path: Path) -> None:
    """Of a wiped session nothing is listed, whether it was terminated or destroyed."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            for id in ("terminated", "destroyed", "alive"):
                await sessions.create_session(id)
            await sessions.terminate_session("terminated")
            await sessions.destroy_session("destroyed")
            page = await sessions.list_sessions()
            states = sorted(one.state for one in page.sessions)
            assert ["Active"] == states
            assert 1 == await sessions.session_count()

    run(work())


def test_twenty_wipes_at_once() -> None:
    """Concurrent wipes of one session end it once; of many, all."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            for i in range(10):
                await sessions.create_session(f"s{i}")
            done = await asyncio.gather(
                *(sessions.terminate_session(f"s{i % 10}") for i in range(20)),
                return_exceptions=True,
            )
            assert 0 == await sessions.session_count()
            for one in done:
                assert not isinstance(one, BaseException) or isinstance(one, HoldfastError), one
            assert 10 <= sum(not isinstance(one, BaseException) for one in done)

    run(work())


def test_a_session_that_ends_takes_nothing_new(tmp_path: Path) -> None:
    """It refuses first; a child or fork that was being opened meanwhile goes with it."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            parent = await sessions.create_session("parent")
            await parent.generate("a")
            await sessions.create_child_session("parent", "early")
            store = sessions.distinct_backends()[0][1].store
            seen: list[str] = []
            erase = store.erase

            async def erasing(stream: int) -> None:
                row = await store.stream_row(parent.where.stream)
                assert row is not None
                if not seen:  # the child's, first of all: its parent takes nothing any more
                    for opening in (
                        sessions.create_child_session("parent", "late"),
                        sessions.fork_session("parent", "late"),
                        parent.generate("b"),
                        sessions.export_text("parent"),
                    ):
                        with pytest.raises(NotNow):
                            await opening
                seen.append(decode_state(row.index.state).title)
                await erase(stream)

            store.erase = erasing  # type: ignore[method-assign]  # the store ends with the test
            receipt = await sessions.terminate_session("parent")
            assert ["Terminating", "Terminated"] == seen
            assert (("early",), ()) == (receipt.erased, receipt.kept)
            assert 0 == await sessions.session_count()
            assert (await sessions.audit_verify()).ok

    run(work())


@pytest.mark.parametrize("kind", ["child", "fork"])
def test_what_was_let_in_at_the_last_moment_goes_as_well(kind: str) -> None:
    """The birth comes after the parent began to end and after the last look below it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await (await sessions.create_session("parent")).generate("a")
            backend = sessions.distinct_backends()[0][1]
            create = backend.create

            async def creating(*args: Any, **more: Any) -> Any:
                await sessions.terminate_session("parent")
                return await create(*args, **more)

            backend.create = creating  # type: ignore[method-assign]  # it ends with the test
            with pytest.raises(NotNow, match="above is Terminated"):
                if kind == "child":
                    await sessions.create_child_session("parent", "late")
                else:
                    await sessions.fork_session("parent", "late")
            assert [] == await sessions.get_all_sessions()

    run(work())


def test_what_is_below_ends_in_the_next_process_too(tmp_path: Path) -> None:
    """A termination that was cut off keeps what was to be kept, and wipes the others."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            parent = await sessions.create_session("parent")
            await parent.generate("a")
            for id in ("kept", "gone"):
                await sessions.fork_session("parent", id)
            await sessions.queue(parent.where, Terminate(why="w", keep=("KEPT",)))
        async with on_file(tmp_path, echo()) as sessions:
            await sessions.resume_interrupted()
            while ["kept"] != [one.id for one in await sessions.get_all_sessions()]:
                await asyncio.sleep(0.002)

    run(work())


def test_one_below_that_cannot_be_wiped_holds_up_the_end(tmp_path: Path) -> None:
    """The caller is told, the session takes nothing more; naming it to be kept ends that."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            parent = await sessions.create_session("parent")
            await parent.generate("a")
            await sessions.fork_session("parent", "stuck")
            terminate = sessions._terminate

            async def refusing(id: str, *rest: Any, **more: Any) -> Any:
                if id == "stuck":
                    raise Unreadable("it is damaged")
                return await terminate(id, *rest, **more)

            sessions._terminate = refusing  # type: ignore[method-assign]  # as if damaged
            with pytest.raises(Unreadable):
                await sessions.terminate_session("parent")
            with pytest.raises(NotNow):
                await parent.generate("b")
            receipt = await sessions.terminate_session("parent", keep=["stuck"])
            assert (("stuck",), ()) == (receipt.kept, receipt.erased)

    run(work())
