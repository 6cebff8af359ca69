"""What an installation looks at content with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from holdfast.core.findings import TaintMatch
from holdfast.core.security import Security
from holdfast.ports.detector import (
    Classifier,
    InjectionDetector,
    NoClassifier,
    NoInjectionDetector,
)
from holdfast.ports.taints import Taint, TaintMatcher


def _no_classifier(security: Security) -> Classifier:
    return NoClassifier()


class NoTaints:
    """Keeps and finds nothing: for installations without a matcher."""

    async def load(self, session: str, taints: Sequence[Taint]) -> None:
        """Take nothing."""

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Find nothing."""
        return ()

    async def reach(self, session: str) -> int:
        """Nothing has to be held back."""
        return 0

    async def known(self, session: str) -> int:
        """Nothing is loaded."""
        return 0

    async def forget(self, session: str) -> None:
        """There is nothing."""

    async def aclose(self) -> None:
        """There is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """The engines behind the content guards.

    Args:
        classifier: makes the classifier for what a session's settings ask for; its
            custom rules and packs were checked when they were set.
        injection: looks for injected instructions.
        taints: looks for registered values.
    """

    classifier: Callable[[Security], Classifier] = _no_classifier
    injection: InjectionDetector = field(default_factory=NoInjectionDetector)
    taints: TaintMatcher = field(default_factory=NoTaints)
