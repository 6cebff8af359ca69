"""Several changes in one step, and changes that are only for one version."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.core.errors import InvalidInput, VersionMismatch
from holdfast.core.labels import Sensitivity
from holdfast.core.settings import ModelSettings, QueuePolicy
from sessionhelp import echo, memory, on_file, run


def test_many_changes_are_one_event() -> None:
    """What is not named stays; nothing to change is no event."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            await session.set_tags(["kept"])
            before = await session.version()
            await session.change(
                title="T",
                custom={"a": [1], "b": None},
                system_prompt="Be brief.",
                queue_policy="steer",
                thinking=True,
                thinking_budget=2000,
                model=ModelSettings(provider="openai", model="m"),
                sensitivity_level="sensitive",
            )
            view = await session.view()
            assert before + 1 == view.version
            assert ("T", ("kept",), '{"a":[1]}') == (
                view.details.title,
                view.details.tags,
                view.details.custom,
            )
            assert (QueuePolicy.STEER, True, 2000) == (
                view.settings.queue_policy,
                view.settings.thinking,
                view.settings.thinking_tokens,
            )
            assert Sensitivity.SENSITIVE is view.label.sensitivity
            assert "Be brief." == await session.system_prompt()
            await session.change()
            await session.change(sensitivity_level="public")
            assert view.version == await session.version()

    run(work())


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": 1},
        {"tags": "abc"},
        {"tags": ["x" * 129]},
        {"custom": {"a": object()}},
        {"queue_policy": "odd"},
        {"thinking": 1},
        {"thinking_budget": "1"},
        {"model": "m"},
        {"sensitivity_level": "odd"},
    ],
)
def test_what_is_wrong_changes_nothing(wrong: dict[str, object]) -> None:
    """Not even what is right beside it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            before = await session.view()
            with pytest.raises(InvalidInput):
                await session.change(**{"system_prompt": "new", **wrong})  # type: ignore[arg-type]  # what is tried
            assert before == await session.view()

    run(work())


def test_a_handle_for_one_version() -> None:
    """Every change of it; the handle that it came from is as it was."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            held = session.if_version(await session.version())
            assert "one" == held.id
            await held.set_title("first")
            for late in (held.set_title("late"), held.change(), held.pause()):
                with pytest.raises(VersionMismatch):
                    await late
            with pytest.raises(VersionMismatch):
                await sessions.terminate_session("one", if_version=1)
            await session.set_title("second")
            now = await session.version()
            with pytest.raises(InvalidInput):
                session.if_version("1")  # type: ignore[arg-type]  # what is tried
            assert "second" == (await session.info()).title
            await sessions.destroy_session("one", if_version=now)

    run(work())


def test_one_that_comes_too_late_leaves_no_trace(tmp_path: Path) -> None:
    """Of ten at once through another process's inbox one is carried out, and one version made."""

    async def work() -> None:
        async with on_file(tmp_path) as leader, on_file(tmp_path) as other:
            session = await leader.create_session("one")
            there = await other.get_session("one")
            for start in (1, 2, 3):
                version = await session.version()
                held = [(there if n % 2 else session).if_version(version) for n in range(10)]
                tried = await asyncio.gather(
                    *(one.set_title(f"{start}.{n}") for n, one in enumerate(held)),
                    return_exceptions=True,
                )
                lost = [one for one in tried if one is not None]
                assert 9 == len(lost) and all(isinstance(one, VersionMismatch) for one in lost)
                assert version + 1 == await session.version()
            where = there.where
            assert [] == await where.backend.store.pending(where.stream)
            assert (await leader.audit_verify()).ok

    run(work())
