"""`holdfast chat`."""

from __future__ import annotations

import signal

import pytest
from clihelp import Place, Ran


def chat(place: Place, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Ran:
    """A conversation of these lines, in this process."""
    waiting = list(lines)

    def read(_: str = "") -> str:
        if not waiting:
            raise EOFError
        line = waiting.pop(0)
        if line == "^C":
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr("builtins.input", read)
    script = place.script({"text": "first"}, {"text": "second"}, {"text": "third"})
    where = [] if place.store.exists() else ["-w", str(place.workspace)]
    return place.cli("chat", "-s", "one", "--script", script, *where)


def test_turn_after_turn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is a turn; the end of input leaves and the session stays."""
    ran = chat(place, monkeypatch, "one", "", "^C", "two")
    assert (0, "first\nsecond\n", True) == (ran.code, ran.out, "session one stays" in ran.err)


def test_slash_commands(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """They act on the session; what is refused is said and the talk goes on."""
    lines = ("//really", "/help", "/title A new\x1b name", "/history", "/info", "/nix", "/rewind x",
             "/pause tea", "ignored", "/resume", "/resume", "/clear", "/history", "two", "/quit",
             "never")  # fmt: skip
    ran = chat(place, monkeypatch, *lines)
    assert "first\nsecond\n" == ran.out
    for said in ("/rewind N", "user  /really", "paused; /resume", "it takes no messages",
                 "resumed", "it is not paused", "the model sees nothing yet", "there is no /nix",
                 "/rewind needs a version"):  # fmt: skip
        assert said in ran.err
    shown = place.cli("sessions", "show", "one", "--json").json()
    assert "Active" == shown["state"]
    assert "\x1b" not in ran.out + ran.err


def test_rewind_goes_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model sees what was there at the version."""
    ran = chat(place, monkeypatch, "one", "/rewind 1", "/history")
    assert "the model sees what was there at version 1\nthe model sees nothing yet" in ran.err


def test_an_interrupt_cancels_the_turn_and_not_the_program(place: Place) -> None:
    """After Ctrl-C the next line is a turn as before."""
    script = place.script({"text": "half", "hang": True, "after": 1}, {"text": "whole"})
    running = place.start("chat", "-s", "one", "-w", str(place.workspace), "--script", script)
    assert running.process.stdin is not None
    running.process.stdin.write("go\n")
    running.process.stdin.flush()
    running.until_said("half")
    running.process.send_signal(signal.SIGINT)
    running.until_said("cancelled (user)", "err")
    running.process.stdin.write("again\n")
    running.process.stdin.flush()
    running.until_said("whole")
    running.process.stdin.close()
    running.process.stdin = None
    assert 0 == running.process.wait(30)
    for stream in (running.process.stdout, running.process.stderr):
        assert stream is not None
        stream.close()
