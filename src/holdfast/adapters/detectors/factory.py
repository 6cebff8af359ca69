"""Making the engines that content is looked at with; each is built once, when first used.

They hold tables of patterns and no text, so that everybody in a process shares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from holdfast.core.findings import Signal
from holdfast.core.security import CustomRule, Security
from holdfast.ports.detector import Classifier, InjectionDetector, SlowClassifier

if TYPE_CHECKING:
    from holdfast.adapters.detectors.fast import FastClassifier

KEPT_MAX = 32
BUDGET_S = 0.5


class Classifiers:
    """Makes the classifier of a session's settings.

    Args:
        slow: engines that are asked besides, off the event loop.
        budget_s: how long they have for one text, all together, in seconds.
    """

    def __init__(self, slow: Sequence[SlowClassifier] = (), budget_s: float = BUDGET_S) -> None:
        self._slow = tuple(slow)
        self._budget_s = budget_s

    def __call__(self, security: Security) -> Classifier:
        """The classifier with these packs and custom rules.

        Raises:
            InvalidInput: a pack is unknown, or a rule cannot be used.
        """
        fast = _fast(security.packs, security.rules)
        if not self._slow:
            return fast
        from holdfast.adapters.detectors.composite import CompositeClassifier  # lazy: seldom used

        return CompositeClassifier(fast, self._slow, self._budget_s)

    def kinds(self, security: Security) -> frozenset[str] | None:
        """The kinds that can be found under these settings; None where an engine does not say.

        A slow engine says it with an attribute `kinds`.

        Raises:
            InvalidInput: a pack is unknown, or a rule cannot be used.
        """
        found = set(_fast(security.packs, security.rules).kinds)
        for engine in self._slow:
            more: object = getattr(engine, "kinds", None)
            if not isinstance(more, frozenset | set):
                return None
            found |= more
        return frozenset(found)


@lru_cache(maxsize=KEPT_MAX)
def _fast(packs: tuple[str, ...], rules: tuple[CustomRule, ...]) -> FastClassifier:
    # lazy: what nobody has said anything to yet needs no patterns
    from holdfast.adapters.detectors import custom, fast

    own = [
        custom.CustomRule(name=rule.name, pattern=rule.pattern, level=rule.level) for rule in rules
    ]
    return fast.FastClassifier(packs=packs, custom=own)


class SharedInjectionDetector:
    """The default injection detector, built when it is first asked."""

    name = "rules"

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Weigh the evidence in a text."""
        return _injection().scan(text, canaries)


@lru_cache(maxsize=1)
def _injection() -> InjectionDetector:
    # lazy: what nobody has said anything to yet needs no patterns
    from holdfast.adapters.detectors.injection import RuleInjectionDetector

    return RuleInjectionDetector()
