"""The detectors port: what looks at a text and says what it sees.

Contract
- Detectors are pure in what they return: the same text, the same answer.
- Any text is accepted, lone surrogates and control characters included; nothing
  is raised for what a text says. An exception is a bug, and the caller then takes
  the text for the worst (fail closed).
- `classify` and `scan` are fast (2 KB in about a millisecond, any 100 KB in less
  than 50) and run on the event loop. An engine that is slower is a
  `SlowClassifier`; it runs off the loop under a deadline, and on time-out the
  higher of the known verdicts stands.
- Nothing of the text is logged or kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard, runtime_checkable

from holdfast.core.findings import CLEAN, NOTHING, Classification, Signal


class Classifier(Protocol):
    """Finds values that are secret or personal."""

    @property
    def name(self) -> str:
        """Short name of the engine."""
        ...

    def classify(self, text: str) -> Classification:
        """Say what stands in a text, with places in the text as given."""
        ...


@runtime_checkable
class SlowClassifier(Protocol):
    """A classifier that may take long, such as one with a language model behind it."""

    @property
    def name(self) -> str:
        """Short name of the engine."""
        ...

    async def classify_slowly(self, text: str) -> Classification:
        """Say what stands in a text; cancelled when its time is over."""
        ...


def is_slow(classifier: object) -> TypeGuard[SlowClassifier]:
    """Whether a classifier may take long; `isinstance` looks at its every member anew."""
    return hasattr(classifier, "classify_slowly")


class InjectionDetector(Protocol):
    """Looks for instructions where there should be data."""

    @property
    def name(self) -> str:
        """Short name of the engine."""
        ...

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Weigh the evidence in a text.

        Args:
            canaries: marks that must not turn up; one that does, in plain or
                encoded, is evidence of weight 1.0.
        """
        ...


class NoClassifier:
    """Sees nothing: for installations that switch classification off."""

    name = "none"

    def classify(self, text: str) -> Classification:
        """Find nothing, and say so."""
        return NOTHING


class NoInjectionDetector:
    """Sees nothing: for installations that switch the signal off."""

    name = "none"

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Find nothing."""
        return CLEAN
