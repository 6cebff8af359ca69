"""What tests of whole sessions share: managers with scripted models, tools, a clock by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from holdfast.adapters.tools.function import FunctionTool
from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.core.flows import Flow, Sink
from holdfast.core.messages import Message, Role, ToolResult
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.clock import Clock
from holdfast.ports.model import ModelRequest
from holdfast.ports.store import Append, Store
from holdfast.ports.tool import Tool
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import Turn, say
from holdfast.testing.scripted import ScriptedModel

T = TypeVar("T")
LIMIT_S = 20.0

UNSAFE = SessionConfig(unsafe_auto_approve=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; a hang is a failure, not a stuck suite."""

    async def limited() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await work

    return asyncio.run(limited())


NO_SINK = Flow(sink=Sink.NONE)


def tool(
    function: Callable[..., object],
    *,
    nature: Nature = Nature.ONCE,
    params: Iterable[str] = (),
    timeout_s: float = 60.0,
    flow: Flow = NO_SINK,
) -> FunctionTool:
    """Make a tool of a function; its parameters are optional texts.

    Args:
        flow: what it declares; by default that it has no consequences, since most
            tests are about something else.
    """
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in params},
        "additionalProperties": False,
    }
    spec = ToolSpec(
        name=function.__name__,
        description=function.__doc__ or function.__name__,
        parameters=json.dumps(schema),
        nature=nature,
        timeout_s=timeout_s,
        flow=flow,
    )
    return FunctionTool(function, spec)


def registry(*tools: Tool) -> ToolRegistry:
    """Offer these tools only."""
    return ToolRegistry(list(tools))


def echo() -> ScriptedModel:
    """A model that answers every message with `re: <the last user message>`."""
    return ScriptedModel(itertools.repeat(answer_last))


def answer_last(request: ModelRequest) -> Turn:
    """Answer the last user message."""
    return say(f"re: {last_user(request.messages)}")


def last_user(messages: Iterable[Message]) -> str:
    """The last thing the user said (neighbouring messages are joined by the context)."""
    texts = [part.text for m in messages if m.role is Role.USER for part in m.parts]
    return texts[-1] if texts else ""


def memory(model: ScriptedModel, *tools: Tool, **options: Any) -> SessionManager:
    """A manager that keeps nothing."""
    return SessionManager(model, registry(*tools), **options)


def on_file(
    folder: Path, model: ScriptedModel | None = None, *tools: Tool, **options: Any
) -> SessionManager:
    """A manager on `<folder>/s.db` with its installation key outside of the store's folder."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    return SessionManager.open(
        store / "s.db",
        llm_client=model,
        tool_executor=registry(*tools),
        installation_key=folder / "installation.key",
        **options,
    )


@asynccontextmanager
async def one_session(
    model: ScriptedModel, *tools: Tool, config: SessionConfig = UNSAFE, **options: Any
) -> AsyncIterator[Session]:
    """A session `one` in memory."""
    async with memory(model, *tools, **options) as sessions:
        yield await sessions.create_session("one", config)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds."""
    while not condition():
        await asyncio.sleep(0.002)


async def until_async(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Let the loop run until an awaited condition holds."""
    while not await condition():
        await asyncio.sleep(0.005)


def texts(history: Iterable[Message]) -> list[str]:
    """What was said, in order, without tool results."""
    return [message.text for message in history if message.role is not Role.TOOL]


def results(history: Iterable[Message]) -> list[ToolResult]:
    """The results of tool calls, in order."""
    return [part for m in history for part in m.parts if isinstance(part, ToolResult)]


class Refusing:
    """Makes a store refuse the next `left` appends.

    Args:
        error: what it says.
        urgent: also those that may use the disk's reserve.
    """

    def __init__(self, store: Store, error: HoldfastError, *, urgent: bool) -> None:
        self.left = 0
        inner = store.append

        async def append(request: Append) -> bytes:
            if self.left and (urgent or not request.urgent):
                self.left -= 1
                raise error
            return await inner(request)

        store.append = append  # type: ignore[method-assign]  # this store, for this test


class HandClock(Clock):
    """A clock that stands until `advance` is called."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return 1_700_000_000_000 + int(self.seconds * 1000)

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Wait for `advance`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._order), future))
        await future

    def random_bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""
        return secrets.token_bytes(count)

    def advance(self, seconds: float) -> None:
        """Let time pass and wake who has slept enough."""
        self.seconds += seconds
        while self._sleepers and self._sleepers[0][0] <= self.seconds:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
