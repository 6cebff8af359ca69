"""Budgets above a session, by manager: who has which account, and who has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgethelp import answers
from holdfast import Budget, SessionConfig
from holdfast.core.errors import InvalidInput, SessionNotFound
from sessionhelp import memory, run


def test_holders_are_apart(tmp_path: Path) -> None:
    """Two users and two directories have accounts of their own; links lead to the same one."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (tmp_path / "link").symlink_to(here)

    async def work() -> None:
        async with memory(answers(1)) as sessions:
            await sessions.set_budget("workspace", str(tmp_path / "link"), Budget(tokens=5))
            await sessions.set_budget("user", "anna", Budget(tokens=6))
            await sessions.set_budget("user", budget=Budget(tokens=7))
            limits = {
                name: [one.limit for one in await sessions.budget(*name)]
                for name in (
                    ("workspace", str(here)),
                    ("workspace", str(there)),
                    ("user", "anna"),
                    ("user", "berta"),
                    ("user", "local"),
                    ("tenant", ""),
                )
            }
            assert [[5], [], [6], [], [7], []] == list(limits.values())

    run(work())


def test_a_day_is_changed_for_the_day_it_is() -> None:
    """A day that has begun gets the new limit too, and what it spent stays."""

    async def work() -> None:
        async with memory(answers(400, most=400)) as sessions:
            await sessions.set_budget("tenant", budget=Budget(day_usd=1_000))
            session = await sessions.create_session("one", SessionConfig())
            await session.generate("a")
            await sessions.set_budget("tenant", budget=Budget(day_usd=2_000))
            found = (await sessions.budget("tenant"))[0]
            assert (2_000, 400) == (found.limit, found.used)

    run(work())


def test_a_session_is_a_holder_too() -> None:
    """The manager's words reach a session's own limits."""

    async def work() -> None:
        async with memory(answers(1)) as sessions:
            await sessions.create_session("one", SessionConfig())
            await sessions.set_budget("session", "one", Budget(usd=9))
            assert [9] == [one.limit for one in await sessions.budget("session", "one")]
            with pytest.raises(SessionNotFound):
                await sessions.budget("session", "none")

    run(work())


@pytest.mark.parametrize("holder", ["run", "action", "nobody", "workspace"])
def test_who_has_no_account_is_refused(holder: str) -> None:
    """There are four kinds of holders, and a workspace needs its directory."""

    async def work() -> None:
        async with memory(answers(1)) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.set_budget(holder, "", Budget(usd=1))
            with pytest.raises(InvalidInput):
                await sessions.budget(holder)
            with pytest.raises(InvalidInput):
                await sessions.set_budget("tenant", budget={"usd": 1})  # type: ignore[arg-type]  # on purpose

    run(work())
