"""What tests of content share: values, quick detectors, and a look at all that left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from holdfast.adapters.detectors.factory import Classifiers
from holdfast.adapters.detectors.injection import RuleInjectionDetector
from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.events import Event
from holdfast.core.findings import CLEAN, Classification, Signal
from holdfast.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from holdfast.core.security import Security, Zone
from holdfast.ports.detector import Classifier, SlowClassifier
from holdfast.ports.model import ModelRequest
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.handle import Session
from holdfast.runtime.stream import StreamEvent
from holdfast.testing.script import ScriptItem
from holdfast.testing.scripted import ScriptedModel

EMAIL = "ada.lovelace@example.org"
CARD = "4111-1111-1111-1111"
PASSWORD = "correct9Horse7Battery"
SECRETS = (EMAIL, CARD, PASSWORD)
TOLD = f"Mail {EMAIL}, my card is {CARD} and my password is {PASSWORD}."

_CLASSIFIERS = Classifiers()
_INJECTION = RuleInjectionDetector()
NAMED = re.compile(r"PRIVATE-[A-Z0-9-]+?-[A-Z2-7]{13}")


def quick(slow: Sequence[SlowClassifier] = (), budget_s: float = 0.5) -> Detectors:
    """The detectors of an installation, with the values in this very process."""
    classifiers = Classifiers(slow, budget_s) if slow else _CLASSIFIERS
    return Detectors(
        classifier=classifiers,
        kinds=classifiers.kinds,
        injection=_INJECTION,
        taints=LocalTaintMatcher(),
    )


def public(script: Iterable[ScriptItem] = (), **options: Any) -> ScriptedModel:
    """A model that anybody might read along with."""
    return ScriptedModel(script, zone=Zone.PUBLIC, **options)


def words_of(message: Message) -> str:
    """All that a message holds, of every part."""
    said = []
    for part in message.parts:
        match part:
            case Text(text=text) | Thinking(text=text):
                said.append(text)
            case ToolUse(arguments=arguments):
                said.append(arguments)
            case ToolResult(content=content):
                said.append(content)
    return "\n".join(said)


def sent(request: ModelRequest) -> str:
    """All that a model was told in one request."""
    return "\n".join((request.system, *map(words_of, request.messages)))


def all_sent(model: ScriptedModel) -> str:
    """All that a model was ever told."""
    return "\n".join(map(sent, model.requests))


def leaked(text: object, values: Iterable[str] = SECRETS) -> list[str]:
    """The values that stand in a text, or in what an object prints."""
    shown = text if isinstance(text, str) else repr(text)
    return [value for value in values if value in shown]


def names_in(text: str) -> list[str]:
    """The pseudonyms in a text, each once, in order."""
    return list(dict.fromkeys(NAMED.findall(text)))


def shown(events: Iterable[StreamEvent], *types: str) -> str:
    """What events of these types say, deltas joined."""
    pieces = []
    for event in events:
        if event.type in types or not types:
            pieces += [str(value) for value in event.data.values()]
    return "".join(pieces)


async def log_of(session: Session) -> list[Event]:
    """All events of a session."""
    journal = session.where.backend.journal(session.where.row)
    return [recorded.event async for recorded in journal.replay()]


class Counting:
    """Detectors that note every text they see.

    Attributes:
        seen: the texts that were classified; scanned: those looked at for injections.
    """

    name = "counting"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.scanned: list[str] = []
        self._inner = quick()

    def classifier(self, security: Security) -> Classifier:
        """Make the classifier of some settings."""
        return _Noting(self._inner.classifier(security), self.seen)

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Look for injections."""
        self.scanned.append(text)
        return self._inner.injection.scan(text, canaries)

    def detectors(self) -> Detectors:
        """What a manager is given."""
        return replace(self._inner, classifier=self.classifier, injection=self)

    def saw(self, mark: str) -> bool:
        """Whether both detectors looked at a text with this in it."""
        return all(any(mark in text for text in one) for one in (self.seen, self.scanned))


class _Noting:
    name = "noting"

    def __init__(self, inner: Classifier, seen: list[str]) -> None:
        self._inner, self._seen = inner, seen

    def classify(self, text: str) -> Classification:
        """Find what the real one finds."""
        self._seen.append(text)
        return self._inner.classify(text)


class Broken:
    """A detector with a bug; its message tells what it was given."""

    name = "broken"

    def __init__(self, *, only: str = "") -> None:
        self._only = only

    def classify(self, text: str) -> Classification:
        """Fail, if the text has the word."""
        if self._only in text:
            raise ValueError("a bug")
        return Classification()

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Fail, if the text has the word."""
        if self._only in text:
            raise ValueError("a bug")
        return CLEAN
