"""The gate's part of a world: hooks that always say the same, a model with a price."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.facts import Facts
from holdfast.core.hooks import HookAction, HookCall, HookEvent
from holdfast.core.settings import QueuePolicy, Settings
from holdfast.core.verdicts import ALLOW, Ask
from holdfast.core.view import SessionView
from holdfast.ports.model import PricedClient
from holdfast.runtime.hooks import Hooks
from holdfast.testing.sim.gate import (
    BAD_HOOKS,
    GATE,
    PricedModel,
    SimHooks,
    drawn,
    second_look,
    shared_budget,
    some_budget,
)
from holdfast.testing.sim.loop import SimClock, VirtualLoop
from holdfast.testing.sim.nodes import ask_guard
from holdfast.testing.sim.outside import Ledger
from simhelp import action_of, randomness

NOW = Facts(now_ms=1, engine="e")


def call_of(tool: str, n: int) -> HookCall:
    """What a hook is told before a call."""
    data: dict[str, object] = {"tool": tool, "args": {"n": n}}
    return HookCall(event=HookEvent.PRE_TOOL_USE, session_id="s1", data=data)


def test_every_feature_of_the_gate_is_drawn_by_some_seed() -> None:
    """And each seed draws the same again."""
    assert set(GATE) == set().union(*(drawn(seed) for seed in range(60)))
    assert [drawn(seed) for seed in range(20)] == [drawn(seed) for seed in range(20)]


def test_the_second_look_depends_on_the_queue_alone() -> None:
    """It asks about some tools while the queue steers."""
    calm = SessionView(settings=Settings(queue_policy=QueuePolicy.ENQUEUE))
    steering = SessionView(settings=Settings(queue_policy=QueuePolicy.STEER))
    assert isinstance(second_look(steering, NOW, action_of("put")), Ask)
    assert ALLOW == second_look(steering, NOW, action_of("look"))
    assert ALLOW == second_look(calm, NOW, action_of("put"))
    assert isinstance(ask_guard(calm, NOW, action_of("fire")), Ask)


def test_what_a_hook_says_of_a_call_is_the_same_in_every_process() -> None:
    """What it lets through is on the ledger in just the form that may run."""
    ledgers = [Ledger(), Ledger()]
    hooks = [SimHooks(5, randomness(n), ledger, ()) for n, ledger in enumerate(ledgers)]
    said = set()

    async def work() -> None:
        for tool in ("look", "put", "pay", "fire"):
            for n in range(8):
                one, other = [await hook.before_tool(call_of(tool, n)) for hook in hooks]
                assert one is not None and one == other
                said.add(one.action)

    loop = VirtualLoop()
    loop.run_until_complete(work())
    loop.close()
    assert {HookAction.BLOCK, HookAction.MODIFY, HookAction.CONTINUE} <= said
    assert ledgers[0].passed == ledgers[1].passed
    blocked = [n for n in range(8) if hooks[0].said("put", {"n": n}).action is HookAction.BLOCK]
    changed = [hooks[0].said("put", {"n": n}).changes for n in range(8)]
    assert blocked
    for n in blocked:
        if (("args", {"n": n}),) not in changed:
            assert ("s1", "put", f'{{"n": {n}}}') not in ledgers[0].passed


def test_bad_hooks_fail_only_while_they_are_wild() -> None:
    """A bug, a call that hangs, or a retry; nothing of it passes."""
    ledger = Ledger()
    hooks = SimHooks(5, randomness(), ledger, {BAD_HOOKS})

    async def work() -> int:
        failures = 0
        for n in range(60):
            try:
                async with asyncio.timeout(5):
                    answer = await hooks.before_tool(call_of("look", n))
                failures += answer is not None and answer.action is HookAction.RETRY
            except (RuntimeError, TimeoutError):
                failures += 1
        return failures

    loop = VirtualLoop()
    assert 0 < loop.run_until_complete(work()) < 40
    loop.close()


def test_hooks_stand_at_four_places() -> None:
    """Before messages and calls, after calls and answers."""
    loop = VirtualLoop()
    hooks = Hooks(SimClock(loop, randomness()))
    SimHooks(1, randomness(), Ledger(), ()).register(hooks)
    places = {"pre_prompt", "pre_tool_use", "post_tool_use", "generate_end"}
    assert places == {event.value for event in hooks.events("")}
    loop.close()


def test_a_priced_model_knows_its_worst_cost() -> None:
    """Budgets reserve it; what it bills may be more."""
    model = PricedModel(randomness(), Ledger(), set())
    assert isinstance(model, PricedClient)
    assert 160 == model.worst_cost(10, 50)
    assert 400 in {model._cost() for _ in range(40)}


@pytest.mark.parametrize("seed", range(5))
def test_limits_can_be_set(seed: int) -> None:
    """Each drawn budget is one that a session, or its user, may have."""
    some_budget(randomness(seed)).settings()
    shared_budget(randomness(seed)).shared()
