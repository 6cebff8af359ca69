"""The gate across processes: one dollar, one use, one approval that outlives a kill.

The processes are the tests' own children; what they did is counted here.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import test_budget_processes
import test_crash_approvals
import test_single_use
from common import QUICK, report, scratch

from budgethelp import answers
from grantshelp import Bell, config, folder, opened
from holdfast import Budget
from sessionhelp import on_file

DOLLAR = 1_000_000
RUNS, PROCESSES = 50, 2
WAIT_S = 240
ACCOUNT = "'tenant total micros'"


async def _limit(place: Path) -> None:
    async with on_file(place, answers(1)) as sessions:
        await sessions.set_budget("tenant", budget=Budget(usd="1.00"))


async def _settled(place: Path) -> tuple[int, int]:
    async with on_file(place, answers(1)) as sessions:
        found = (await sessions.budget("tenant"))[0]
        return found.used, found.held


def spend(place: Path) -> tuple[int, int, list[str]]:
    """Let all runs spend at once; what is settled and held, and what each run said."""
    asyncio.run(_limit(place))
    each = RUNS // PROCESSES
    children = [
        test_budget_processes.child("spend", place, f"p{number}-", each)
        for number in range(PROCESSES)
    ]
    for one in children:
        assert one.stdout is not None
        assert one.stdout.readline().strip() == "ready"
    said = []
    for one in children:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in children:
        said += one.communicate(timeout=WAIT_S)[0].splitlines()
    return *asyncio.run(_settled(place)), said


def budget() -> None:
    """Print what 50 runs settle on a budget of one dollar."""
    started = time.monotonic()
    with scratch() as place:
        used, held, said = spend(place)
    refused = [line for line in said if line != "paid"]
    nameless = sum(ACCOUNT not in line for line in refused)
    spent = f"{len(said) - len(refused)} paid, {len(refused)} refused"
    report(
        f"{RUNS} runs in {PROCESSES} processes on $1, settled",
        used / DOLLAR,
        "USD",
        bar="<= 1",
        ok=used <= DOLLAR and held == 0 and len(said) == RUNS,
        against=f"{spent}, {time.monotonic() - started:.0f} s",
    )
    report(
        "refusals that do not name the account",
        nameless,
        "refusals",
        bar=f"0 of >= 1, in {RUNS} runs",
        ok=nameless == 0 and bool(refused),
        against=spent,
    )


async def _compete(place: Path, kind: str) -> tuple[int, int]:
    """How often the tool ran, and how many turns ended, with one use for all."""
    token = ""
    async with opened(place, Bell()) as sessions:
        first = await sessions.create_session("first", config(folder(place)))
        if kind == "capability":
            token = await first.issue_capability("ring", expires_in_s=600)
        else:
            await first.grant_allowance("ring", "workspace", max_uses=1)
    turns = await test_single_use.compete(place, token)
    rang = place / "rang"
    return len(rang.read_text().splitlines()) if rang.exists() else 0, len(turns)


def single_use(kind: str) -> None:
    """Print how often a grant of one use was used."""
    started = time.monotonic()
    with scratch() as place:
        rang, turns = asyncio.run(asyncio.wait_for(_compete(place, kind), WAIT_S))
    tasks, processes = test_single_use.SESSIONS, test_single_use.PROCESSES
    report(
        f"single-use {kind}, {tasks} tasks x {processes} processes, successes",
        rang,
        "calls",
        bar="exactly 1",
        ok=rang == 1 and turns == tasks * processes,
        against=f"{turns} turns ended, {time.monotonic() - started:.0f} s",
    )


def approval() -> None:
    """Print how often a tool ran that was asked about before a kill -9."""
    started = time.monotonic()
    with scratch() as place:
        test_crash_approvals.asked_and_killed(place)
        ledger = place / "ledger.log"
        early = ledger.exists()
        test_crash_approvals.said("answer", place)
        last = test_crash_approvals.said("go", place)
        ran = len(ledger.read_text().splitlines()) if ledger.exists() else 0
    report(
        "asked, killed -9, answered elsewhere, restarted: the tool ran",
        ran,
        "calls",
        bar="exactly 1, and the turn ends",
        ok=ran == 1 and not early and last == "done",
        against=f"the turn's answer: {last!r}, {time.monotonic() - started:.0f} s",
    )


def _capability() -> None:
    if QUICK:
        report("single-use capability, successes", None, "calls", note="in full runs only")
    else:
        single_use("capability")


def main() -> None:
    """Take all figures; one that breaks is a line with its reason."""
    parts = {
        f"{RUNS} runs in {PROCESSES} processes on $1, settled": budget,
        "single-use allowance, successes": lambda: single_use("allowance"),
        "single-use capability, successes": _capability,
        "asked, killed -9, answered elsewhere, restarted: the tool ran": approval,
    }
    for name, part in parts.items():
        try:
            part()
        except Exception as error:  # what cannot be run is not met, and says why
            report(
                name, None, "", bar="see docs", ok=False, note=f"{type(error).__name__}: {error}"
            )


if __name__ == "__main__":
    main()
