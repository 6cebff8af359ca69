"""A program's own telemetry changes nothing that its sessions do, whatever it does."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import Conflict, LeaseHeld, Unavailable
from holdfast.ports.quiet import QuietTelemetry
from holdfast.ports.telemetry import NO_TELEMETRY, NoTelemetry, Telemetry
from holdfast.runtime.telling import Telling
from holdfast.testing.script import call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, results, run, texts, tool
from tracefaults import CANARY, ODD, PLACES, Faulty, Odd

REACHED = [one for one in PLACES if one not in ("incoming", "lost")]
"""Where sessions ask; the rest is asked by a server."""


def look() -> str:
    """Look something up."""
    return "found"


async def evening(telemetry: Telemetry) -> list[object]:
    """A turn with a tool, a turn that is cut off by the close, and what is on record."""
    model = ScriptedModel([call("look", {}), say("done"), hang("a ")])
    sessions = memory(model, tool(look))
    sessions.telemetry = telemetry
    async with sessions:
        session = await sessions.create_session("one", UNSAFE)
        answer = await session.generate("go")
        history = await session.history()
        going = asyncio.create_task(session.generate("more"))
        await model.hanging.wait()
    await asyncio.wait({going})
    failed = going.exception()
    found = [one.content for one in results(history)]
    return [answer.text, texts(history), found, type(failed)]


def test_a_manager_tells_nobody_unless_it_is_said_whom() -> None:
    """What is set fails nobody from then on."""
    telling = Telling()
    assert NO_TELEMETRY is telling.telemetry
    telling.telemetry = Faulty("")
    assert type(telling.telemetry) is QuietTelemetry
    telling.telemetry = none = NoTelemetry()
    assert none is telling.telemetry


@pytest.mark.parametrize("place", REACHED)
def test_a_telemetry_that_fails_somewhere_changes_no_session(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Runs, calls and the close are as they are without one; all but what failed is told."""
    expected = run(evening(NO_TELEMETRY))
    faulty = Faulty(place)
    with caplog.at_level(logging.DEBUG, "holdfast"):
        assert expected == run(evening(faulty))
    assert faulty.hits >= 1
    assert ["failed in" in caplog.text, CANARY in caplog.text] == [True, False]
    if place not in ("start", "end"):
        assert 6 == len(faulty.ended)


@pytest.mark.parametrize("error", [LeaseHeld, Conflict, Unavailable, StopIteration, TimeoutError])
def test_what_means_something_elsewhere_means_nothing_there(error: type[Exception]) -> None:
    """A lost lease that telemetry tells of is none."""
    expected = run(evening(NO_TELEMETRY))
    for place in ("current", "start", "within", "leave", "end"):
        faulty = Faulty(place, lambda: error(CANARY))
        assert expected == run(evening(faulty))
        assert faulty.hits


@pytest.mark.parametrize("kind", ODD)
def test_a_telemetry_that_returns_anything_changes_no_session(kind: str) -> None:
    """What is no span and no context is none."""
    odd: Any = Odd(ODD[kind]())
    assert run(evening(NO_TELEMETRY)) == run(evening(odd))


SCRIPT = """
import asyncio
from holdfast import SessionManager
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel

async def work():
    async with SessionManager(ScriptedModel([say("done")])) as sessions:
        session = await sessions.create_session("one")
        print((await session.generate("go")).text, type(sessions.telemetry).__name__)

asyncio.run(work())
"""


def alone(**environment: str) -> tuple[str, str]:
    """What a program of its own prints, and what its log says."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **environment},
    )
    return ran.stdout, ran.stderr


def test_a_library_that_breaks_when_it_is_imported_changes_no_session(tmp_path: Path) -> None:
    """Whatever it raises: nothing is told, and the log says that it failed."""
    broken = tmp_path / "opentelemetry"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('canary')\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    out, log = alone(PYTHONPATH=path)
    assert "done NoTelemetry\n" == out
    assert "telemetry failed in its setting up and is passed over: RuntimeError\n" == log


def test_a_provider_that_is_not_there_changes_no_session() -> None:
    """The environment may name one."""
    out, log = alone(OTEL_PYTHON_TRACER_PROVIDER="none_such")
    assert "done NoTelemetry\n" == out
    assert "telemetry failed in its setting up and is passed over:" in log
