"""Turns in real processes: Ctrl-C, pauses, kills, questions."""

from __future__ import annotations

import json
import signal

import pytest
from clihelp import Place, Ran, Running

from holdfast.cli.driver import Background

HANG = {"text": "half a word", "hang": True, "after": 1}


def start_hanging(place: Place, *more: str) -> Running:
    """A run whose model says something and then hangs."""
    args = ("run", "go", "-s", "one", "-w", str(place.workspace), "--script", place.script(HANG))
    running = place.start(*args, *more)
    running.until_said("half a word")
    return running


def facts_of(place: Place) -> dict[str, object]:
    """What `sessions show` says of the session."""
    found = place.cli("sessions", "show", "one", "--json", "--history").json()
    assert isinstance(found, dict)
    return found


def test_one_interrupt_cancels_the_turn(place: Place) -> None:
    """Ctrl-C ends the turn, keeps what was said, and the exit code says so."""
    running = start_hanging(place)
    running.process.send_signal(signal.SIGINT)
    ran = running.ended()
    assert (130, "half a word\n") == (ran.code, ran.out)
    assert "the turn was cancelled (user)" in ran.err
    found = facts_of(place)
    assert ("Active", 1) == (found["state"], found["turn_count"])
    assert "half a word" in json.dumps(found["history"])


def test_a_paused_run_leaves(place: Place) -> None:
    """Another process pauses it; where nobody waits it says so, and it can be resumed."""
    running = start_hanging(place)
    paused = place.cli("sessions", "pause", "one", "--reason", "lunch", "--wait", "20")
    assert (0, "one: paused\n") == (paused.code, paused.err)
    ran = running.ended()
    assert (4, True) == (ran.code, "sessions resume one" in ran.err)
    assert "Paused" == facts_of(place)["state"]
    assert "one: resumed\n" == place.cli("sessions", "resume", "one", "--now").err
    finished = resumed(place, {"text": "whole"})
    assert (0, "whole\n", "Active") == (finished.code, finished.out, facts_of(place)["state"])


def resumed(place: Place, *turns: dict[str, object]) -> Ran:
    """What `run --resume` comes to with this script."""
    return place.cli("run", "--resume", "-s", "one", "--script", place.script(*turns))


def test_a_killed_model_call_is_repeated(place: Place) -> None:
    """After kill -9 during a model call the turn is finished, and it is said."""
    start_hanging(place).kill()
    ran = resumed(place, {"text": "again"})
    assert (0, "again\n", True) == (
        ran.code,
        ran.out,
        "model" in ran.err and "attempt 2" in ran.err,
    )
    assert "nothing was interrupted\n" == resumed(place, {"text": "no"}).err


def test_a_killed_command_waits_for_an_answer(place: Place) -> None:
    """The question is printed with the command that answers it; the answer is queued."""
    call = {"name": "bash", "arguments": {"command": "echo x >> out; sleep 60"}}
    script = place.script({"text": "now", "tool_calls": [call]})
    running = place.start(
        "run", "go", "-s", "one", "-w", str(place.workspace), "--script", script,
        "--unsafe-auto-approve", "--unsandboxed", "--json",
    )  # fmt: skip
    running.until_said('"tool_start"')
    out = place.workspace / "out"
    while not out.exists():
        assert running.process.poll() is None
    running.kill()
    asked = resumed(place, {"text": "no"})
    assert (10, True) == (asked.code, "nobody knows whether it happened" in asked.err)
    number = str(facts_of(place)["questions"][0]["id"])
    assert 3 == place.cli("sessions", "answer", "one", "999", "skip").code
    assert 2 == place.cli("sessions", "answer", "one", number, "maybe").code
    queued = place.cli("sessions", "answer", "one", number, "happened", "--note", "I saw it")
    assert (0, True) == (queued.code, "queued" in queued.err)
    ran = resumed(place, {"text": "good"})
    assert (0, "good\n", "x\n") == (ran.code, ran.out, out.read_text())
    assert "I saw it" in json.dumps(facts_of(place)["history"])


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_before_anything_is_quiet(place: Place, times: int) -> None:
    """However often and early Ctrl-C comes, there is no traceback."""
    running = start_hanging(place)
    for _ in range(times):
        running.process.send_signal(signal.SIGINT)
    ran = running.ended()
    assert (130, False) == (ran.code, "Traceback" in ran.err)


def test_the_background_runs_and_passes_errors_on() -> None:
    """Work on the loop's thread returns or raises in the caller's."""

    async def double(number: int) -> int:
        if number < 0:
            raise ValueError("negative")
        return 2 * number

    with Background() as background:
        assert 4 == background.run(double(2))
        with pytest.raises(ValueError, match="negative"):
            background.run(double(-1))
