"""The soak's rounds see what they look for: planted violations of their invariants are found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench" / "soak"), str(ROOT / "tests" / "crash")]

import command  # noqa: E402 - bench is not a package

REPORT: dict[str, Any] = {
    "count": 8,
    "version": 8,
    "events": [[2, "agent_start"], [6, "tool_end"], [8, "agent_end"]],
    "texts": ["job 0", "done 0"],
    "results": [["bash", "(no output)"]],
    "calls": 1,
    "invalid": [],
    "open": 0,
    "state": "Active",
}


def terminal(folder: Path, report: dict[str, Any], ledger: str, *, ok: bool = True) -> Any:
    """A terminal whose commands say what a test wants."""
    (folder / "report.json").write_text(json.dumps(report))
    world: Any = SimpleNamespace(
        folder=folder, facts=[], kills=0, live=lambda order: 0, order=lambda **rest: rest
    )
    found: Any = command.Terminal(world)
    found.ledger.write_text(ledger)
    found.run = lambda *words: (0, [{"ok": ok}])
    found.shown, found.started = {(2, "agent_start"), (6, "tool_end")}, {"job 0"}
    found.answered = {"done 0"}
    return found


def test_a_truthful_history_passes(tmp_path: Path) -> None:
    """What was shown is stored, and the shell job happened once."""
    command._check(terminal(tmp_path, REPORT, "job 0\n"))


@pytest.mark.parametrize(
    ("change", "ledger"),
    [
        ({"events": [[2, "agent_start"]]}, "job 0\n"),
        ({"texts": ["done 0"]}, "job 0\n"),
        ({"texts": ["job 0"]}, "job 0\n"),
        ({}, "job 0\njob 0\n"),
        ({}, ""),
        ({"count": 7}, "job 0\n"),
        ({"invalid": ["no result for ['c0']"]}, "job 0\n"),
        ({"open": 1}, "job 0\n"),
    ],
)
def test_each_planted_violation_is_found(
    tmp_path: Path, change: dict[str, Any], ledger: str
) -> None:
    """A lost event, message or answer, an effect twice or invented, a gap, an open end."""
    with pytest.raises(AssertionError):
        command._check(terminal(tmp_path, {**REPORT, **change}, ledger))


def test_a_log_that_does_not_verify_is_found(tmp_path: Path) -> None:
    """`audit verify` has the last word about the chain."""
    with pytest.raises(AssertionError):
        command._check(terminal(tmp_path, REPORT, "job 0\n", ok=False))
