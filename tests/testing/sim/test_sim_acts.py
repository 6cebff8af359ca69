"""Acts of the gate: what people do goes through the public API and leaves its events."""

from __future__ import annotations

import pytest

from holdfast.core.events import ChildOpened, Configured, Granted, Revoked
from holdfast.testing.sim.acts import SESSIONS_MAX, GateActs, gate_acts
from holdfast.testing.sim.gate import GATE
from holdfast.testing.sim.people import Person
from holdfast.testing.sim.world import World
from simhelp import a_world


@pytest.mark.parametrize("feature", GATE)
def test_a_feature_adds_its_acts(feature: str) -> None:
    """But hooks are nobody's act."""
    with a_world(1, [feature]) as world:
        acts = gate_acts(Person("p", world), world)
        assert bool(acts) is (feature not in ("hooks", "bad_hooks"))
    with a_world(1, []) as world:
        assert [] == gate_acts(Person("p", world), world)


def test_what_people_do_is_on_record() -> None:
    """Allowances, their end, rules, limits and a child; never too many sessions."""

    async def work(world: World) -> None:
        world.nodes.append(world._new_node("one"))
        await world._create("s1")
        acts = GateActs(Person("p", world), world)
        for _ in range(12):
            await acts.allow("s1")
            await acts.rule("s1")
            await acts.limit("s1")
            await acts.child("s1")
        for _ in range(6):
            await acts.revoke("s1")
        await world._unwind()

    with a_world(1, ["budgets"]) as world:
        world.loop.run_until_complete(work(world))
        logs = list(world.observer.all())
    parent = logs[0]
    for kind in (Granted, Revoked, Configured, ChildOpened):
        assert parent.of(kind), kind.__name__
    assert SESSIONS_MAX == len(world.sessions) == len(logs)
    assert all(log.view.lineage[0].stream == parent.stream for log in logs[1:])
    assert [] == world._record.problems
