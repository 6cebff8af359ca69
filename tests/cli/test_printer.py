"""Showing events."""

from __future__ import annotations

import io
import json

import pytest

from holdfast.cli.printer import JsonPrinter, TextPrinter, excerpt, printer_for, summary
from holdfast.runtime.stream import StreamEvent


def event(type: str, **data: object) -> StreamEvent:
    """An event with these data."""
    return StreamEvent(type=type, session="s", version=3, time_ms=1, run=2, data=data)


def plain() -> tuple[TextPrinter, io.StringIO]:
    """A plain printer and where its tools go."""
    aside = io.StringIO()
    return TextPrinter(colour=False, aside=aside), aside


def test_text_goes_to_stdout_and_tools_aside(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer can be piped on."""
    printer, aside = plain()
    call = {"id": "c1", "name": "bash", "arguments": '{"command": "ls -l"}'}
    printer.show(event("turn_start"))
    printer.show(event("text_delta", text="Hel", offset=0))
    printer.show(event("text_delta", text="lo", offset=3))
    printer.show(event("turn_end", text="Hello", tool_calls=[call]))
    printer.show(event("tool_start", id="c1", name="bash"))
    printer.show(
        event("tool_end", id="c1", name="bash", output="a\nb", exit_code=0, outcome="done",
              duration_ms=1500, metadata={"sandbox": "none"})
    )  # fmt: skip
    assert "Hello\n" == capsys.readouterr().out
    assert "▶ bash ls -l\n  │ a\n  │ b\n  ✓ ok · 1.5 s · unsandboxed\n" == aside.getvalue()


def test_a_call_led_elsewhere_has_no_deltas(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of the durable event is shown then, and only what was not shown yet."""
    printer, _ = plain()
    printer.show(event("turn_end", text="whole", tool_calls=[]))
    printer.show(event("text_delta", text="ha", offset=0))
    printer.show(event("text_delta", text="half", offset=0))
    printer.show(event("turn_end", text="half and more", tool_calls=[]))
    assert "whole\nhalf and more\n" == capsys.readouterr().out


def test_a_repeated_answer_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """After a crash other words may come; they begin on a line of their own."""
    printer, _ = plain()
    printer.show(event("text_delta", text="one", offset=0))
    printer.show(event("turn_end", text="two", tool_calls=[]))
    assert "one\ntwo\n" == capsys.readouterr().out


def test_hostile_output_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """No escape of a model or a tool reaches the terminal, not even in colour."""
    aside = io.StringIO()
    printer = TextPrinter(colour=False, aside=aside, thinking=True)
    bad = "\x1b]52;c;eA==\x07\x9b2J\u202e"
    printer.show(event("thinking_delta", text=bad))
    printer.show(event("text_delta", text=bad, offset=0))
    call = {"id": bad, "name": bad, "arguments": json.dumps({"command": bad, "x": bad})}
    printer.show(event("turn_end", text=bad, tool_calls=[call]))
    printer.show(event("tool_start", id=bad, name=bad))
    printer.show(event("tool_end", id="other", name=bad, output=bad, exit_code=1, outcome="failed"))
    printer.show(event("permission_denied", tool_name=bad, reason=bad))
    printer.show(event("confirmation_received", decision=bad, note=bad))
    printer.show(event("session_state", state=bad, reason=bad))
    printer.show(event("message_added", steering=True, text=bad))
    printer.show(event("error", message=bad))
    printer.show(event("restarted", effect=bad, name=bad, attempt=2))
    shown = capsys.readouterr().out + aside.getvalue()
    assert set() == set(shown) & set("\x1b\x07\x9b\u202e")
    assert shown.count("␛") > 10


def test_colour_is_only_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the only escapes are those of the printer's own colours."""
    printer = TextPrinter(colour=True)
    printer.note("\x1b[2J", "bad")
    assert "\x1b[31m␛[2J\x1b[0m\n" == capsys.readouterr().out


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Events and the result are JSON; notes are not among them."""
    printer = JsonPrinter()
    printer.show(event("text_delta", text="\u202e\x1b", offset=0))
    printer.note("aside")
    printer.result({"exit_code": 0})
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert (["text_delta", "result"], "aside\n") == ([line["type"] for line in lines], err)
    assert out.isascii()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{"command": "ls\\n-l"}', "ls -l"),
        ('{"a": 1, "b": "x y"}', "a=1 b=x y"),
        ("not json \x1b", "not json ␛"),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_summaries(arguments: str, line: str) -> None:
    """A call's arguments fit on one harmless line."""
    assert line == summary(arguments)


def test_long_results_are_cut() -> None:
    """The first and the last lines are shown, and how many are left out."""
    shown = excerpt("\n".join(f"line {n}" for n in range(20)))
    expected = ["line 0", "line 1", "… 15 more lines …", "line 17", "line 18", "line 19"]
    assert expected == shown


def test_the_printer_suits_the_output() -> None:
    """JSON when asked for, text otherwise."""
    kinds = (type(printer_for(as_json=True)), type(printer_for(as_json=False)))
    assert (JsonPrinter, TextPrinter) == kinds


def test_an_answer_after_strangers_words_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the answer, with whose words; nothing where all was trusted."""
    printer, aside = plain()
    printer.show(event("agent_end", outcome="completed", trusted=True, origins=[]))
    assert "" == aside.getvalue()
    printer.show(event("agent_end", outcome="completed", trusted=False, origins=["tool:page"]))
    assert "strangers' words may have shaped this answer (tool:page)\n" == aside.getvalue()
    assert "" == capsys.readouterr().out
