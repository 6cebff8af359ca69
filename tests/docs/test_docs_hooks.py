"""The reference of hooks says what the code does."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.hooks import FAIL_CLOSED, HONOURED, HookAction, HookEvent
from holdfast.runtime.hooks import CHANGEABLE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "hooks.md"


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading."""
    text = PAGE.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_event_is_there_and_right() -> None:
    """Answers, changeable data and what a failure means are those of the code."""
    table = {row[0].strip("`"): row for row in rows("Events")}
    assert {event.value for event in HookEvent} == set(table)
    for event in HookEvent:
        _, _, data, changeable, answers, closed = table[event.value]
        assert {action.value for action in HONOURED[event]} == set(answers.split(", "))
        names = {cell.strip("`") for cell in changeable.split(", ") if cell}
        assert set(CHANGEABLE.get(event, {})) == names
        assert names <= {cell.strip("`") for cell in data.split(", ")}
        assert ("yes" if event in FAIL_CLOSED else "no") == closed


def test_every_answer_is_there() -> None:
    """Each with its meaning."""
    assert {action.value for action in HookAction} == {row[0].strip("`") for row in rows("Answers")}
