"""Decisions counted against what decides apart: the slow oracle, realpath, the tables.

- random policies, grants and actions: the permission guard against the oracle
- random paths in trees full of links: judged and opened, against `os.path.realpath`
- attacks and benign command lines, under the developer policy
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import attackhelp
from common import pick, report, scratch
from test_path_fuzz import Tree, check

from holdfast.core.guards import permission
from holdfast.core.verdicts import Allow, Ask, Deny
from oracle_permission import decide
from permission_cases import Maker, facts_of

SEED = 77_000
ACTIONS_A_WORLD = 20
PATHS_A_TREE = 200
LINES_MIN = 300
WORDS = {Allow: "allow", Ask: "ask", Deny: "deny"}
TABLES = {
    "known": ("attacks.txt", "benign.txt"),
    "held out": ("held_out_attacks.txt", "held_out_benign.txt"),
}


def timed(work: Callable[[], tuple[int, int]]) -> tuple[int, int, float]:
    """What was found wrong, out of how many, and how long it took in seconds."""
    started = time.monotonic()
    wrong, cases = work()
    return wrong, cases, time.monotonic() - started


def oracle(cases: int) -> tuple[int, int]:
    """Differences between the guard and the oracle, in at least so many random cases."""
    make, wrong = Maker(SEED), 0
    worlds = -(-cases // ACTIONS_A_WORLD)
    for _ in range(worlds):
        world = make.world()
        view, facts = facts_of(world)
        for _ in range(ACTIONS_A_WORLD):
            action = make.action()
            verdict = permission.check(view, facts, action)
            expected = decide(world, action)
            same = expected.decision == WORDS[type(verdict)]
            if same and not isinstance(verdict, Deny):
                same = expected.grants == {*verdict.grants}
            wrong += not same
    return wrong, worlds * ACTIONS_A_WORLD


def paths(directory: Path, cases: int) -> tuple[int, int]:
    """Paths judged or opened otherwise than the oracle says, and changes outside."""
    home = os.environ.get("HOME", "/")
    wrong, trees = 0, -(-cases // PATHS_A_TREE)
    try:
        for number in range(trees):
            folder = directory / str(number)
            folder.mkdir()
            tree = Tree(folder, Random(f"{SEED}/{number}"))  # noqa: S311 - dice, not secrets
            before = tree.contents()
            for case in range(PATHS_A_TREE):
                try:
                    check(tree, walking=case % 5 == 0, number=case)
                except AssertionError:
                    wrong += 1
            wrong += before != tree.contents()
    finally:
        os.environ["HOME"] = home
    return wrong, trees * PATHS_A_TREE


def attacks(table: str) -> tuple[int, int]:
    """How many attacks of a table are allowed."""
    rows = attackhelp.attacks(table)
    return sum(isinstance(attackhelp.judged(line), Allow) for _, line in rows), len(rows)


def stopped(table: str) -> tuple[int, int]:
    """How many benign lines of a table are asked about or denied."""
    lines = attackhelp.benign(table)
    return sum(not isinstance(attackhelp.judged(line), Allow) for line in lines), len(lines)


def commands() -> None:
    """Print the figures of the tables of command lines: each half, and both."""
    found = {}
    for half, (bad, good) in TABLES.items():
        found[half] = (*attacks(bad), *stopped(good))
    found["all"] = tuple(map(sum, zip(*found.values(), strict=True)))
    for half, (allowed, bad_lines, asked, good_lines) in found.items():
        least = LINES_MIN if half == "all" else 1
        report(
            f"attacks allowed, {half} command lines",
            allowed,
            "lines",
            bar=f"0 of >= {least}",
            ok=allowed == 0 and bad_lines >= least,
            against=f"{bad_lines} attacks",
        )
        report(
            f"benign lines asked or denied, {half}",
            100 * asked / good_lines,
            "%",
            bar=f"<= 2 of >= {least} lines",
            ok=asked * 50 <= good_lines and good_lines >= least,
            against=f"{asked} of {good_lines} lines",
        )


def counted(name: str, least: int, found: tuple[int, int, float]) -> None:
    """Print a count that has to be 0."""
    wrong, cases, seconds = found
    report(
        name,
        wrong,
        "cases",
        bar=f"0 in >= {least:,}",
        ok=wrong == 0 and cases >= least,
        against=f"{cases:,} cases, {seconds:.0f} s",
    )


def main() -> None:
    """Take all figures."""
    commands()
    many = pick(100_000, 10_000)
    counted("permission against the slow oracle, differences", many, timed(lambda: oracle(many)))
    many = pick(100_000, 5_000)
    with scratch() as directory:
        found = timed(lambda: paths(directory, many))
    counted("paths against realpath, escapes and differences", many, found)


if __name__ == "__main__":
    main()
