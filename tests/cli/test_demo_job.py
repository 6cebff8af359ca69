"""The demo's program and its scripted model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from holdfast.cli import demo_job
from holdfast.core.messages import tool_result, user
from holdfast.ports.model import ModelRequest
from holdfast.testing.script import Call, Turn


def program_is_right(workspace: Path) -> bool:
    """Whether the program's own tests pass."""
    line = [sys.executable, "-m", "unittest", "-q"]
    return subprocess.run(line, cwd=workspace, capture_output=True, check=False).returncode == 0


def test_the_bug_is_real_and_the_edit_mends_it(tmp_path: Path) -> None:
    """The tests fail before it and pass after it."""
    workspace = tmp_path / "workspace"
    demo_job.lay_out(workspace)
    before = program_is_right(workspace)
    program = workspace / "prices.py"
    assert 1 == program.read_text().count(demo_job.WRONG)
    program.write_text(program.read_text().replace(demo_job.WRONG, demo_job.RIGHT))
    assert (False, True, 0) == (before, program_is_right(workspace), demo_job.releases(workspace))


def turn_after(results: int) -> Turn:
    """The model's turn after so many results."""
    messages = [user("go"), *(tool_result(str(n), "bash", "x") for n in range(results))]
    return demo_job.next_turn(ModelRequest(system="", messages=tuple(messages)))


def test_the_model_goes_by_the_conversation() -> None:
    """A new process goes on where the old one was: what counts is what has been seen."""
    steps = [turn_after(n).steps for n in range(7)]
    names = [[s.name for s in step if isinstance(s, Call)] for step in steps]
    assert [["bash"], ["read"], ["edit"], ["bash"], ["bash"], [], []] == names
