"""Requests and streams stand aside while the token is replaced."""

from __future__ import annotations

import asyncio

from holdfast.client.gate import Gate
from sessionhelp import run


def test_nobody_asks_while_one_is_alone() -> None:
    """Requests that run are waited for, streams are left, new requests wait."""
    said: list[str] = []

    async def main() -> None:
        gate, going, end = Gate(), asyncio.Event(), asyncio.Event()

        async def first() -> None:
            async with gate.request():
                going.set()
                await end.wait()
                said.append("first")

        async def leave() -> None:
            said.append("left")
            gate.left(leave)

        async def alone() -> None:
            async with gate.alone():
                said.append("alone")
                await asyncio.sleep(0.01)
                said.append("over")

        async def second() -> None:
            async with gate.request():
                said.append("second")

        gate.enter(leave)
        async with asyncio.TaskGroup() as group:
            group.create_task(first())
            await going.wait()
            group.create_task(alone())
            await asyncio.sleep(0)
            group.create_task(second())
            await asyncio.sleep(0.01)
            assert [] == said
            end.set()

    run(main())
    assert ["first", "left", "alone", "over", "second"] == said


def test_a_failure_opens_the_gate_again() -> None:
    """Whether a request, or who was alone, fails or is cancelled: the others go on."""

    async def main() -> None:
        gate = Gate()
        for way in (gate.request, gate.alone):
            try:
                async with way():
                    raise ValueError
            except ValueError:
                pass
            waiting = asyncio.create_task(asyncio.sleep(60))
            async with gate.alone(), asyncio.timeout(5):
                queued = [asyncio.create_task(gate.request().__aenter__()) for _ in range(3)]
                await asyncio.sleep(0)
                for one in queued:
                    one.cancel()
                await asyncio.gather(*queued, return_exceptions=True)
            waiting.cancel()
            async with asyncio.timeout(5), gate.request():
                pass
            async with asyncio.timeout(5), gate.alone():
                pass

    run(main())
