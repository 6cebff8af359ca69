"""Turn overhead with one tool call: ours.

One turn is a message, a model call that asks for a tool, the tool, a model call
that answers: 8 events in 4 durable appends. The model answers at once, the tool
does nothing and runs in this process; what is left is the runtime's own work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from common import facts, median, pick, report, scratch
from sessions import manager

from holdfast.adapters.tools.function import FunctionTool
from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.core.messages import Role, Text, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.model import ModelReply, ModelRequest, TextDelta, ToolUseStarted
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session

PROMPT = "Please look at the file and tell me what stands in it, briefly."
ANSWER = "The file holds a short greeting and nothing else of note."
SCHEMA = '{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}'


class InstantModel:
    """A `ModelClient` that answers at once: a tool call, then a sentence."""

    model = "instant"
    provider = "bench"
    context_tokens = 200_000
    zone = Zone.LOCAL
    sees = None

    def __init__(self) -> None:
        self._calls = 0

    async def stream(
        self, request: ModelRequest
    ) -> AsyncIterator[TextDelta | ToolUseStarted | ModelReply]:
        """Answer by what was said last."""
        usage = Usage(input_tokens=10, output_tokens=5)
        if request.messages[-1].role is Role.TOOL:
            yield TextDelta(ANSWER)
            yield ModelReply(parts=(Text(ANSWER),), usage=usage, stop="stop")
            return
        self._calls += 1
        id = f"call-{self._calls}"
        yield ToolUseStarted(id=id, name="look")
        use = ToolUse(id, "look", '{"path": "hello.txt"}')
        yield ModelReply(parts=(use,), usage=usage, stop="tool_use")

    async def aclose(self) -> None:
        """Nothing to close."""


async def _look(path: str) -> str:
    return "hello"


def tools() -> ToolRegistry:
    """One tool that does nothing."""
    spec = ToolSpec(name="look", description="Look.", parameters=SCHEMA, nature=Nature.READ_ONLY)
    return ToolRegistry([FunctionTool(_look, spec)])


async def turns(session: Session, count: int) -> list[float]:
    """Run turns one after the other; ms of each."""
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        result = await session.generate(PROMPT)
        spent.append((time.perf_counter() - started) * 1000)
        assert result.text == ANSWER, result.text
    return spent


async def growing(directory: Path, count: int) -> list[float]:
    """One session, that many turns."""
    opened = manager(directory, llm_client=InstantModel(), tool_executor=tools())
    async with opened as sessions:
        session = await sessions.create_session("one", SessionConfig())
        return await turns(session, count)


async def public_rate(directory: Path, sessions: int, each: int) -> float:
    """Events per second of scripted turns over the public API."""
    opened = manager(directory, llm_client=InstantModel(), tool_executor=tools(), idle_s=600)
    async with opened as found:
        handles = [await found.create_session(f"s{n}", SessionConfig()) for n in range(sessions)]
        await asyncio.gather(*(turns(one, 1) for one in handles))
        before = (await handles[0].info()).version
        started = time.perf_counter()
        await asyncio.gather(*(turns(one, each) for one in handles))
        spent = time.perf_counter() - started
        events = (await handles[0].info()).version - before
    return events * sessions / spent


def overhead() -> None:
    """Print what a turn costs and how that grows, beside the peers' figures."""
    last = pick(1000, 300)
    width = pick(100, 30)
    with scratch() as directory:
        spent = asyncio.run(growing(directory, last + width // 2))
    early = median(spent[10 : 10 + width])
    late = median(spent[last - width // 2 :])
    typical = median(spent[:200])
    report("turn with one tool call, p50 of 200", typical, "ms")
    report(f"turn {last}, p50", late, "ms")
    report(
        f"turn {last} over turn 10", late / early, "ratio", at_most=1.3, against=f"{early:.2f} ms"
    )
    peers = {name: value for name, value in facts().items() if name.startswith("peer turn p50")}
    best = min(peers, key=lambda name: peers[name], default="")
    report(
        "turn with one tool call, over the best peer",
        typical / peers[best] if best else None,
        "ratio",
        at_most=0.25,
        against=f"{best}: {peers[best]:.1f} ms" if best else "",
        note="" if best else "no peer's figure in this run",
    )


def main() -> None:
    """Take all figures of turns."""
    overhead()
    rates = []
    for sessions, each in ((128, pick(16, 4)), (128, pick(16, 4)), (128, pick(16, 4))):
        with scratch() as directory:
            rates.append(asyncio.run(public_rate(directory, sessions, each)))
    report("public API, scripted turns, 128 sessions", median(rates), "events/s", at_least=5000)
    with scratch() as directory:
        one = asyncio.run(public_rate(directory, 1, pick(200, 50)))
    report("public API, scripted turns, one session", one, "events/s")


if __name__ == "__main__":
    main()
