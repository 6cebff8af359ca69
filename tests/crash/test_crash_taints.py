"""A value is followed from the moment its event is durable, whatever dies then."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contenthelp import CARD, EMAIL, all_sent, leaked, names_in, public, quick
from holdfast.core.labels import Sensitivity
from holdfast.testing.script import ScriptItem, call, say
from sessionhelp import on_file, run, tool

HERE = Path(__file__).parent


def fetch() -> str:
    """Read nothing any more."""
    return "nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("where", "names"), [("message", 1), ("result", 2)])
def test_a_kill_after_the_append_loses_no_value(tmp_path: Path, where: str, names: int) -> None:
    """The next process tells a public model names, and knows the label."""
    paths = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "src")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    words = [sys.executable, str(HERE / "taint_child.py"), str(tmp_path), where]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert -signal.SIGKILL == done.returncode, done.stderr

    async def work() -> None:
        script: list[ScriptItem] = [say("done"), say("again")]
        if where == "message":
            script.insert(0, call("fetch"))
        model = public(script)
        async with on_file(tmp_path, model, tool(fetch), detectors=quick()) as sessions:
            while not (resumed := await sessions.resume_interrupted()):
                await asyncio.sleep(0.05)
            session = resumed[0]
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.01)
            await session.generate(f"again {EMAIL} and others")
            label = await session.label()
        assert [] == leaked(all_sent(model), (EMAIL, CARD))
        assert names == len(names_in(all_sent(model)))
        level = Sensitivity.SENSITIVE if where == "message" else Sensitivity.HIGHLY_SENSITIVE
        assert level is label.sensitivity

    run(work())
