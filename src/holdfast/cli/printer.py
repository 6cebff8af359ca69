"""Showing a session's events while they happen: JSON, plain, or for a terminal.

- JSON: one object per event and line on stdout, nothing else there.
- plain (stdout is no terminal): what the model says goes to stdout; tool calls
  and notes go to stderr, so that the answer can be piped on.
- terminal: everything on stdout, tools and notes dimmed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

from holdfast.cli.plain import one_line, safe

if TYPE_CHECKING:
    from holdfast.runtime.stream import StreamEvent

RESULT_LINES = 6
RESULT_HEAD = 2
ARGUMENT_CHARS = 100
LINE_CHARS = 160
_STYLES = {"dim": "2", "tool": "36", "good": "32", "bad": "31", "strong": "1", "warn": "33"}
Data = Mapping[str, object]


class Printer(Protocol):
    """Shows events and notes."""

    def show(self, event: StreamEvent) -> None:
        """Show one event."""

    def note(self, text: str, style: str = "dim") -> None:
        """Say something that is no event."""

    def result(self, found: dict[str, object]) -> None:
        """Say what the run came to, for programs."""


class JsonPrinter:
    """One JSON object per line."""

    def show(self, event: StreamEvent) -> None:
        """Write the event."""
        self._write(event.to_json())

    def note(self, text: str, style: str = "dim") -> None:
        """Write a note to stderr; stdout is for events."""
        print(safe(text), file=sys.stderr, flush=True)

    def result(self, found: dict[str, object]) -> None:
        """Write the last line."""
        self._write({"type": "result", **found})

    def _write(self, value: dict[str, object]) -> None:
        print(json.dumps(value, ensure_ascii=True), flush=True)


class TextPrinter:
    """For people.

    Args:
        colour: write terminal colours.
        aside: where tools and notes go.
    """

    def __init__(
        self, *, colour: bool, aside: TextIO | None = None, thinking: bool = False
    ) -> None:
        self._colour = colour
        self._aside = aside
        self._thinking = thinking
        self._said = ""
        self._open_line = False
        self._styled = ""
        self._arguments: dict[str, str] = {}
        self._last_tool = ""
        self._shown: dict[str, Callable[[Data], None]] = {
            "text_delta": self._text_delta,
            "thinking_delta": self._thinking_delta,
            "turn_start": self._turn_start,
            "turn_end": self._turn_end,
            "tool_start": self._tool_start,
            "tool_end": self._tool_end,
            "restarted": self._restarted,
            "permission_denied": self._denied,
            "confirmation_received": self._answered,
            "session_state": self._state,
            "message_added": self._added,
            "error": self._error,
            "agent_end": self._run_end,
            "gap": self._gap,
        }

    def show(self, event: StreamEvent) -> None:
        """Show one event; kinds that say nothing to a person are left out."""
        writer = self._shown.get(event.type)
        if writer is not None:
            writer(event.data)

    def note(self, text: str, style: str = "dim") -> None:
        """Say something beside the answer."""
        self._end_line()
        for line in safe(text).split("\n"):
            self._put(self._paint(line, style) + "\n", self._aside)

    def result(self, found: dict[str, object]) -> None:
        """Nothing: people have read it."""

    # --- what the model says ---------------------------------------------------------

    def _turn_start(self, data: Data) -> None:
        self._said = ""

    def _text_delta(self, data: Data) -> None:
        text, offset = str(data["text"]), data.get("offset")
        if offset == 0 and self._said and text.startswith(self._said):
            text = text[len(self._said) :]  # the text so far came again, for a late reader
        self._said += text
        self._say(text)

    def _thinking_delta(self, data: Data) -> None:
        if self._thinking:
            self._put(self._paint(safe(str(data["text"])), "dim"), self._aside)
            self._open_line = True

    def _turn_end(self, data: Data) -> None:
        text = str(data["text"])
        if text.startswith(self._said):
            self._say(text[len(self._said) :])
        elif text:
            self._end_line()
            self._say(text)
        self._said = ""
        self._end_line()
        calls = data.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            self._arguments[str(call["id"])] = str(call["arguments"])

    def _say(self, text: str) -> None:
        if text:
            self._put(safe(text), None)
            self._open_line = not text.endswith("\n")

    # --- tools -----------------------------------------------------------------------

    def _tool_start(self, data: Data) -> None:
        name = one_line(str(data["name"]), 40)
        detail = summary(self._arguments.get(str(data["id"]), ""))
        self._last_tool = str(data["id"])
        self._end_line()
        self._put(f"{self._paint('▶ ' + name, 'tool')} {detail}".rstrip() + "\n", self._aside)

    def _tool_end(self, data: Data) -> None:
        self._end_line()
        if str(data["id"]) != self._last_tool:
            self._put(
                f"{self._paint('◀ ' + one_line(str(data['name']), 40), 'tool')}\n", self._aside
            )
        for line in excerpt(str(data["output"])):
            self._put(self._paint("  │ " + line, "dim") + "\n", self._aside)
        outcome, code = str(data["outcome"]), data["exit_code"]
        metadata = data.get("metadata")
        took = f" · {int(str(data.get('duration_ms', 0))) / 1000:.1f} s"
        loose = isinstance(metadata, dict) and metadata.get("sandbox") == "none"
        extra = took + (" · unsandboxed" if loose else "")
        if outcome == "done" and not code:
            self._put(self._paint(f"  ✓ ok{extra}", "good") + "\n", self._aside)
        else:
            what = f"exit {code}" if outcome in ("done", "failed") else outcome
            self._put(self._paint(f"  ✗ {what}{extra}", "bad") + "\n", self._aside)

    def _restarted(self, data: Data) -> None:
        what = one_line(f"{data['effect']} {data['name']}", 60)
        self.note(f"↻ {what}: attempt {data['attempt']}")

    def _denied(self, data: Data) -> None:
        self.note(f"✗ {data['tool_name']} was refused: {data['reason']}", "bad")

    # --- the rest --------------------------------------------------------------------

    def _answered(self, data: Data) -> None:
        added = f" ({data['note']})" if data.get("note") else ""
        self.note(f"answered: {data['decision']}{added}")

    def _state(self, data: Data) -> None:
        reason = f": {data['reason']}" if data.get("reason") else ""
        self.note(f"session is {str(data['state']).lower()}{reason}", "warn")

    def _added(self, data: Data) -> None:
        if data.get("steering"):
            self.note(f"steered: {one_line(str(data['text']))}")

    def _error(self, data: Data) -> None:
        self.note(f"failed: {data['message']}", "bad")

    def _run_end(self, data: Data) -> None:
        self._end_line()
        if data["outcome"] == "cancelled":
            self.note(f"the turn was cancelled ({data['reason']})", "warn")
        if data.get("trusted") is False:
            origins = data.get("origins")
            named = ", ".join(map(str, origins)) if isinstance(origins, list) else ""
            self.note(f"strangers' words may have shaped this answer ({one_line(named, 160)})")

    def _gap(self, data: Data) -> None:
        self.note(f"versions {data['from_version']} to {data['to_version']} were not shown in time")

    def _end_line(self) -> None:
        if self._open_line:
            self._open_line = False
            self._put("\n", None)

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and text else text

    def _put(self, text: str, where: TextIO | None) -> None:
        out = where or sys.stdout
        out.write(text)
        out.flush()


def summary(arguments: str) -> str:
    """The arguments of a call on one line: a lone value plainly, else name=value."""
    try:
        found = json.loads(arguments) if arguments else {}
    except ValueError:
        return one_line(arguments, ARGUMENT_CHARS)
    if not isinstance(found, dict):
        return one_line(arguments, ARGUMENT_CHARS)
    values = {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.items()}
    if len(values) == 1:
        return one_line(next(iter(values.values())), ARGUMENT_CHARS)
    pairs = [f"{name}={one_line(value, 48)}" for name, value in values.items()]
    return one_line(" ".join(pairs), ARGUMENT_CHARS)


def excerpt(output: str) -> list[str]:
    """The first and last lines of a result, made safe."""
    lines = [line for line in safe(output).split("\n") if line.strip()]
    lines = [line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…" for line in lines]
    if len(lines) <= RESULT_LINES:
        return lines
    tail = RESULT_LINES - RESULT_HEAD - 1
    left_out = len(lines) - RESULT_HEAD - tail
    return [*lines[:RESULT_HEAD], f"… {left_out} more lines …", *lines[-tail:]]


def printer_for(*, as_json: bool, colour: bool | None = None) -> Printer:
    """The printer that suits stdout."""
    if as_json:
        return JsonPrinter()
    terminal = sys.stdout.isatty()
    wanted = terminal and not os.environ.get("NO_COLOR") if colour is None else colour
    return TextPrinter(
        colour=bool(wanted), aside=None if terminal else sys.stderr, thinking=terminal
    )
