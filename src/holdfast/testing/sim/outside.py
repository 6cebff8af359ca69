"""What is outside of the runtime: tools, models, and what they really saw.

The `Ledger` is ground truth. The runtime never reads it; judging compares it
with what the logs say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from holdfast.core.errors import InvalidInput, ProviderFailed
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message, Part, Text, Thinking, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.model import (
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)
from holdfast.ports.tool import Json, Reconciled, Reconciliation, ToolContext, ToolOutcome
from holdfast.testing.conversation import check_conversation
from holdfast.testing.sim.loop import Owner, owner_now

NATURES: dict[str, Nature] = {
    "look": Nature.READ_ONLY,
    "peek": Nature.READ_ONLY,
    "put": Nature.IDEMPOTENT,
    "pay": Nature.RECONCILABLE,
    "fire": Nature.ONCE,
}
HANG_S = 10_000.0
_SCHEMA = json.dumps(
    {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
)


@dataclass(slots=True)
class Dispatch:
    """A tool was called. `lengths`: of the log then, durably, and as its writer knew it."""

    effect_id: str
    session_id: str
    tool: str
    arguments: str
    attempt: int
    epoch: int
    owner: Owner | None
    lengths: tuple[int, int]
    happened: bool = False
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that a model received."""

    session_key: str
    request: ModelRequest
    problems: tuple[str, ...]


@dataclass(slots=True)
class Ledger:
    """What really happened, in order."""

    dispatches: list[Dispatch] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passed: set[tuple[str, str, str]] = field(default_factory=set)
    """(session, tool, arguments) that the hooks of the world let through."""

    def of(self, effect_id: str) -> list[Dispatch]:
        """All dispatches of an effect."""
        return [one for one in self.dispatches if one.effect_id == effect_id]

    def dispatch(
        self,
        tool: str,
        arguments: Mapping[str, Json],
        context: ToolContext,
        lengths: tuple[int, int],
    ) -> Dispatch:
        """Note that a tool was called."""
        record = Dispatch(
            effect_id=context.effect_id,
            session_id=context.session_id,
            tool=tool,
            arguments=json.dumps(dict(arguments)),
            attempt=context.attempt,
            epoch=context.epoch,
            owner=owner_now(),
            lengths=lengths,
        )
        self.dispatches.append(record)
        return record

    def happen(self, record: Dispatch) -> None:
        """The effect of a dispatch happens."""
        record.happened = True
        self.notes.append(f"{record.tool} happened for {record.effect_id[:6]}/{record.attempt}")


class SimTool:
    """A tool of one nature, quick or slow, honest about what it did.

    Args:
        lengths_of: how long a session's log is, durably and as its writer knows it.
        wild: names of what it may do beside working well.
    """

    def __init__(
        self,
        name: str,
        random: Random,
        ledger: Ledger,
        *,
        lengths_of: Callable[[str], tuple[int, int]],
        wild: set[str],
    ) -> None:
        self.spec = ToolSpec(
            name=name,
            description="",
            parameters=_SCHEMA,
            nature=NATURES[name],
            timeout_s=20.0,
        )
        self._random = random
        self._ledger = ledger
        self._lengths_of = lengths_of
        self._wild = wild

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Do the work; when in its course the effect happens is chance."""
        lengths = self._lengths_of(context.session_id)
        record = self._ledger.dispatch(self.spec.name, arguments, context, lengths)
        chance, late = self._random.random(), self._random.random() < 0.5
        if chance < 0.5 or "slow_tools" not in self._wild:
            await asyncio.sleep(0)
        if not late:
            self._ledger.happen(record)
        context.emit("at work")
        if chance > 0.4 and "slow_tools" in self._wild:
            await self._rest(self._random.random() ** 3 * 30)
        if "broken_tools" in self._wild and self._random.random() < 0.15:
            record.returned = True
            raise RuntimeError("a bug in the tool")
        if late:
            self._ledger.happen(record)
        record.returned = True
        failed = "broken_tools" in self._wild and self._random.random() < 0.1
        content = f"did {record.effect_id[:6]}"
        return ToolOutcome(content=content, is_error=failed, exit_code=int(failed))

    async def _rest(self, seconds: float) -> None:
        """Sleep; a stubborn tool does not hear that it was cancelled."""
        end = asyncio.get_running_loop().time() + seconds
        stubborn = "stubborn_tools" in self._wild and self._random.random() < 0.5
        while True:
            try:
                await asyncio.sleep(max(0.0, end - asyncio.get_running_loop().time()))
                return
            except asyncio.CancelledError:
                if not stubborn:
                    raise

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> Reconciled:
        """Say truthfully what became of an effect, or that it is not known."""
        await asyncio.sleep(self._random.random() * 0.1)
        earlier = self._ledger.of(context.effect_id)
        working = any(not d.returned and d.owner and d.owner.alive for d in earlier)
        if any(d.happened for d in earlier):
            outcome = ToolOutcome(content="it was done before")
            return Reconciled(state=Reconciliation.DONE, outcome=outcome)
        if working or ("vague_tools" in self._wild and self._random.random() < 0.5):
            return Reconciled(state=Reconciliation.UNKNOWN)
        return Reconciled(state=Reconciliation.NOT_DONE)


class SimRegistry:
    """The tools of a world, with a quick check of arguments."""

    def __init__(self, tools: Sequence[SimTool]) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._specs = tuple(self._tools[name].spec for name in sorted(self._tools))

    def get(self, name: str) -> SimTool | None:
        """The tool of that name, or None."""
        return self._tools.get(name.casefold())

    def specs(self) -> Sequence[ToolSpec]:
        """All tools, sorted by name."""
        return self._specs

    def validate(self, name: str, arguments: str) -> Mapping[str, Json]:
        """Accept an object with at most an integer `n`.

        Raises:
            InvalidInput: it is something else.
        """
        return checked_arguments(arguments)


def checked_arguments(arguments: str) -> Mapping[str, Json]:
    """Read a call's arguments.

    Raises:
        InvalidInput: they are not what the schema says.
    """
    try:
        found = json.loads(arguments or "{}")
    except ValueError:
        raise InvalidInput("the arguments are not JSON") from None
    if not isinstance(found, dict) or set(found) - {"n"}:
        raise InvalidInput("the arguments are not those of the schema")
    if not isinstance(found.get("n", 0), int):
        raise InvalidInput("n is not an integer")
    return found


class SimModel:
    """A model that answers by chance and checks every request it gets.

    Args:
        wild: names of what it may do beside answering well.
        eager: it mostly calls tools, several at once.
    """

    model = "sim-1"
    provider = "sim"
    context_tokens = 100_000
    zone = Zone.LOCAL
    sees: Sensitivity | None = None

    def __init__(
        self, random: Random, ledger: Ledger, wild: set[str], *, eager: bool = False
    ) -> None:
        self._random = random
        self._ledger = ledger
        self._wild = wild
        self._calls = (0.9, (3, 5, 8)) if eager else (0.6, (1, 1, 1, 2, 3))
        self._said = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call.

        Raises:
            ProviderFailed: the provider has a bad day.
        """
        problems = tuple(check_conversation(request.messages))
        self._ledger.requests.append(Seen(request.idempotency_key, request, problems))
        await asyncio.sleep(self._random.random() * 0.2)
        await self._misbehave()
        parts = self._answer(request.messages)
        for part in parts:
            match part:
                case Text(text=text):
                    yield TextDelta(text)
                case Thinking(text=text):
                    yield ThinkingDelta(text)
                case ToolUse(id=id, name=name):
                    yield ToolUseStarted(id, name)
            if "slow_models" in self._wild and self._random.random() < 0.5:
                await asyncio.sleep(self._random.random() * 3)
        if "bad_models" in self._wild and self._random.random() < 0.05:
            return
        usage = Usage()
        if self._random.random() < 0.9:
            usage = Usage(input_tokens=10, output_tokens=5, cost_micros=self._cost())
        yield ModelReply(parts=tuple(parts), usage=usage, model=self.model, provider=self.provider)

    def _cost(self) -> int:
        """What an answer costs, in micro-USD."""
        return 0

    async def _misbehave(self) -> None:
        chance = self._random.random()
        if "bad_models" in self._wild and chance < 0.12:
            raise ProviderFailed("busy", retryable=chance < 0.09, billable=chance < 0.06)
        if "bad_models" in self._wild and chance < 0.14:
            raise RuntimeError("a bug in the adapter")
        if "hanging_models" in self._wild and chance > 0.93:
            await asyncio.sleep(HANG_S)

    def _answer(self, messages: Sequence[Message]) -> list[Part]:
        self._said += 1
        parts: list[Part] = []
        if self._random.random() < 0.1:
            parts.append(Thinking("hm", None))
        calls = 0
        often, numbers = self._calls
        if self._random.random() < often:
            calls = self._random.choice(numbers)
        if not calls or self._random.random() < 0.5:
            parts.append(Text(f"answer {self._said}"))
        if not calls and "bad_models" in self._wild and self._random.random() < 0.1:
            return [Text("  ")] if self._random.random() < 0.5 else [Thinking("only", None)]
        for number in range(calls):
            id = "twin" if self._random.random() < 0.2 else f"c{self._said}-{number}"
            parts.append(ToolUse(id, self._tool(), self._arguments()))
        return parts

    def _tool(self) -> str:
        if self._random.random() < 0.05:
            return "nothing"
        return self._random.choice(("look", "peek", "look", "put", "pay", "fire", "Fire"))

    def _arguments(self) -> str:
        chance = self._random.random()
        if chance < 0.04:
            return "{broken"
        if chance < 0.08:
            return '{"other": 1}'
        return json.dumps({"n": self._random.randrange(3)})

    async def aclose(self) -> None:
        """Nothing to close."""
