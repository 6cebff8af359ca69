"""Events of a session's end, as they are written for ever."""

from __future__ import annotations

from dataclasses import fields

import pytest

from holdfast.core.endings import Ended, Wiped, WipeStarted
from holdfast.core.events import IN_CLEAR, KIND_OF, Event
from holdfast.runtime.codec import decode_event, encode_event

FIELDS = {WipeStarted: "checkpoint", Wiped: "destroyed_at_ms key_epoch", Ended: "tombstone"}


def test_fields_are_never_removed_or_reordered() -> None:
    """A new one comes last (contract 4.1), and all of them are stored in clear."""
    assert FIELDS == {kind: " ".join(each.name for each in fields(kind)) for kind in FIELDS}
    assert set(FIELDS) == IN_CLEAR


@pytest.mark.parametrize(
    ("kind", "written", "meaning"),
    [
        (WipeStarted, b"{}", WipeStarted()),
        (
            Wiped,
            b'{"destroyed_at_ms":5,"key_epoch":2}',
            Wiped(destroyed_at_ms=5, key_epoch=2),
        ),
        (Ended, b"{}", Ended(tombstone=False)),
    ],
    ids=["intent", "wiped", "ended"],
)
def test_the_least_that_was_written_still_reads(
    kind: type[Event], written: bytes, meaning: Event
) -> None:
    """And it is what would be written today."""
    assert meaning == decode_event(KIND_OF[kind], written)
    assert meaning == decode_event(*encode_event(meaning))
