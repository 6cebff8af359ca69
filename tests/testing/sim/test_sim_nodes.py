"""A process: it starts, is called, is killed, and ends in an orderly way."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import Command, ModelEnded, Tick
from holdfast.core.events import Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.verdicts import Allow, Ask
from holdfast.core.view import SessionView
from holdfast.testing.sim.loop import VirtualLoop
from holdfast.testing.sim.nodes import ASKED_TOOL, SimManager, _twice, ask_guard
from holdfast.testing.sim.world import World
from simhelp import a_world, randomness


def test_the_guard_asks_about_one_tool() -> None:
    """Everything else is allowed by it."""
    facts: object = None
    for name, kind in ((ASKED_TOOL, Ask), ("look", Allow)):
        action = Action(kind=ActionKind.TOOL, name=name)
        assert kind is type(ask_guard(SessionView(), facts, action))  # type: ignore[arg-type]  # not read


def test_reports_come_twice_in_some_worlds() -> None:
    """Outcomes may come again, later; nothing else does."""
    loop, seen = VirtualLoop(), []

    async def work() -> None:
        again = _twice(seen.append, randomness())
        ended: Command = ModelEnded(ref=EffectRef(1, 0), outcome=Outcome.DONE)
        for _ in range(20):
            again(ended)
            again(Tick())
        await asyncio.sleep(10)

    loop.run_until_complete(work())
    assert 20 == sum(isinstance(one, Tick) for one in seen)
    assert 20 < sum(isinstance(one, ModelEnded) for one in seen) < 40
    loop.close()


def test_a_dead_node_does_not_answer() -> None:
    """Neither a call that comes later nor one that is under way."""

    async def forever(manager: SimManager) -> None:
        await asyncio.sleep(1000)

    async def work(world: World) -> None:
        node = world._new_node("one")
        with pytest.raises(ConnectionError, match="did not answer"):
            await node.call(forever, 5.0)
        assert 5.0 == world.loop.time()
        world.loop.call_later(1.0, node.kill, "for a test")
        with pytest.raises(ConnectionError, match="did not answer"):
            await node.call(forever, 100.0)
        assert not node.alive and not world.disk.is_open(node.store.node)
        with pytest.raises(ConnectionError, match="is down"):
            await node.call(forever, 100.0)
        await world._unwind()

    with a_world() as world:
        world.loop.run_until_complete(work(world))


def test_an_orderly_end_closes_the_store() -> None:
    """Afterwards the node's sessions are anybody's."""

    async def work(world: World) -> None:
        node = world._new_node("one")
        world.nodes.append(node)
        await world._create("s1")
        await node.close()
        assert not world.disk.is_open(node.store.node)
        assert [None] == [stream.row.node for stream in world.disk.streams.values()]
        await world._unwind()

    with a_world() as world:
        world.loop.run_until_complete(work(world))
