"""A model that plays a script: the working twin of a provider's client.

`ScriptedModel` fulfils the models port without a network. Every request is
checked as a provider would check it (`check_conversation`); an invalid one is
refused as a provider refuses it, with a `ProviderFailed` that is not retryable.
See `holdfast.testing.script` for what a script may hold and its file format.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Self

from holdfast.core.errors import ProviderFailed, ProviderTimeout
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Part, Text, Thinking, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.model import (
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)
from holdfast.testing.conversation import check_conversation
from holdfast.testing.script import (
    Call,
    Failure,
    Say,
    Script,
    ScriptItem,
    Step,
    Think,
    Turn,
    call,
    calls,
    fail,
    hang,
    make_call,
    read_script,
    say,
)

__all__ = [
    "Call",
    "Failure",
    "Say",
    "Script",
    "ScriptItem",
    "ScriptedModel",
    "Think",
    "Turn",
    "call",
    "calls",
    "check_conversation",
    "fail",
    "hang",
    "make_call",
    "say",
]

DEFAULT_USAGE = Usage(input_tokens=10, output_tokens=5)


class ScriptedModel:
    """A `ModelClient` that plays a script, one item for each call.

    Args:
        script: the items, or a `Script` shared with other players.
        model: the name it reports.
        provider: the provider's name it reports.
        context_tokens: the context window it reports, in tokens.
        usage: what a turn without a usage of its own reports.
        clock: carries out a turn's delay.
        zone: where it says that it runs; sees: what it may see in clear.

    Attributes:
        requests: every request it was given, in order.
        problems: what was wrong with requests, in order.
        hanging: set while a turn hangs; wait for it instead of sleeping.
        cancelled: how many calls were cancelled or given up midway.
        closed: whether `aclose` was called.
    """

    def __init__(
        self,
        script: Script | Iterable[ScriptItem] = (),
        *,
        model: str = "scripted",
        provider: str = "scripted",
        context_tokens: int = 200_000,
        usage: Usage = DEFAULT_USAGE,
        clock: Clock | None = None,
        zone: Zone = Zone.LOCAL,
        sees: Sensitivity | None = None,
    ) -> None:
        self.zone = zone
        self.sees = sees
        self.script = script if isinstance(script, Script) else Script(script)
        self.requests: list[ModelRequest] = []
        self.problems: list[str] = []
        self.hanging = asyncio.Event()
        self.cancelled = 0
        self.closed = False
        self._model = model
        self._provider = provider
        self._context_tokens = context_tokens
        self._usage = usage
        self._clock: Clock = clock or SystemClock()

    @classmethod
    def from_file(cls, path: Path | str, *, clock: Clock | None = None) -> Self:
        """Play a script file (format: `holdfast.testing.script`).

        Raises:
            InvalidInput: the file cannot be read or is not a script.
        """
        found = read_script(path)
        return cls(
            found.turns,
            model=found.model,
            provider=found.provider,
            context_tokens=found.context_tokens,
            clock=clock,
        )

    @property
    def model(self) -> str:
        """The model's name."""
        return self._model

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._provider

    @property
    def context_tokens(self) -> int:
        """Size of the context window in tokens."""
        return self._context_tokens

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Play the next turn.

        Raises:
            ProviderFailed: the turn says so, the request is invalid or the
                script is exhausted.
        """
        self.requests.append(request)
        problems = check_conversation(request.messages)
        if problems:
            self.problems += problems
            raise ProviderFailed(f"invalid request: {'; '.join(problems)}")
        turn = self.script.next_turn(request)
        finished = False
        try:
            if turn.delay_s:
                await self._clock.sleep(turn.delay_s)
            for sent, event in enumerate(deltas_of(turn.steps)):
                if sent == turn.after:
                    await self._interrupt(turn)
                yield event
            await self._interrupt(turn)
            finished = True
        except ProviderFailed:
            finished = True
            raise
        finally:
            if not finished:
                self.cancelled += 1
        yield self._reply(turn)

    async def aclose(self) -> None:
        """Note that the client was closed."""
        self.closed = True

    async def _interrupt(self, turn: Turn) -> None:
        """Fail or hang if the turn is meant to."""
        if turn.failure is not None:
            kind = ProviderTimeout if turn.failure.timeout else ProviderFailed
            failed = turn.failure
            raise kind(failed.message, retryable=failed.retryable, billable=failed.billable)
        if turn.hang:
            self.hanging.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging.clear()

    def _reply(self, turn: Turn) -> ModelReply:
        return ModelReply(
            parts=parts_of(turn.steps, self._provider),
            usage=self._usage if turn.usage is None else turn.usage,
            stop=turn.stop_reason,
            model=self._model,
            provider=self._provider,
        )


def deltas_of(steps: Iterable[Step]) -> Iterable[ModelEvent]:
    """Yield the deltas in which these steps are streamed."""
    for step in steps:
        match step:
            case Say(pieces=pieces):
                yield from (TextDelta(piece) for piece in pieces)
            case Think(pieces=pieces):
                yield from (ThinkingDelta(piece) for piece in pieces)
            case Call(id=id_, name=name):
                yield ToolUseStarted(id=id_, name=name)


def parts_of(steps: Iterable[Step], provider: str) -> tuple[Part, ...]:
    """Return the parts of the answer these steps come to."""
    parts: list[Part] = []
    for step in steps:
        match step:
            case Say(pieces=pieces):
                parts.append(Text("".join(pieces)))
            case Think(pieces=pieces, signature=signature):
                parts.append(Thinking("".join(pieces), signature, provider))
            case Call(id=id_, name=name, arguments=arguments):
                parts.append(ToolUse(id=id_, name=name, arguments=arguments))
    return tuple(parts)
