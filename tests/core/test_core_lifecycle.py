"""The lifecycle table, every pair of it."""

from __future__ import annotations

import pytest

from holdfast.core.errors import IllegalTransition
from holdfast.core.lifecycle import (
    EDGES,
    ENDED,
    WORKING,
    SessionState,
    can_move,
    check_move,
    decode_state,
    diagram,
)

# The ruling's own words, one line a state.
RULING = """
creating→active|error|terminating
active→processing|paused|completed|error|terminating
processing→active|paused|completed|error|terminating
paused→active|completed|error|terminating
completed→active|terminating
error→active|terminating
terminating→terminated
terminated→
unknown→
"""
ROWS = dict(line.split("→") for line in RULING.split())
PAIRS = [(here, there) for here in SessionState for there in SessionState]


@pytest.mark.parametrize(("here", "there"), PAIRS, ids=lambda state: state.title)
def test_every_pair_is_as_the_ruling_says(here: SessionState, there: SessionState) -> None:
    """The table has the ruling's edges and no other."""
    legal = there.title.lower() in ROWS[here.title.lower()].split("|")
    assert legal == can_move(here, there)
    if legal:
        check_move(here, there)
        return
    with pytest.raises(IllegalTransition, match=f"{here.title} cannot become {there.title}"):
        check_move(here, there)


def test_table_has_every_state() -> None:
    """No state is without a row."""
    assert set(SessionState) == set(EDGES)


def test_sets_of_states() -> None:
    """Working is active or processing; ended is terminating or terminated."""
    assert {SessionState.ACTIVE, SessionState.PROCESSING} == WORKING
    assert {SessionState.TERMINATING, SessionState.TERMINATED} == ENDED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, SessionState.UNKNOWN),
        (1, SessionState.ACTIVE),
        (2, SessionState.PAUSED),
        (3, SessionState.COMPLETED),
        (4, SessionState.ERROR),
        (8, SessionState.TERMINATED),
        (9, SessionState.UNKNOWN),
        (-1, SessionState.UNKNOWN),
        (True, SessionState.UNKNOWN),
        ("Active", SessionState.ACTIVE),
        ("processing", SessionState.PROCESSING),
        ("nonsense", SessionState.UNKNOWN),
        ("", SessionState.UNKNOWN),
    ],
)
def test_decoding(value: int | str, expected: SessionState) -> None:
    """The seed's numbers and names decode; anything else is unknown."""
    assert expected == decode_state(value)


@pytest.mark.parametrize("state", SessionState)
def test_title_decodes_back(state: SessionState) -> None:
    """A written state reads as itself."""
    assert state == decode_state(state.title)


def test_diagram_has_every_edge_once() -> None:
    """The diagram is the table."""
    lines = diagram().splitlines()
    assert ["stateDiagram-v2", "    [*] --> Creating"] == lines[:2]
    assert "    Terminated --> [*]" == lines[-1]
    drawn = {tuple(line.strip().split(" --> ")) for line in lines[2:-1]}
    table = {(here.title, there.title) for here in EDGES for there in EDGES[here]}
    assert table == drawn
    assert len(table) == len(lines) - 3
