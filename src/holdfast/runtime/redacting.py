"""Redacting what leaves: a stream as it comes, and outputs that follow one another.

Rules
- Nothing leaves before it can no longer be part of a value: what is as near to the
  end as the matcher reaches is held back, and so is a run of letters, digits and the
  signs of escapes without a gap, which could be a packed stream or escapes of escapes.
- What leaves never ends within a match, so that pieces together are what the whole
  would have become.
- A session without values has no delay.
- If the matcher cannot answer its `Unavailable` passes through and nothing leaves.
- What was sent to a destination before is looked at together with what goes there
  next: a value in two halves is stopped at the second.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import RedactionStrategy, Span, merge, redact
from holdfast.ports.taints import TaintMatcher

FRESH_CHARS_MIN = 64
FRESH_SHARE = 4
RUN_CHARS_MAX = 16 * 1024
HELD_CHARS_MAX = 16 * 1024
CONTEXT_CHARS_MIN = 256
RING_CHARS = 4 * 1024
DESTINATIONS_MAX = 1_000
_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n%\\&#;"


class StreamRedactor:
    """Redacts a text that comes in pieces.

    Args:
        clearance: what the receiver may see; only values above it are taken out.
        before: what the receiver was sent earlier, as far as it counts.
        key: of the `hash` strategy.
    """

    def __init__(
        self,
        matcher: TaintMatcher,
        session: str,
        *,
        clearance: Sensitivity = Sensitivity.NORMAL,
        strategy: RedactionStrategy = RedactionStrategy.REMOVE,
        key: bytes = b"",
        before: str = "",
    ) -> None:
        self._matcher = matcher
        self._session = session
        self._clearance = clearance
        self._strategy = strategy
        self._key = key
        self._context = before
        self._earlier = len(before)
        self._held: list[str] = []
        self._held_chars = 0
        self._fresh = 0

    async def push(self, delta: str) -> str:
        """Take the next piece and return what may leave now.

        Raises:
            Unavailable: the matcher does not answer; nothing leaves.
        """
        if not self._held and not await self._matcher.reach(self._session):
            return delta
        self._held.append(delta)
        self._held_chars += len(delta)
        self._fresh += len(delta)
        if self._fresh < max(FRESH_CHARS_MIN, self._held_chars // FRESH_SHARE):
            return ""
        return await self._release(last=False)

    async def finish(self) -> str:
        """Return what is left: no more follows.

        Raises:
            Unavailable: the matcher does not answer; nothing leaves.
        """
        return await self._release(last=True) if self._held else ""

    async def _release(self, *, last: bool) -> str:
        done = len(self._context)
        text = self._context + "".join(self._held)
        reach = await self._matcher.reach(self._session)
        spans = await self._spans(text)
        end = len(text) if last else _safe_end(text, done, reach, spans)
        inside = [
            Span(kind=one.kind, start=one.start - done, end=one.end - done, level=one.level)
            for one in spans
        ]
        left = redact(text[done:end], inside, self._strategy, key=self._key)
        start = max(end - max(reach, CONTEXT_CHARS_MIN), 0)
        self._context = text[start:end]
        self._earlier = max(self._earlier - start, 0)
        self._held = [text[end:]] if end < len(text) else []
        self._held_chars = len(text) - end
        self._fresh = 0
        return left

    async def _spans(self, text: str) -> Sequence[TaintMatch]:
        """What has to go; beside an earlier output the new one also counts by itself."""
        found = list(await self._matcher.scan(self._session, text))
        if 0 < self._earlier < len(text):
            alone = await self._matcher.scan(self._session, text[self._earlier :])
            by = self._earlier
            found += (replace(one, start=one.start + by, end=one.end + by) for one in alone)
        return [match for match in found if match.level > self._clearance]


def _safe_end(text: str, done: int, reach: int, spans: Sequence[TaintMatch]) -> int:
    """Up to where a text can leave: short of what may become a match, and of no match's inside."""
    size = len(text)
    tail = text[max(done, size - RUN_CHARS_MAX) :]
    run = len(tail) - len(tail.rstrip(_RUN))
    end = max(size - max(reach, run), done)
    if size - done > HELD_CHARS_MAX:
        return end  # one endless match: its parts get a marker each
    for span in merge(spans, size):
        if span.start < end < span.end:
            return max(span.start, done)
    return end


class OutputGuard:
    """Redacts outputs by destination, each together with the end of what went there before.

    Args:
        clearance: what receivers may see; only values above it are taken out.
        key: of the `hash` strategy.
    """

    def __init__(
        self,
        matcher: TaintMatcher,
        session: str,
        *,
        clearance: Sensitivity = Sensitivity.NORMAL,
        strategy: RedactionStrategy = RedactionStrategy.REMOVE,
        key: bytes = b"",
    ) -> None:
        self._matcher = matcher
        self._session = session
        self._clearance = clearance
        self._strategy = strategy
        self._key = key
        self._sent: OrderedDict[str, str] = OrderedDict()

    async def redact(self, destination: str, text: str) -> str:
        """Redact a whole output and remember what of it was sent.

        Raises:
            Unavailable: the matcher does not answer; nothing is remembered.
        """
        stream = self.stream(destination)
        done = await stream.push(text) + await stream.finish()
        self.sent(destination, done)
        return done

    def stream(self, destination: str) -> StreamRedactor:
        """Make a redactor for an output in pieces; report with `sent` what it released."""
        return StreamRedactor(
            self._matcher,
            self._session,
            clearance=self._clearance,
            strategy=self._strategy,
            key=self._key,
            before=self._sent.get(destination, ""),
        )

    def sent(self, destination: str, text: str) -> None:
        """Remember what was sent; of the destinations the latest ones are kept."""
        if not text:
            return
        tail = self._sent.pop(destination, "") + text[-RING_CHARS:]
        self._sent[destination] = tail[-RING_CHARS:]
        while len(self._sent) > DESTINATIONS_MAX:
            self._sent.popitem(last=False)

    def clear(self) -> None:
        """Forget what was sent."""
        self._sent.clear()
