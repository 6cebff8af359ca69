"""What became of a command, read from the log."""

from __future__ import annotations

import pytest

from holdfast.core.errors import Busy, HoldfastError, NotNow, QuestionNotFound
from holdfast.runtime.outcomes import error_of, outcome_of
from sessionhelp import echo, one_session, run

ID = b"o" * 16


def test_a_message_is_found_where_it_was_admitted() -> None:
    """The outcome of a message is its own version, however much came after it."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("first")
            await session.generate("q", command_id=ID)
            for _ in range(3):
                await session.generate("later")
            store, stream = session.where.backend.store, session.where.stream
            known = await store.command(stream, ID)
            assert known is not None
            journal = session.where.backend.journal(session.where.row)
            found = await outcome_of(journal, ID, known[0])
            event = (await journal.event_at(found.first)).event
            assert "q" == event.message.text
            assert found.duplicate and found.turn == found.first

    run(work())


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("busy", Busy),
        ("not_now", NotNow),
        ("question_not_found", QuestionNotFound),
        ("stale", HoldfastError),
        ("nonsense", HoldfastError),
    ],
)
def test_a_reason_becomes_its_error(reason: str, kind: type[HoldfastError]) -> None:
    """Codes on record are the errors the caller would have met."""
    error = error_of(reason)
    assert isinstance(error, kind)
    assert reason in error.message or error.message
