"""Events of the flow of information, as they are written for ever."""

from __future__ import annotations

from dataclasses import fields

import pytest

from holdfast.core.events import KIND_OF, Event
from holdfast.core.labels import UNTRUSTED
from holdfast.core.plans import PlanFixed, PlanStep, Relabelled
from holdfast.runtime.codec import decode_event, encode_event

FIELDS = {
    PlanStep: "tool arguments times",
    PlanFixed: "steps source by",
    Relabelled: "label risk why by",
}


def test_fields_are_never_removed_or_reordered() -> None:
    """A new one comes last (contract 4.1)."""
    assert FIELDS == {kind: " ".join(each.name for each in fields(kind)) for kind in FIELDS}


@pytest.mark.parametrize(
    ("kind", "written", "meaning"),
    [
        (
            PlanFixed,
            b'{"steps":[{"tool":"mail"}]}',
            PlanFixed(steps=(PlanStep(tool="mail"),), source="user", by=""),
        ),
        (Relabelled, b"{}", Relabelled(label=None, risk=False, why="", by="")),
    ],
    ids=["plan", "label"],
)
def test_the_least_that_was_written_still_reads(
    kind: type[Event], written: bytes, meaning: Event
) -> None:
    """A step is taken once with any arguments; nothing is lowered that is not named."""
    assert meaning == decode_event(KIND_OF[kind], written)


@pytest.mark.parametrize(
    "event",
    [
        PlanFixed(
            steps=(PlanStep(tool="mail", arguments='{"to":"a"}', times=3),),
            source="model",
            by="ann",
        ),
        Relabelled(label=UNTRUSTED, risk=True, why="checked", by="ann"),
    ],
    ids=["plan", "label"],
)
def test_what_is_written_is_read_back(event: Event) -> None:
    """Every field survives the wire form."""
    assert event == decode_event(*encode_event(event))
