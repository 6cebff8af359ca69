"""What an installation looks at content with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from holdfast.core.errors import InvalidInput
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


def _any_kind(security: Security) -> frozenset[str] | None:
    return None


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
        kinds: the kinds it can find under some settings; None where nobody can say.
        injection: looks for injected instructions.
        taints: looks for registered values.
    """

    classifier: Callable[[Security], Classifier] = _no_classifier
    injection: InjectionDetector = field(default_factory=NoInjectionDetector)
    taints: TaintMatcher = field(default_factory=NoTaints)
    kinds: Callable[[Security], frozenset[str] | None] = _any_kind

    def prepare(self, security: Security) -> None:
        """Build what the first text would otherwise wait for, under these settings."""
        self.classifier(security).classify("")
        self.injection.scan("")

    def check(self, security: Security) -> None:
        """Refuse settings that nothing could keep to, when they are made.

        Raises:
            InvalidInput: a rule or a pack cannot be used, or a type rule names a kind
                that nothing finds, so that it would never hold.
        """
        self.classifier(security)
        known = self.kinds(security)
        named = [kind for kind, _ in security.data.type_rules]
        unknown = [] if known is None else [kind for kind in named if kind not in known]
        if unknown:
            raise InvalidInput(f"type_rules: nothing finds the kind {unknown[0][:40]!r}")
