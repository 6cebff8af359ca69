"""Several classifiers as one: a fast one at once, slower ones under a deadline.

Rules
- The level is the highest any engine saw, and never below the floor that was given.
- An engine that fails or is late takes nothing away: what the others saw and the
  floor stand, and `weak` names it and says why.
- An engine that says a place outside the text is broken, and is treated as failed.
- All engines together have `budget_s`; no clock is read here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from holdfast.core.findings import Classification, Finding
from holdfast.core.labels import Sensitivity
from holdfast.ports.detector import Classifier, SlowClassifier

Deadline = Callable[[float], AbstractAsyncContextManager[object]]
"""Bounds what is awaited within it: raises TimeoutError when the seconds are over."""


class CompositeClassifier:
    """A fast classifier, and slower ones that are asked when there is time.

    Args:
        fast: runs on the event loop; an exception of it is not caught (fail closed).
        slow: run concurrently.
        budget_s: how long the slow ones have, all together.
        deadline: bounds an await; for tests.
    """

    name = "composite"

    def __init__(
        self,
        fast: Classifier,
        slow: Sequence[SlowClassifier] = (),
        budget_s: float = 0.5,
        *,
        deadline: Deadline = asyncio.timeout,
    ) -> None:
        assert budget_s > 0, "the slow engines have some time"
        self._fast = fast
        self._slow = tuple(slow)
        self._budget_s = budget_s
        self._deadline = deadline

    def classify(self, text: str) -> Classification:
        """Ask the fast engine only; `weak` names the slow ones that were not asked."""
        found = self._fast.classify(text)
        skipped = tuple(f"{engine.name}: not asked" for engine in self._slow)
        return merged(found, weak=skipped)

    async def classify_slowly(
        self, text: str, floor: Sensitivity = Sensitivity.PUBLIC
    ) -> Classification:
        """Ask all engines.

        Args:
            floor: a level that is known already, such as that of the session.
        """
        fast = self._fast.classify(text)
        answers = await asyncio.gather(*(self._ask(engine, text) for engine in self._slow))
        return merged(fast, *answers, floor=floor)

    async def _ask(self, engine: SlowClassifier, text: str) -> Classification:
        try:
            async with self._deadline(self._budget_s):
                found = await engine.classify_slowly(text)
        except TimeoutError:
            return Classification(level=Sensitivity.PUBLIC, weak=(f"{engine.name}: timed out",))
        except Exception as error:
            # Its message may repeat the text; the name of its class cannot.
            why = f"{engine.name}: failed ({type(error).__name__})"
            return Classification(level=Sensitivity.PUBLIC, weak=(why,))
        if not isinstance(found, Classification) or not all(
            0 <= one.start < one.end <= len(text) for one in found.findings
        ):
            why = f"{engine.name}: failed (its answer is not of this text)"
            return Classification(level=Sensitivity.PUBLIC, weak=(why,))
        return found


def merged(
    first: Classification,
    *others: Classification,
    floor: Sensitivity = Sensitivity.PUBLIC,
    weak: tuple[str, ...] = (),
) -> Classification:
    """All that several engines saw in one text; the level is the highest of all.

    Overlaps are kept: which span to cut is for whoever cuts.
    """
    answers = (first, *others)
    findings = [finding for answer in answers for finding in answer.findings]
    levels = [answer.level for answer in answers] + [finding.level for finding in findings]
    findings.sort(key=_place)
    return Classification(
        level=max(floor, *levels),
        findings=tuple(findings),
        weak=(*(reason for answer in answers for reason in answer.weak), *weak),
    )


def _place(finding: Finding) -> tuple[int, int]:
    return finding.start, -finding.end
