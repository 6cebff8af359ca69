"""Inspecting: what comes in is looked at before it is decided on, in one place.

Every message, every result of a tool and everything imported passes here; what a
detector cannot answer is taken for the worst. What is found becomes labels, taints
and risk; the text itself is not changed.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from holdfast.core.commands import AddMessage, Command, Configure, Import, Send, ToolEnded
from holdfast.core.findings import Classification, Signal, Threat
from holdfast.core.flows import UNDECLARED, Flow, Reads
from holdfast.core.inspection import (
    KINDS_MAX,
    NOTHING,
    REASONS_MAX,
    VALUES_MAX,
    WEAK_MAX,
    Inspected,
)
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import ToolResult
from holdfast.core.security import InjectionDefense, Security
from holdfast.ports.detector import SlowClassifier
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.grounding import leaves
from holdfast.runtime.looking import texts_of
from holdfast.runtime.tainting import Found, Taints
from holdfast.runtime.veil import Veil

RESULT_CHARS_MAX = 400_000
FIELD_CHARS_MIN = 6
UNSEEN = "[withheld: the tool ran, but what it said could not be looked through]"
_log = logging.getLogger("holdfast")

WORST = Inspected(level=Sensitivity.CRITICAL, weak=("the detectors failed",))
"""What a result is taken for that could not be looked at."""


class Inspecting:
    """Looks at what comes into one session, for its engine."""

    def __init__(self, detectors: Detectors, taints: Taints, veil: Veil) -> None:
        self._detectors = detectors
        self.taints = taints
        self.veil = veil

    async def command(self, command: Command, security: Security) -> Inspected | None:
        """Look at the text a command brings in; None if that failed or there is none."""
        texts = _texts(command)
        if texts is None:
            return None
        try:
            return await self.text("\n".join(texts), security)
        except Exception:  # a detector's bug: the guard denies what nobody has looked at
            _log.exception("a message could not be inspected")
            return None

    async def text(self, text: str, security: Security, extra: Iterable[Found] = ()) -> Inspected:
        """Look at a text.

        Args:
            extra: values that are registered whatever a classifier says.
        """
        if not security.enabled:
            return NOTHING
        classifier = self._detectors.classifier(security)
        seen = classifier.classify(text)
        if isinstance(classifier, SlowClassifier):
            seen = await classifier.classify_slowly(text)
        signal = self._detectors.injection.scan(text)
        found = [
            Found(one.kind, one.level, text[one.start : one.end])
            for one in seen.findings
            if one.level >= Sensitivity.SENSITIVE
        ]
        noted = self.taints.note([*found, *extra], keep=security.taints)
        return _inspected(seen, signal, noted)

    async def result(
        self, ended: ToolEnded, flow: Flow | None, security: Security, *, given: bool
    ) -> ToolEnded:
        """Look at a tool's result: it gets its label, and is withheld if settings say so.

        Args:
            given: a trusted source gave all the arguments; if not, what the tool says
                may be the echo of a stranger's words.
        """
        flow = flow or UNDECLARED
        part = ended.message.parts[0] if ended.message.parts else None
        if not isinstance(part, ToolResult):
            return ended
        content = part.content[:RESULT_CHARS_MAX]
        extra = list(_private(content, flow)) if security.enabled else []
        facts = ended.metadata
        try:
            found = await self.text(content, security, extra)
            part = replace(part, content=await self.veil.result(part.content, security))
            facts = await self.veil.result(facts, security)
        except Exception as failure:  # taken for the worst, and nobody sees it
            _log.warning("a tool's result could not be inspected: %s", type(failure).__name__)
            found, facts = WORST, "{}"
            part = replace(part, content=UNSEEN, is_error=True)
        label = ended.message.label
        if flow.reads is Reads.TRUSTED and given and found.threat is not Threat.BLOCKED:
            label = replace(label, integrity=Integrity.TRUSTED)
        label = label.join(Label(sensitivity=max(found.level, flow.produces)))
        if found.threat is Threat.BLOCKED and security.injection is InjectionDefense.ALL:
            text = f"[withheld: it looks like an injected instruction ({found.reasons[0]})]"
            part = replace(part, content=text, is_error=True)
        message = replace(ended.message, label=label, parts=(part,))
        ended = replace(ended, metadata=facts)
        return replace(ended, message=message, found=found, exposes=flow.produces)


def _texts(command: Command) -> list[str] | None:
    """What a command brings in, or None if it brings nothing to be looked at."""
    match command:
        case Send(message=message) | AddMessage(message=message):
            return list(texts_of(message))
        case Import(messages=messages):
            return [text for message in messages for text in texts_of(message)]
        case Configure(system_prompt=str(prompt)):
            return [prompt]
        case _:
            return None


def _private(content: str, flow: Flow) -> Iterator[Found]:
    """The values of a result that its tool declares to be more than sensitive."""
    if flow.produces <= Sensitivity.SENSITIVE:
        return
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        value = [line.partition(":")[2].strip() or line for line in content.splitlines()]
    for leaf in leaves(value):
        text = str(leaf).strip()
        if len(text) >= FIELD_CHARS_MIN:
            yield Found("private", flow.produces, text)


def _inspected(
    seen: Classification, signal: Signal, noted: list[tuple[str, str, bool]]
) -> Inspected:
    fresh = Counter(kind for kind, _, new in noted if new)
    kinds = sorted({kind for kind, _, _ in noted})[:KINDS_MAX]
    values = tuple(dict.fromkeys(id for _, id, new in noted if new))
    evidence = sorted(signal.evidence, key=lambda one: -one.weight)
    reasons = dict.fromkeys(f"{one.category}.{one.rule}" for one in evidence)
    return Inspected(
        level=max(seen.level, Sensitivity.NORMAL),
        kinds=tuple((kind, fresh[kind]) for kind in kinds),
        values=values[:VALUES_MAX],
        threat=signal.threat,
        score=round(signal.score * 100),
        reasons=tuple(reasons)[:REASONS_MAX],
        weak=seen.weak[:WEAK_MAX],
    )
