"""What `judge` costs with all guards: 100 rules, and 10,000 allowances.

Commands are parsed and rules compiled before, and what a line comes to is known
from an earlier judgement, as it is in a session, where a call is judged with every
decision about it; what the first one costs is a line of its own. Each figure is the
p50 of calls that are timed in small groups. One pass of dictionary look-ups beside
it says what the machine does.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from common import median, pick, report
from gate_cases import ACTIONS, GRANTED, allowances, facts, policy, view

from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.judge import judge
from holdfast.core.verdicts import Allow
from holdfast.core.view import SessionView

GROUP = 5
RULES = 100
ALLOWANCES = 10_000
RULES_BAR_US, ALLOWANCES_BAR_US = 15, 50
LOOKUPS = 100


def p50_us(work: Callable[[], object], times: int) -> float:
    """The median of a call in microseconds, over groups of a few."""
    spent = []
    for _ in range(max(1, times // GROUP)):
        started = time.perf_counter()
        for _ in range(GROUP):
            work()
        spent.append((time.perf_counter() - started) / GROUP * 1e6)
    return median(spent)


def lookups_us(times: int) -> float:
    """One pass of so many look-ups in a dictionary of as many words as there are rules."""
    words = [f"tool{number} word" for number in range(LOOKUPS)]
    table = {word: number for number, word in enumerate(words)}

    def look() -> int:
        found = 0
        for word in words:
            found += table[word]
        return found

    return p50_us(look, times)


def mixed_us(session: SessionView, known: Facts, actions: Sequence[Action], times: int) -> float:
    """The median over calls that judge these actions in turn, each timed by itself."""
    spent = []
    for _ in range(max(1, times // len(actions))):
        for action in actions:
            started = time.perf_counter()
            judge(session, known, action)
            spent.append((time.perf_counter() - started) * 1e6)
    return median(spent)


def one(session: SessionView, known: Facts, action: Action, times: int) -> float:
    """What judging an action costs; it has to be allowed, or another path was measured."""
    verdict = judge(session, known, action)
    assert isinstance(verdict, Allow), verdict
    return p50_us(lambda: judge(session, known, action), times)


def fresh(action: Action) -> Action:
    """The same call with a line that nobody has judged yet."""
    line = action.command
    return replace(action, command=None if line is None else replace(line))


def first_us(session: SessionView, known: Facts, action: Action, times: int) -> float:
    """The median of the first judgement of a line; later ones know what it comes to."""
    spent = []
    for one in [fresh(action) for _ in range(times)]:
        started = time.perf_counter()
        judge(session, known, one)
        spent.append((time.perf_counter() - started) * 1e6)
    return median(spent)


def main() -> None:
    """Take all figures."""
    times = pick(20_000, 3_000)
    session, plain = view(policy(RULES)), facts()
    many = facts(allowances(ALLOWANCES))
    gc.collect()
    gc.freeze()
    pass_us = lookups_us(times)
    report(f"machine, {LOOKUPS} dict look-ups, p50", pass_us, "us")
    for bar, known, what in (
        (RULES_BAR_US, plain, f"{RULES} rules"),
        (ALLOWANCES_BAR_US, many, f"{RULES} rules and {ALLOWANCES:,} allowances"),
    ):
        actions = list(ACTIONS.values())
        spent = mixed_us(session, known, actions, times)
        report(
            f"judge, {what}, {len(actions)} actions in turn, p50",
            spent,
            "us",
            at_most=bar,
            against=f"{spent / pass_us:.1f} passes of {LOOKUPS} dict look-ups",
        )
    for name, action in ACTIONS.items():
        spent = one(session, plain, action, times)
        report(
            f"judge, {RULES} rules, {name}, p50",
            spent,
            "us",
            at_most=RULES_BAR_US,
            against=f"{spent / pass_us:.1f} passes of {LOOKUPS} dict look-ups",
        )
    for name in ("bash, 1 command", "bash, 3 commands"):
        spent = first_us(session, plain, ACTIONS[name], times // GROUP)
        report(
            f"judge, {RULES} rules, {name}, the first time, p50",
            spent,
            "us",
            against=f"{spent / pass_us:.1f} passes of {LOOKUPS} dict look-ups",
        )
    for name, action in {**ACTIONS, **GRANTED}.items():
        spent = one(session, many, action, times)
        report(
            f"judge, {RULES} rules and {ALLOWANCES:,} allowances, {name}, p50",
            spent,
            "us",
            at_most=ALLOWANCES_BAR_US,
            against=f"{spent / pass_us:.1f} passes of {LOOKUPS} dict look-ups",
        )


if __name__ == "__main__":
    main()
