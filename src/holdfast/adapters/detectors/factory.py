"""Making classifiers for what sessions ask for; equal wishes share one."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from holdfast.adapters.detectors.composite import CompositeClassifier
from holdfast.adapters.detectors.custom import CustomRule
from holdfast.adapters.detectors.fast import FastClassifier
from holdfast.core.security import Security
from holdfast.ports.detector import Classifier, SlowClassifier

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
        self._made: dict[tuple[object, ...], Classifier] = {}
        self._lock = Lock()

    def __call__(self, security: Security) -> Classifier:
        """The classifier with these packs and custom rules.

        Raises:
            InvalidInput: a pack is unknown, or a rule cannot be used.
        """
        key = (security.packs, security.rules)
        with self._lock:
            found = self._made.get(key)
            if found is None:
                found = self._make(security)
                if len(self._made) >= KEPT_MAX:
                    self._made.pop(next(iter(self._made)))
                self._made[key] = found
        return found

    def _make(self, security: Security) -> Classifier:
        custom = [
            CustomRule(name=rule.name, pattern=rule.pattern, level=rule.level)
            for rule in security.rules
        ]
        fast = FastClassifier(packs=security.packs, custom=custom)
        if not self._slow:
            return fast
        return CompositeClassifier(fast, self._slow, self._budget_s)
