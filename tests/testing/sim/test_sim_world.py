"""A world: its seed makes it, its end is judged, nothing of it is left over."""

from __future__ import annotations

import asyncio

from holdfast.core.events import CancelAsked
from holdfast.testing.sim.gate import APPROVALS, LONG, drawn
from holdfast.testing.sim.loop import Stuck
from holdfast.testing.sim.world import (
    ALL_FEATURES,
    FEATURES,
    WILD,
    World,
    basic_features,
    describe,
    long_features,
    race_features,
    run_seed,
)
from simhelp import a_world


def test_a_seed_draws_its_features() -> None:
    """Every feature occurs, none always; given ones replace them."""
    drawn = []
    for seed in range(60):
        with a_world(seed, None) as world:
            drawn.append(world.features)
    assert set(ALL_FEATURES) == set().union(*drawn)
    assert set() == set(ALL_FEATURES).intersection(*drawn)
    with a_world(1, ["busy"]) as world:
        assert frozenset({"busy"}) == world.features
    assert set(ALL_FEATURES) >= WILD


def test_the_gate_is_drawn_apart() -> None:
    """What a seed draws without the gate's features stays what it was; some have none of them."""
    for seed in range(40):
        with a_world(seed, None) as world:
            assert basic_features(seed) | drawn(seed) == world.features
        assert {*FEATURES, APPROVALS} >= basic_features(seed)
        assert LONG in long_features(seed) and APPROVALS in race_features(seed)
        assert {*ALL_FEATURES, LONG} >= long_features(seed) | race_features(seed)
    assert frozenset() in {drawn(seed) for seed in range(40)}


def test_a_calm_world_holds_and_is_the_same_again() -> None:
    """No faults, no problems, one digest."""
    first, again = run_seed(11, ()), run_seed(11, ())
    assert ((), first.digest) == (first.problems, again.digest)
    assert first.events > 0 and first.virtual_s > 0 and first.trace


def test_the_gremlin_does_what_its_features_say() -> None:
    """A node dies at a step, a lease can be stolen, the disk is full, the clock jumps."""

    async def work(world: World) -> None:
        node = world._new_node("one")
        world.nodes.append(node)
        world._kill_soon()
        assert node.owner.die_at > node.owner.steps
        world._steal()
        assert {node.store.node} == world.disk.stolen
        world._toggle_full()
        assert world.disk.full
        world._jump()
        assert 0 != world.clock.jump_ms
        world._close_store()
        assert not world.disk.is_open(node.store.node)
        world._calm()
        assert not world.disk.full and not world.disk.stolen
        assert world.nodes[0] is not node and world.nodes[0].alive and not node.alive
        await world._unwind()

    with a_world() as world:
        world.loop.run_until_complete(work(world))


def test_an_exception_that_nobody_retrieved_is_a_problem() -> None:
    """As long as the world lasts."""
    with a_world() as world:
        world._unhandled(world.loop, {"message": "lost", "exception": ValueError("x")})
        world._over = True
        world._unhandled(world.loop, {"message": "late"})
        assert ["unhandled: lost: ValueError('x')"] == world._record.problems


def test_a_world_without_an_end_is_a_problem() -> None:
    """Stuck in its story or in its unwinding: it is told, not raised."""
    world = World(1, ())

    async def stuck() -> None:
        raise Stuck("it spins")

    world._story = stuck  # type: ignore[method-assign]  # a world with another story
    world._unwind = stuck  # type: ignore[method-assign]  # that does not end either
    problems = world.run().problems
    assert ("no end: it spins", "it does not unwind: it spins") == problems
    assert world.loop.is_closed()


def test_an_event_is_described_in_one_short_line() -> None:
    """Long ones are cut."""
    assert "CancelAsked(why='user', by='')" == describe(CancelAsked(why="user"))
    assert 220 == len(describe(CancelAsked(why="u" * 500)))


def test_nothing_of_a_world_is_left_over() -> None:
    """Its loop is closed and it leaves no running loop behind."""
    world = World(5)
    world.run()
    assert world.loop.is_closed()
    assert 0 == len(asyncio.all_tasks(world.loop))
