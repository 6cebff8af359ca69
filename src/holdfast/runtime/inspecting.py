"""Inspecting: what comes in is looked at before it is decided on, in one place.

Every message, every result of a tool and everything imported passes here; what a
detector cannot answer is taken for the worst. What is found becomes labels, taints
and risk; the text itself is not changed.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from holdfast.core.commands import AddMessage, Command, Import, Send, ToolEnded
from holdfast.core.errors import Unavailable
from holdfast.core.findings import Classification, Finding, Signal, TaintMatch, Threat
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
from holdfast.core.messages import Message, Part, Text, Thinking, ToolResult, ToolUse
from holdfast.core.security import InjectionDefense, Security
from holdfast.ports.detector import is_slow
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.grounding import leaves
from holdfast.runtime.tainting import Found, Taints
from holdfast.runtime.veil import Veil

FIELD_CHARS_MIN = 6
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
        texts = [words_of(message) for message in _messages(command)]
        if not texts:
            return None
        try:
            return await self.text("\n".join(texts), security)
        except Exception as error:  # a bug: the guard denies what nobody has looked at
            # Its message may repeat the text; the name of its class cannot.
            _log.error("a message could not be inspected: %s", type(error).__name__)
            return None

    async def passing(self, text: str, security: Security) -> None:
        """Look at a text that came with no message: the system prompt, what people remarked.

        Its values are followed as long as it is sent; no event names them.

        Raises:
            Unavailable: a detector failed.
        """
        if not (text and security.enabled and security.taints):
            return
        try:
            await self.taints.learned()
            self.taints.note_here(
                values_of(text, await classified(self._detectors, text, security))
            )
        except Exception as error:  # its message may repeat the text
            _log.error("what is sent could not be inspected: %s", type(error).__name__)
            raise Unavailable("what is to be sent could not be inspected") from None

    async def text(self, text: str, security: Security, extra: Iterable[Found] = ()) -> Inspected:
        """Look at a text.

        Args:
            extra: values that are registered whatever a classifier says.
        """
        return (await self._text(text, security, extra))[0]

    async def _text(
        self, text: str, security: Security, extra: Iterable[Found]
    ) -> tuple[Inspected, list[TaintMatch]]:
        """What was found in a text, and where."""
        if not security.enabled:
            return NOTHING, []
        seen = await classified(self._detectors, text, security)
        signal = self._detectors.injection.scan(text)
        await self.taints.learned()
        noted = self.taints.note([*values_of(text, seen), *extra], keep=security.taints)
        places = self.taints.places(text, seen.findings, Sensitivity.NORMAL)
        return inspected_of(seen, signal, noted), places

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
        content = part.content
        extra = list(private_values(content, flow.produces)) if security.enabled else []
        facts = "" if ended.metadata == "{}" else ended.metadata
        try:
            whole = f"{content}\n{facts}" if facts else content
            found, places = await self._text(whole, security, extra)
            inside = [one for one in places if one.end <= len(content)]
            kept = await self.veil.result(content, security, inside)
            metadata = _whole(await self.veil.result(ended.metadata, security))
        except Exception as error:  # it is taken for the worst; the message may repeat a value
            _log.error("a tool's result could not be inspected: %s", type(error).__name__)
            found, kept, metadata = WORST, "[withheld: it could not be inspected]", "{}"
        label = ended.message.label
        if flow.reads is Reads.TRUSTED and given and found.threat is not Threat.BLOCKED:
            label = replace(label, integrity=Integrity.TRUSTED)
        label = label.join(Label(sensitivity=max(found.level, flow.produces)))
        part = replace(part, content=kept, is_error=part.is_error or found is WORST)
        if found.threat is Threat.BLOCKED and security.injection is InjectionDefense.ALL:
            text = f"[withheld: it looks like an injected instruction ({found.reasons[0]})]"
            part, metadata = replace(part, content=text, is_error=True), "{}"
        message = replace(ended.message, label=label, parts=(part,))
        return replace(
            ended,
            message=message,
            metadata=metadata,
            found=found,
            # What is not followed is told to the model in clear.
            exposes=flow.produces if security.taints else max(flow.produces, found.level),
        )


def _whole(text: str) -> str:
    """JSON text; nothing if what was taken out of it left none."""
    try:
        json.loads(text)
    except ValueError:
        return "{}"
    return text


async def classified(detectors: Detectors, text: str, security: Security) -> Classification:
    """What stands in a text."""
    classifier = detectors.classifier(security)
    if is_slow(classifier):
        return await classifier.classify_slowly(text)
    return classifier.classify(text)


def _messages(command: Command) -> tuple[Message, ...]:
    match command:
        case Send(message=message) | AddMessage(message=message):
            return (message,)
        case Import(messages=messages):
            return messages
        case _:
            return ()


def words_of(message: Message) -> str:
    """All that a message says, of every part, a line each."""
    return "\n".join(_words(message.parts))


def _words(parts: Sequence[Part]) -> Iterable[str]:
    for part in parts:
        match part:
            case Text(text=text) | Thinking(text=text):
                yield text
            case ToolUse(arguments=arguments):
                yield arguments
            case ToolResult(content=content):
                yield content


def values_of(text: str, seen: Classification) -> list[Found]:
    """What of a text is registered, each as secret as the most secret of what it holds."""
    ends = {level: _least_ends(seen.findings, level) for level in {i.level for i in seen.findings}}

    def level_of(one: Finding) -> Sensitivity:
        for level in sorted(ends, reverse=True):
            starts, least = ends[level]
            index = bisect_left(starts, one.start)
            if level <= one.level or (index < len(least) and least[index] <= one.end):
                return max(level, one.level)
        return one.level

    return [
        Found(one.kind, level_of(one), text[one.start : one.end])
        for one in seen.findings
        if one.level >= Sensitivity.SENSITIVE
    ]


def _least_ends(findings: Iterable[Finding], level: Sensitivity) -> tuple[list[int], list[int]]:
    """Where findings of a level begin, and the first end of those that begin there or later."""
    places = sorted((one.start, one.end) for one in findings if one.level == level)
    least = list(accumulate((end for _, end in reversed(places)), min))
    return [start for start, _ in places], least[::-1]


def private_values(content: str, level: Sensitivity) -> Iterator[Found]:
    """The values of a result that its tool declares to be more than sensitive."""
    if level <= Sensitivity.SENSITIVE:
        return
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        value = [line.partition(":")[2].strip() or line for line in content.splitlines()]
    for leaf in leaves(value):
        text = str(leaf).strip()
        if len(text) >= FIELD_CHARS_MIN:
            yield Found("private", level, text)


def inspected_of(
    seen: Classification, signal: Signal, noted: list[tuple[str, str, bool]]
) -> Inspected:
    """What an event keeps of what was found.

    Args:
        noted: (kind, fingerprint, whether it is new) of each value.
    """
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
