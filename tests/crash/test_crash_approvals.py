"""Asked, killed, answered from another process, restarted: the tool runs once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).parent / "approval_child.py"
WAIT_S = 60.0


def start(mode: str, folder: Path) -> subprocess.Popen[str]:
    """One process of the story."""
    paths = os.pathsep.join([str(CHILD.parent), str(CHILD.parent.parent)])
    return subprocess.Popen(
        [sys.executable, str(CHILD), mode, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def said(mode: str, folder: Path) -> str:
    """What a process says from its start to its end."""
    with start(mode, folder) as process:
        out, _ = process.communicate(timeout=WAIT_S)
        assert 0 == process.returncode
    return out.strip()


def asked_and_killed(folder: Path) -> None:
    """A process that asks and gets a kill -9 while it waits."""
    with start("ask", folder) as process:
        assert process.stdout is not None
        assert "asked" == process.stdout.readline().strip()
        process.kill()
        process.wait(WAIT_S)


@pytest.mark.slow
def test_an_approval_outlives_its_process(tmp_path: Path) -> None:
    """The turn resumes on the answer, in another process, and the tool runs once (astrid#AW-23)."""
    asked_and_killed(tmp_path)
    ledger = tmp_path / "ledger.log"
    assert not ledger.exists()
    assert "answered" == said("answer", tmp_path)
    last = said("go", tmp_path)
    lines = ledger.read_text().splitlines()
    assert (["paid 1"], "done") == (lines, last)
