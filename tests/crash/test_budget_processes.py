"""Budgets across real processes: nobody overspends, and a kill gives nothing back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from budgethelp import RESERVE, answers
from holdfast import Budget
from holdfast.core.events import EffectStarted
from sessionhelp import on_file

HERE = Path(__file__).parent
CHILD = HERE / "budget_child.py"
DOLLAR = 1_000_000


def child(*words: object) -> subprocess.Popen[str]:
    """Start a process that spends."""
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, str(CHILD), *map(str, words)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, **pipes)


@pytest.mark.slow
def test_fifty_runs_on_one_dollar(tmp_path: Path) -> None:
    """50 runs in two processes on a $1 budget: settled at most $1, each refusal says which
    account (T-21)."""

    async def limit() -> None:
        async with on_file(tmp_path, answers(1)) as sessions:
            await sessions.set_budget("tenant", budget=Budget(usd="1.00"))

    async def check(paid: int) -> None:
        async with on_file(tmp_path, answers(1)) as sessions:
            found = (await sessions.budget("tenant"))[0]
            assert (DOLLAR, 0) == (found.limit, found.held)
            assert paid * 30_000 == found.used <= DOLLAR

    asyncio.run(limit())
    children = [child("spend", tmp_path, prefix, 25) for prefix in ("a", "b")]
    for one in children:
        assert one.stdout is not None and "ready" == one.stdout.readline().strip()
    for one in children:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [line for one in children for line in one.communicate(timeout=120)[0].splitlines()]
    assert [0, 0] == [one.returncode for one in children]
    refused = [line for line in said if line != "paid"]
    assert 50 == len(said) and 0 < len(refused) < 50
    assert [] == [line for line in refused if "'tenant total micros'" not in line]
    # A call holds 40,000: the last one to fit leaves less than that, and 30,000 each is paid.
    assert 25 <= len(said) - len(refused) <= 33
    asyncio.run(check(len(said) - len(refused)))


@pytest.mark.slow
def test_killed_between_reserve_and_bill(tmp_path: Path) -> None:
    """kill -9 while a model answers: the call is repeated, and its first bill is the reserve."""

    async def prepare() -> None:
        async with on_file(tmp_path, answers(1)) as sessions:
            await sessions.ready()

    async def resume() -> None:
        async with on_file(tmp_path, answers(7)) as sessions:
            session = await sessions.get_session("held")
            while True:
                found = (await session.budget())[0]
                if (await session.view()).last_turn is not None:
                    break
                await sessions.lead_if_free(session.where)
                await asyncio.sleep(0.01)
            assert (RESERVE + 7, 0) == (found.used, found.held)
            journal = session.where.backend.journal(session.where.row)
            versions = range(1, (await session.view()).version + 1)
            events = [(await journal.event_at(version)).event for version in versions]
            again = [e for e in events if isinstance(e, EffectStarted) and e.attempt == 2]
            assert [(("s.m", RESERVE, RESERVE),)] == [event.settles for event in again]

    asyncio.run(prepare())
    process = child("hold", tmp_path)
    assert process.stdout is not None and "sent" == process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    asyncio.run(asyncio.wait_for(resume(), 30))
