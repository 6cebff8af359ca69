"""The veil: which of a session's values are shown to whom, and put back where.

- A model that may not see a value is sent its pseudonym.
- A tool's result is kept with pseudonyms for what the session's reader may not see,
  and so are the arguments of a call: a log, a stream, a hook and a question show these.
- A tool gets the values back when it runs, since its call was judged by their levels:
  never within a path, and within a command line only what no shell reads as more.
- An answer has the values again that its reader may see, and none of the others.

What cannot be looked through is not shown: `Unavailable`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from holdfast.core.errors import InvalidInput
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message, Part, Text, Thinking, ToolResult, ToolUse
from holdfast.core.pseudonyms import PREFIX, Pseudonyms, Restorer
from holdfast.core.redaction import Placed, RedactionStrategy, Span, by_place, merge, redact
from holdfast.core.security import Security
from holdfast.core.tools import ToolSpec
from holdfast.ports.taints import TaintMatcher
from holdfast.ports.tool import Json
from holdfast.runtime.redacting import OutputGuard, StreamRedactor
from holdfast.runtime.tainting import Taints

READER = "reader"
LINE_CHARS_MAX = 64 * 1024
_SHELL_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_BEGIN, _END = "-----BEGIN", "-----END"

Swapped = tuple[tuple[Message, ...], tuple[Message, ...], tuple[int, Sensitivity]]
"""Messages, what was made of them, and for how many values and whom."""

NONE_SWAPPED: Swapped = ((), (), (0, Sensitivity.PUBLIC))

Publish = Callable[[str, dict[str, object]], None]
Classify = Callable[[str], Sequence[Placed]]


class Veil:
    """Shows and hides the values of one session, for its engine."""

    def __init__(self, taints: Taints, matcher: TaintMatcher) -> None:
        self._taints = taints
        self._matcher = matcher
        self._sent: tuple[Security, OutputGuard] | None = None
        self._swapped: Swapped = NONE_SWAPPED

    @property
    def vault(self) -> Pseudonyms:
        """The values that have pseudonyms."""
        return self._taints.vault

    # --- to a model ------------------------------------------------------------------

    async def for_model(
        self, system: str, messages: Sequence[Message], clear: Sensitivity
    ) -> tuple[str, tuple[Message, ...]]:
        """A request as a model may see it that is cleared up to a level.

        Raises:
            Unavailable: it cannot be told what stands there; nothing may be sent.
        """
        await self._taints.ready()
        if self._taints.highest <= clear:
            return system, tuple(messages)
        all, key = tuple(messages), (len(self._taints.ids), clear)
        before, shown, _ = self._swapped if self._swapped[2] == key else NONE_SWAPPED
        done = len(before) if all[: len(before)] == before else 0
        known = {} if done else dict(zip(map(id, before), shown, strict=True))
        fresh = [known.get(id(one)) or await self._message(one, clear) for one in all[done:]]
        swapped = (*shown[:done], *fresh)
        self._swapped = (all, swapped, key)
        return await self.swap(system, clear), swapped

    async def _message(self, message: Message, clear: Sensitivity) -> Message:
        parts = [await self._part(part, clear) for part in message.parts]
        return message if list(message.parts) == parts else replace(message, parts=tuple(parts))

    async def _part(self, part: Part, clear: Sensitivity) -> Part:
        match part:
            case Text(text=text) | Thinking(text=text):
                return replace(part, text=await self.swap(text, clear))
            case ToolResult(content=content):
                return replace(part, content=await self.swap(content, clear))
            case ToolUse(arguments=arguments):
                return replace(part, arguments=await self.swap(arguments, clear))

    async def swap(self, text: str, clear: Sensitivity, *, exact: bool = False) -> str:
        """Put pseudonyms in place of what is above a level.

        Args:
            exact: the very text is to be made of it again.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        if not text or self._taints.highest <= clear:
            return text
        found = [one for one in await self._taints.scan(text) if one.level > clear]
        return self.hide(text, found, exact=exact)

    def hide(self, text: str, found: Sequence[TaintMatch], *, exact: bool) -> str:
        """A text with names in place of these matches.

        A match that is encoded, or, where the text is to be made again, is not spelled as
        it was registered, gets a name of its own: what a tool is given is then what the
        model wrote, sign for sign.
        """
        places, there = [], by_place(found)
        for span in merge(found, len(text)):
            written = text[span.start : span.end]
            same = there.get((span.start, span.end), [])
            known = next((one for one in same if self.vault.holds(one, written)), None)
            if known is None and not exact:
                known = next((one for one in same if not one.view), None)
            places.append(known or self._spelled(span, written))
        return self.vault.swap(text, places) if places else text

    def _spelled(self, span: Span, written: str) -> TaintMatch:
        id = self._taints.spelled(span.kind, written)
        self.vault.learn(id, span.kind, span.level, written.encode("utf-8", "replace"))
        return TaintMatch(id=id, kind=span.kind, level=span.level, start=span.start, end=span.end)

    def restored(self, part: Part) -> Part:
        """A part of an answer with all values in place of their pseudonyms."""
        match part:
            case Text(text=text) | Thinking(text=text):
                return replace(part, text=self.vault.restore(text))
            case ToolUse(arguments=arguments):
                return replace(part, arguments=self.vault.restore_json(arguments))
            case _:
                return part

    # --- to the reader -----------------------------------------------------------------

    async def shown(self, security: Security) -> Shown:
        """What an answer that comes in pieces is shown through.

        Raises:
            Unavailable: the session's values cannot be read.
        """
        await self._taints.ready()
        if not self._taints.ids or not security.enabled:
            return Shown(None, None, None)
        guard = self._guard(security)
        allowed = self.vault.up_to(security.reader)
        restorer = Restorer(self.vault, allowed=allowed)
        return Shown(restorer, guard.stream(READER), guard)

    def _guard(self, security: Security) -> OutputGuard:
        if self._sent is None or self._sent[0] is not security:
            guard = OutputGuard(
                self._matcher,
                self._taints.session,
                clearance=security.reader,
                strategy=RedactionStrategy(security.redaction),
                key=self._taints.key,
            )
            self._sent = (security, guard)
        return self._sent[1]

    async def parts(self, parts: Sequence[Part], security: Security) -> tuple[Part, ...]:
        """An answer as it is kept: what its reader may not see is not in it.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        await self._taints.ready()
        if not self._taints.ids or not security.enabled:
            return tuple(parts)
        kept: list[Part] = []
        allowed = self.vault.up_to(security.reader)
        for part in parts:
            if isinstance(part, ToolUse):
                arguments = self.vault.restore_json(part.arguments, allowed=allowed)
                arguments = await self.swap(arguments, security.reader, exact=True)
                id, name = [await self.swap(one, security.reader) for one in (part.id, part.name)]
                kept.append(replace(part, id=id, name=name, arguments=arguments))
            elif isinstance(part, Text | Thinking):
                shown = await self.shown(security)
                text = await shown.push(part.text) + await shown.finish()
                kept.append(replace(part, text=text))
            else:
                kept.append(part)
        return tuple(kept)

    async def result(
        self, content: str, security: Security, found: Sequence[TaintMatch] = ()
    ) -> str:
        """A tool's result as it is kept.

        Args:
            found: what detectors found there, too short perhaps to be looked for elsewhere.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        seen = [one for one in found if one.level > security.reader]
        if not security.enabled or not (seen or self._taints.highest > security.reader):
            return content
        seen += [one for one in await self._taints.scan(content) if one.level > security.reader]
        return self.hide(content, seen, exact=True)

    # --- to a tool -----------------------------------------------------------------------

    async def arguments(self, given: Mapping[str, Json], spec: ToolSpec) -> Mapping[str, Json]:
        """The arguments of a call with the values in place of their pseudonyms.

        Raises:
            InvalidInput: a value would be read by the shell as more than a word.
            Unavailable: the session's values cannot be read.
        """
        if not any(PREFIX in text.upper() for text in _texts(given)):
            return given
        await self._taints.ready()
        kept_out = {*spec.path_params, *spec.host_params}
        return {
            name: value
            if name in kept_out
            else self._restored(value, shell=name == spec.command_param)
            for name, value in given.items()
        }

    def _restored(self, value: Json, *, shell: bool) -> Json:
        if isinstance(value, str):
            return self._restored_text(value, shell=shell)
        if isinstance(value, list):
            return [self._restored(one, shell=shell) for one in value]
        if isinstance(value, dict):
            return {name: self._restored(one, shell=shell) for name, one in value.items()}
        return value

    def _restored_text(self, text: str, *, shell: bool) -> str:
        if shell:
            for name, _, _ in self.vault.named(text):
                if not _SHELL_SAFE.fullmatch(self.vault.restore(name)):
                    raise InvalidInput(
                        f"the value behind {name} cannot stand in a command line; "
                        "write it to a file with another tool"
                    )
        return self.vault.restore(text)

    def named(self, text: str) -> list[tuple[str, Sensitivity]]:
        """The (kind, level) of values whose pseudonyms stand in a text."""
        return [(kind, level) for _, kind, level in self.vault.named(text)]

    def forget(self) -> None:
        """Drop what was remembered of texts."""
        self._swapped = NONE_SWAPPED
        self._sent = None


def _texts(value: Json) -> list[str]:
    found: list[str] = []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, Mapping):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return found


class Shown:
    """A text in pieces as the reader may see it: first put back, then taken out."""

    __slots__ = ("_guard", "_redactor", "_restorer", "_said")

    def __init__(
        self,
        restorer: Restorer | None,
        redactor: StreamRedactor | None,
        guard: OutputGuard | None,
    ) -> None:
        self._restorer = restorer
        self._redactor = redactor
        self._guard = guard
        self._said: list[str] = []

    async def push(self, text: str) -> str:
        """Take the next piece; returns what may be shown now.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        if self._restorer is None or self._redactor is None:
            return text
        return self._kept(await self._redactor.push(self._restorer.push(text)))

    async def finish(self) -> str:
        """Returns what is left.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        if self._restorer is None or self._redactor is None:
            return ""
        left = await self._redactor.push(self._restorer.finish()) + await self._redactor.finish()
        shown = self._kept(left)
        if self._guard is not None:
            self._guard.sent(READER, "".join(self._said))
        return shown

    def _kept(self, text: str) -> str:
        if text:
            self._said.append(text)
        return text


class LiveOutput:
    """What a tool prints, shown while it runs: line by line, without what may not be shown.

    Args:
        classify: finds what is not registered yet.
    """

    def __init__(
        self,
        publish: Publish,
        security: Security,
        classify: Classify,
        taints: Taints,
    ) -> None:
        self._publish = publish
        self._security = security
        self._classify = classify
        self._taints = taints
        self._held = ""
        self._fresh: list[str] = []
        self._data: dict[str, object] = {}
        self._wake = asyncio.Event()
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def __call__(self, type: str, data: dict[str, object]) -> None:
        """Take an event; pieces of output are held until their line is whole."""
        if type != "tool_output_delta":
            self._publish(type, data)
            return
        self._fresh.append(str(data["delta"]))
        self._data = data
        if self._task is None:
            self._task = asyncio.create_task(self._pump())
        self._wake.set()

    async def finish(self) -> None:
        """Show what is left: the tool has ended."""
        self._over = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            over = self._over
            self._held += "".join(self._fresh)
            self._fresh.clear()
            ready = self._held if over else self._held[: _whole(self._held)]
            self._held = self._held[len(ready) :]
            if ready and not await self._show(ready):
                return
            if over:
                return

    async def _show(self, text: str) -> bool:
        """Publish a text; if it cannot be told what stands there, nothing more is shown."""
        level = self._security.reader
        try:
            found: list[Placed] = [one for one in self._classify(text) if one.level > level]
            matches: Sequence[TaintMatch] = await self._taints.scan(text)
        except Exception:  # the matcher's silence, or a detector's bug
            return False
        found += [one for one in matches if one.level > level]
        strategy = RedactionStrategy(self._security.redaction)
        shown = redact(text, found, strategy, key=self._taints.key)
        self._publish("tool_output_delta", {**self._data, "delta": shown})
        return True


def _whole(text: str) -> int:
    """Up to where a text is whole lines, and no key within it has only begun."""
    end = len(text) if len(text) > LINE_CHARS_MAX else text.rfind("\n") + 1
    begun = text.rfind(_BEGIN, 0, end)
    if begun >= 0 and text.find(_END, begun, end) < 0 and len(text) <= LINE_CHARS_MAX:
        return begun
    return end
