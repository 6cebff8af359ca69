"""Rows of open questions: which there are, what they say, and where they open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from core_talk import ASKING, START_MS, Talk, answer, kinds
from holdfast.core.commands import Cancel, Configure
from holdfast.core.errors import Unreadable
from holdfast.core.events import Asked, Event
from holdfast.ports.keys import DataKey
from holdfast.ports.store import PendingKind
from holdfast.runtime.codec import dump
from holdfast.runtime.journal import Journal
from holdfast.runtime.questions import Waiting, open_row, question_id, rows, settled
from sessionhelp import echo, one_session, run


@asynccontextmanager
async def journal_of() -> AsyncIterator[tuple[Journal, DataKey]]:
    """A session's journal and its key."""
    async with one_session(echo()) as session:
        where = session.where
        yield where.backend.journal(where.row), where.backend.keys.session_key(where.stream)


def asking() -> tuple[Talk, list[Event]]:
    """A session that has just asked about a call, and the events of that append."""
    talk = Talk(guards=ASKING)
    talk.send()
    return talk, list(talk.model(answer("pay")))


def test_an_open_question_is_one_row() -> None:
    """Its id is the question's version; it says what was asked, of which call, and when."""

    async def work() -> None:
        talk, events = asking()
        (question,) = talk.view.questions
        asked = next(event for event in events if isinstance(event, Asked))
        async with journal_of() as (journal, key):
            (row,) = rows(journal, talk.view, events, START_MS + 7)
            assert (journal.stream, PendingKind.QUESTION, question.id.to_bytes(16)) == (
                row.stream,
                row.kind,
                row.id,
            )
            assert (asked.due_ms, START_MS + 7) == (row.due_ms, row.created_ms)
            expected = Waiting(session_id="one", asked=asked, asked_ms=START_MS + 7, tools=("c1",))
            assert expected == open_row(row, key)

    run(work())


def test_the_due_time_is_in_clear_and_nothing_else() -> None:
    """Whoever runs knows when to look; what is asked stays sealed (contract 1.9)."""

    async def work() -> None:
        talk, _ = asking()
        async with journal_of() as (journal, _):
            asked = talk.log[-1].event
            assert isinstance(asked, Asked)
            due = replace(asked, due_ms=START_MS + 60_000, preview="top secret")
            (row,) = rows(journal, talk.view, [due], START_MS)
            assert START_MS + 60_000 == row.due_ms
            for word in (b"pay", b"secret", b"one", dump(due)):
                assert word not in row.payload

    run(work())


def test_identical_calls_are_all_named() -> None:
    """One row with the ids of all calls that wait for the same answer (astrid#AW-38)."""

    async def work() -> None:
        talk = Talk(guards=ASKING)
        talk.send()
        events = talk.model(answer("pay", "look", "pay"))
        asked = next(event for event in events if isinstance(event, Asked))
        also = replace(asked, also=(3, 9))
        place = events.index(asked)
        async with journal_of() as (journal, key):
            given = [*events[:place], also, *events[place + 1 :]]
            (row,) = rows(journal, talk.view, given, START_MS)
            assert ("c1", "c3") == open_row(row, key).tools

    run(work())


def test_what_was_asked_and_closed_at_once_leaves_no_row() -> None:
    """An append that asks and withdraws owes nobody anything."""

    async def work() -> None:
        talk, events = asking()
        events += talk.say(Cancel())
        assert () == talk.view.questions
        async with journal_of() as (journal, _):
            assert () == rows(journal, talk.view, events, START_MS)

    run(work())


def test_only_what_these_events_ask_is_written() -> None:
    """A question from before keeps the row it has."""

    async def work() -> None:
        talk, _ = asking()
        events = talk.say(Configure(title="new"))
        assert ["Configured"] == kinds(events)
        async with journal_of() as (journal, _):
            assert () == rows(journal, talk.view, events, START_MS)
            assert 1 == len(talk.view.questions)

    run(work())


def test_closed_questions_are_removed_by_their_versions() -> None:
    """In order, each once."""
    expected = tuple((PendingKind.QUESTION, question_id(version)) for version in (3, 5, 300))
    assert expected == settled({300, 3, 5})
    assert () == settled(())


def test_ids_of_questions_are_sixteen_bytes_and_in_order() -> None:
    """As the store wants them; a later question sorts later."""
    ids = [question_id(version) for version in (1, 255, 256, 2**63)]
    assert {16} == {len(id) for id in ids}
    assert sorted(ids) == ids
    assert [1, 255, 256, 2**63] == [int.from_bytes(id) for id in ids]


def test_a_row_opens_only_where_it_was_written() -> None:
    """Altered, moved to another question or session, or under another key: unreadable."""

    async def work() -> None:
        talk, events = asking()
        async with journal_of() as (journal, key), journal_of() as (_, other):
            (row,) = rows(journal, talk.view, events, START_MS)
            for wrong in (
                replace(row, payload=row.payload[:-1] + bytes([row.payload[-1] ^ 1])),
                replace(row, payload=b""),
                replace(row, id=question_id(99)),
                replace(row, stream=row.stream + 1),
            ):
                with pytest.raises(Unreadable):
                    open_row(wrong, key)
            with pytest.raises(Unreadable):
                open_row(row, other)

    run(work())
