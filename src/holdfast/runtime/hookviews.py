"""What hooks are told: no more of a session's values than each was declared to see.

- A hook is told names in place of what is above its level (`Hook.sees`): of what is
  registered, and of what a detector finds in what it is told. A hook at the start of a
  session is told markers, since there is no session yet that could keep names.
- What a hook changes has those values again that it was told names of, and no others.
- What cannot be looked through is not told to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.core.errors import Unavailable
from holdfast.core.hooks import HookEvent
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import redact
from holdfast.core.security import Security
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.inspecting import classified
from holdfast.runtime.tainting import Taints
from holdfast.runtime.veil import Veil

LEAVES_MAX = 2_000
DEPTH_MAX = 64
AS_IT_IS = frozenset({"user_id", "workspace", "working_directory", "model_provider", "model_name"})
"""What says who, where and with what, and is nobody's content."""
WITHOUT_CONTENT = frozenset(
    {HookEvent.SESSION_END, HookEvent.SUBAGENT_START, HookEvent.SUBAGENT_STOP}
)
"""Events that tell ids and figures alone."""


class Words(Protocol):
    """Hides values in texts, and puts them back."""

    async def hide(self, text: str, level: Sensitivity) -> str:
        """A text without what is above a level.

        Raises:
            Unavailable: it cannot be told what stands there.
        """

    def names(self, text: str) -> frozenset[str]:
        """The names of values in a text that lead back."""

    def restore(self, text: str, names: Collection[str]) -> str:
        """A text with the values of these names put back."""


class SessionWords:
    """Hides the values of a session behind their pseudonyms.

    Args:
        security: the session's settings now.
    """

    def __init__(
        self, detectors: Detectors, taints: Taints, veil: Veil, security: Callable[[], Security]
    ) -> None:
        self._detectors = detectors
        self._taints = taints
        self._veil = veil
        self._security = security

    async def hide(self, text: str, level: Sensitivity) -> str:
        """A text with names of what is above a level.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        security = self._security()
        if not security.enabled:
            return text
        seen = await classified(self._detectors, text, security)
        found = self._taints.places(text, seen.findings, level)
        found += [one for one in await self._taints.scan(text) if one.level > level]
        return self._veil.hide(text, found, exact=True) if found else text

    def names(self, text: str) -> frozenset[str]:
        """The pseudonyms of the session in a text."""
        return frozenset(name for name, _, _ in self._veil.vault.named(text))

    def restore(self, text: str, names: Collection[str]) -> str:
        """A text with the values of these names put back."""
        return self._veil.vault.restore(text, allowed=names)


class NewWords:
    """Takes out what detectors find, where there is no session yet."""

    def __init__(self, detectors: Detectors, security: Security) -> None:
        self._detectors = detectors
        self._security = security

    async def hide(self, text: str, level: Sensitivity) -> str:
        """A text with markers for what is above a level."""
        if not self._security.enabled:
            return text
        seen = await classified(self._detectors, text, self._security)
        return redact(text, [one for one in seen.findings if one.level > level])

    def names(self, text: str) -> frozenset[str]:
        """Markers lead nowhere."""
        return frozenset()

    def restore(self, text: str, names: Collection[str]) -> str:
        """The text itself."""
        return text


@dataclass(slots=True)
class Told:
    """What one hook is told of one event, and the way back.

    Args:
        words: hides and restores.
        level: the most sensitive content the hook may see.
    """

    words: Words
    level: Sensitivity
    _names: set[str] = field(default_factory=set)
    _numbers: dict[str, int | float] = field(default_factory=dict)
    _leaves: int = 0

    async def of(self, data: Mapping[str, object]) -> dict[str, object]:
        """The data of an event as the hook may see it.

        Raises:
            Unavailable: it cannot be told what stands there, or it is too much.
        """
        return {
            name: value if name in AS_IT_IS else await self._shown(value, DEPTH_MAX)
            for name, value in data.items()
        }

    async def _shown(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        self._leaves += 1
        if depth < 0 or self._leaves > LEAVES_MAX:
            raise Unavailable("more than can be looked through")
        if isinstance(value, int | float):
            text = await self._hidden(str(value))
            if text == str(value):
                return value
            self._numbers[text] = value
            return text
        if isinstance(value, Mapping):
            return {
                await self._hidden(str(name)): await self._shown(inner, depth - 1)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [await self._shown(inner, depth - 1) for inner in value]
        return await self._hidden(str(value))

    async def _hidden(self, text: str) -> str:
        if not text:
            return text
        shown = await self.words.hide(text, self.level)
        if shown != text:
            self._names |= self.words.names(shown) - self.words.names(text)
        return shown

    def meant(self, changes: tuple[tuple[str, object], ...]) -> tuple[tuple[str, object], ...]:
        """What a hook put in place, with the values it was told names of."""
        if not self._names:
            return changes
        return tuple((name, self._meant(value)) for name, value in changes)

    def _meant(self, value: object) -> object:
        if isinstance(value, str):
            return self._numbers.get(value, self.words.restore(value, self._names))
        if isinstance(value, dict):
            return {self._meant(name): self._meant(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._meant(inner) for inner in value]
        return value
