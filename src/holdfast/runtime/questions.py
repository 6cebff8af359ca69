"""Open questions as rows of the store: what waits for a person, and until when.

Each open question is one sealed row of the pending table, written and removed by
the appends that ask and close it. So a list of all that waits costs one page,
whatever the sessions' length, and a question without an engine still has its
time (contracts 1.11 and 2.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.core.events import Asked, Event
from holdfast.core.view import SessionView
from holdfast.ports.keys import DataKey
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.boxes import open_box
from holdfast.runtime.codec import dump, load
from holdfast.runtime.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a row says of a question; the row itself has its due time."""

    session_id: str
    asked: Asked
    asked_ms: int
    tools: tuple[str, ...] = ()


def question_id(version: int) -> bytes:
    """The row's id: the question's version in its log."""
    return version.to_bytes(16)


def settled(gone: Iterable[int]) -> tuple[tuple[PendingKind, bytes], ...]:
    """Rows to remove, of questions that are closed."""
    return tuple((PendingKind.QUESTION, question_id(version)) for version in sorted(gone))


def rows(
    journal: Journal, view: SessionView, events: Sequence[Event], now_ms: int
) -> tuple[PendingRow, ...]:
    """Rows to add, for the questions that these events ask and leave open.

    Args:
        view: the session after the events.
    """
    first = view.version - len(events) + 1
    open_ids = {question.id for question in view.questions}
    return tuple(
        _row(journal, view, event, version, now_ms)
        for version, event in enumerate(events, start=first)
        if isinstance(event, Asked) and version in open_ids
    )


def _row(
    journal: Journal, view: SessionView, asked: Asked, version: int, now_ms: int
) -> PendingRow:
    assert journal.crypto is not None, "a session that asks has its key"
    calls = (view.call(ordinal) for ordinal in (asked.ordinal, *asked.also))
    waiting = Waiting(
        session_id=view.session_id,
        asked=asked,
        asked_ms=now_ms,
        tools=tuple(call.id for call in calls if call is not None),
    )
    id = question_id(version)
    return PendingRow(
        stream=journal.stream,
        kind=PendingKind.QUESTION,
        id=id,
        payload=journal.crypto.seal_box("question", (journal.stream, id), dump(waiting)),
        due_ms=asked.due_ms,
        created_ms=now_ms,
    )


def open_row(row: PendingRow, key: DataKey) -> Waiting:
    """Open a question's row.

    Raises:
        Unreadable: it is not what was written.
    """
    return load(Waiting, open_box(key, "question", (row.stream, row.id), row.payload))
