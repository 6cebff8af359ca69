"""The lifecycle of a session, as a table.

The states are the union of the seeds' (A2, D1); the edges are the rulings' R3.
The diagram in the documentation is generated from `EDGES`.
"""

from __future__ import annotations

from enum import IntEnum

from holdfast.core.errors import IllegalTransition


class SessionState(IntEnum):
    """States; 0 to 4 are seed D1's numbers. `UNKNOWN` only comes from decoding."""

    UNKNOWN = 0
    ACTIVE = 1
    PAUSED = 2
    COMPLETED = 3
    ERROR = 4
    CREATING = 5
    PROCESSING = 6
    TERMINATING = 7
    TERMINATED = 8

    @property
    def title(self) -> str:
        """The state's name as the seeds' JSON writes it, e.g. "Active"."""
        return self.name.capitalize()


_S = SessionState

EDGES: dict[SessionState, frozenset[SessionState]] = {
    _S.UNKNOWN: frozenset(),
    _S.CREATING: frozenset({_S.ACTIVE, _S.ERROR, _S.TERMINATING}),
    _S.ACTIVE: frozenset({_S.PROCESSING, _S.PAUSED, _S.COMPLETED, _S.ERROR, _S.TERMINATING}),
    _S.PROCESSING: frozenset({_S.ACTIVE, _S.PAUSED, _S.COMPLETED, _S.ERROR, _S.TERMINATING}),
    _S.PAUSED: frozenset({_S.ACTIVE, _S.COMPLETED, _S.ERROR, _S.TERMINATING}),
    _S.COMPLETED: frozenset({_S.ACTIVE, _S.TERMINATING}),
    _S.ERROR: frozenset({_S.ACTIVE, _S.TERMINATING}),
    _S.TERMINATING: frozenset({_S.TERMINATED}),
    _S.TERMINATED: frozenset(),
}

_CODES = frozenset(int(state) for state in SessionState)

WORKING = frozenset({_S.ACTIVE, _S.PROCESSING})
ENDED = frozenset({_S.TERMINATING, _S.TERMINATED})


def can_move(here: SessionState, there: SessionState) -> bool:
    """Tell whether the table has the edge."""
    return there in EDGES[here]


def check_move(here: SessionState, there: SessionState) -> None:
    """Refuse an edge the table does not have.

    Raises:
        IllegalTransition: there is no such edge.
    """
    if not can_move(here, there):
        raise IllegalTransition(f"a session that is {here.title} cannot become {there.title}")


def decode_state(value: int | str) -> SessionState:
    """Read a state from seed D1's number or name; anything else is UNKNOWN."""
    if isinstance(value, bool):
        return SessionState.UNKNOWN
    if isinstance(value, int):
        return SessionState(value) if value in _CODES else SessionState.UNKNOWN
    try:
        return SessionState[str(value).upper()]
    except KeyError:
        return SessionState.UNKNOWN


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> Creating"]
    for here in sorted(EDGES):
        lines += [f"    {here.title} --> {there.title}" for there in sorted(EDGES[here])]
    lines.append("    Terminated --> [*]")
    return "\n".join(lines) + "\n"
