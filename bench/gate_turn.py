"""What the gate costs in a turn: processor time, with defaults and with much to look through.

A scripted turn with one tool call, as in `toolturn`. The session beside it has a
policy of 100 rules, 1,000 allowances and limits on money, tokens and calls. Both are
measured in turns, so that a busy moment of the machine meets both.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from common import median, pick, report, scratch
from gate_cases import policy
from sessions import manager
from toolturn import InstantModel, public_rate, tools, turns

from holdfast import Budget
from holdfast.core.commands import Grant as GrantCommand
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import RuleEffect, parse_rule
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session

RULES, ALLOWANCES = 100, 1_000
GROUP = 10
SESSIONS = 128


async def _many_rules(session: Session) -> None:
    await session.set_budget(Budget(usd="50", tokens=50_000_000, calls=1_000_000))
    commands = [GrantCommand(grant=_grant(number)) for number in range(ALLOWANCES)]
    await asyncio.gather(*(session.submit(one) for one in commands))
    known = len(await session.allowances())
    assert known == ALLOWANCES, known


def _grant(number: int) -> Grant:
    return Grant(
        id=os.urandom(16).hex(),
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.SESSION,
        holder="",
        rule=parse_rule(RuleEffect.ALLOW, f"note(part {number})", literal=True),
        by="bench",
    )


async def measure(directory: Path, groups: int) -> tuple[list[float], list[float]]:
    """Processor time of a turn in ms: with defaults, and with much to look through."""
    opened = manager(directory, llm_client=InstantModel(), tool_executor=tools())
    async with opened as sessions:
        plain = await sessions.create_session("plain", SessionConfig())
        full = await sessions.create_session("full", SessionConfig(permission_policy=policy(RULES)))
        await _many_rules(full)
        spent: dict[str, list[float]] = {"plain": [], "full": []}
        for session in (plain, full):
            await turns(session, GROUP)
        for _ in range(groups):
            for name, session in (("plain", plain), ("full", full)):
                started = time.process_time()
                await turns(session, GROUP)
                spent[name].append((time.process_time() - started) / GROUP * 1000)
    return spent["plain"], spent["full"]


def main() -> None:
    """Take all figures."""
    with scratch() as directory:
        plain, full = asyncio.run(measure(directory, pick(30, 8)))
    report("turn with one tool call, defaults, processor time", median(plain), "ms")
    report(
        f"turn, {RULES} rules, {ALLOWANCES:,} allowances, limits, processor time",
        median(full),
        "ms",
        against=f"defaults {median(plain):.2f} ms: {median(full) / median(plain):.2f} times",
    )
    rates = []
    for _ in range(3):
        with scratch() as directory:
            rates.append(asyncio.run(public_rate(directory, SESSIONS, pick(16, 4))))
    report(
        f"public API with the gate, scripted turns, {SESSIONS} sessions",
        median(rates),
        "events/s",
        at_least=5000,
    )


if __name__ == "__main__":
    main()
