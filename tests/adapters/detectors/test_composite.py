"""Several classifiers as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from holdfast.adapters.detectors.composite import CompositeClassifier, merged
from holdfast.core.findings import NOTHING, Classification, Finding
from holdfast.core.labels import Sensitivity
from holdfast.ports.detector import SlowClassifier


def saw(kind: str, start: int, end: int, level: Sensitivity) -> Classification:
    """An answer of one finding."""
    found = Finding(kind=kind, start=start, end=end, level=level)
    return Classification(level=level, findings=(found,))


class Fast:
    """Answers at once."""

    name = "fast"

    def __init__(self, answer: Classification) -> None:
        self.answer = answer

    def classify(self, text: str) -> Classification:
        """Give the answer."""
        return self.answer


class Slow:
    """Answers, fails or never comes back."""

    name = "slow"

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.cancelled = False

    async def classify_slowly(self, text: str) -> Classification:
        """Do what it was made for."""
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return self.answer  # type: ignore[return-value]  # one test answers nonsense


@asynccontextmanager
async def over_at_once(seconds: float) -> AsyncIterator[None]:
    """A deadline that is over as soon as anything waits."""
    async with asyncio.timeout(0):
        yield


EMAIL = saw("email", 0, 4, Sensitivity.SENSITIVE)
SECRET = saw("secret", 0, 2, Sensitivity.HIGHLY_SENSITIVE)


def ask(composite: CompositeClassifier, floor: Sensitivity = Sensitivity.PUBLIC) -> Classification:
    """Ask about a text of eight characters."""
    return asyncio.run(composite.classify_slowly("12345678", floor))


def test_the_level_is_the_highest_and_overlaps_are_kept() -> None:
    """Taken before anything is merged."""
    found = ask(CompositeClassifier(Fast(EMAIL), [Slow(SECRET)]))
    assert Sensitivity.HIGHLY_SENSITIVE == found.level
    assert ["email", "secret"] == [one.kind for one in found.findings]
    assert () == found.weak


@pytest.mark.parametrize("level", [Sensitivity.NORMAL, Sensitivity.CRITICAL])
def test_a_floor_holds(level: Sensitivity) -> None:
    """The higher of the floor and what was seen."""
    found = ask(CompositeClassifier(Fast(EMAIL)), level)
    assert max(level, Sensitivity.SENSITIVE) == found.level


def test_one_that_is_late_takes_nothing_away() -> None:
    """It is cancelled and named; the others are heard."""
    late = Slow(None)
    composite = CompositeClassifier(Fast(EMAIL), [late, Slow(SECRET)], deadline=over_at_once)
    found = ask(composite, Sensitivity.CRITICAL)
    assert (Sensitivity.CRITICAL, ("slow: timed out",)) == (found.level, found.weak)
    assert late.cancelled
    assert {"email", "secret"} == {one.kind for one in found.findings}


def test_one_that_fails_takes_nothing_away() -> None:
    """It is named with the class of its failure, never with its message."""
    found = ask(CompositeClassifier(Fast(EMAIL), [Slow(ValueError("12345678"))]))
    assert (Sensitivity.SENSITIVE, ("slow: failed (ValueError)",)) == (found.level, found.weak)


@pytest.mark.parametrize(
    "answer",
    ["nonsense", saw("x", 0, 9, Sensitivity.NORMAL), saw("x", 3, 3, Sensitivity.NORMAL),
     saw("x", -1, 3, Sensitivity.NORMAL)],
)  # fmt: skip
def test_an_answer_about_another_text_is_a_failure(answer: object) -> None:
    """Places outside the text are not passed on."""
    found = ask(CompositeClassifier(Fast(EMAIL), [Slow(answer)]))
    assert (EMAIL.findings, ("slow: failed (its answer is not of this text)",)) == (
        found.findings, found.weak
    )  # fmt: skip


def test_a_finding_counts_whatever_level_its_engine_says() -> None:
    """An engine that undersells its findings is not believed."""
    low = Classification(level=Sensitivity.PUBLIC, findings=SECRET.findings)
    assert Sensitivity.HIGHLY_SENSITIVE == merged(NOTHING, low).level


def test_the_fast_way_says_who_was_not_asked() -> None:
    """And is a classifier, as the whole is a slow one."""
    composite = CompositeClassifier(Fast(EMAIL), [Slow(SECRET)])
    found = composite.classify("12345678")
    assert (Sensitivity.SENSITIVE, ("slow: not asked",)) == (found.level, found.weak)
    assert isinstance(composite, SlowClassifier)


def test_the_fast_engine_s_failure_is_not_hidden() -> None:
    """The caller takes the text for the worst."""

    class Broken(Fast):
        def classify(self, text: str) -> Classification:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask(CompositeClassifier(Broken(NOTHING)))
