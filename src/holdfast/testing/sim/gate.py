"""The gate's part of a world: hooks, prices, limits, and what people do about them.

Drawn apart from a world's other features, so that the histories of old seeds stay
what they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from random import Random

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.hooks import HookAnswer, HookCall, HookEvent, block, modify, retry, skip
from holdfast.core.settings import QueuePolicy
from holdfast.core.verdicts import ALLOW, Ask, Verdict
from holdfast.core.view import SessionView
from holdfast.runtime.budgets import Budget
from holdfast.runtime.hooks import Hook, Hooks
from holdfast.testing.sim.outside import HANG_S, Ledger, SimModel

APPROVALS = "approvals"
"""People are asked about all that changes things, and answer in every way there is."""

BAD_HOOKS = "bad_hooks"
"""Hooks hang, fail and ask to be asked again; it ends with the other faults."""

SECOND_LOOKS = "second_looks"
"""A guard asks about `LOOKED_AT` while the session's queue steers, and not otherwise."""

GATE = (BAD_HOOKS, "budgets", "children", "grants", "hooks", "rules", SECOND_LOOKS)
"""Features of the gate beside `APPROVALS`; each seed draws its own subset."""

LONG = "long"
"""People do many times as much and models call many tools; it is never drawn.

What is given as the features of a world whose actions are counted.
"""

LOOKED_AT = frozenset({"put", "pay"})
SECOND_LOOK = "sim.second_look"
HOOK_MS = 2_000


def drawn(seed: int) -> frozenset[str]:
    """The gate's features of a seed, without `APPROVALS`; none in a third of all worlds."""
    chance = Random(f"gate {seed}")  # noqa: S311 - a simulation wants to be predictable
    if chance.random() < 0.33:
        return frozenset()
    return frozenset(name for name in GATE if chance.random() < 0.4)


def second_look(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Ask once more about some tools, as long as the session's queue steers."""
    steers = view.settings.queue_policy is QueuePolicy.STEER
    if steers and action.kind is ActionKind.TOOL and action.name in LOOKED_AT:
        return Ask("sim", "second_look", "is that so?")
    return ALLOW


def some_budget(random: Random) -> Budget:
    """Limits that a handful of calls uses up."""
    return Budget(
        usd=random.choice((None, 900, 2_500)),
        run_usd=random.choice((None, None, 700)),
        action_usd=random.choice((None, None, None, 100)),
        tokens=random.choice((None, 400, 2_000)),
        calls=random.choice((None, 2, 5)),
        day_calls=random.choice((None, None, 3)),
        run_calls=random.choice((None, None, 2)),
        wall_s=random.choice((None, None, 20)),
    )


def shared_budget(random: Random) -> Budget:
    """Limits of a user or the tenant, which sessions share."""
    return Budget(
        usd=random.choice((None, 3_000)),
        day_usd=random.choice((None, 2_000)),
        calls=random.choice((None, 6)),
        tokens=random.choice((None, 3_000)),
    )


class PricedModel(SimModel):
    """A model that costs something: at times less, at times more than was thought."""

    max_output_tokens: int | None = 50

    def worst_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The most so many tokens may cost, in micro-USD."""
        return input_tokens + 3 * output_tokens

    def _cost(self) -> int:
        return self._random.choice((0, 25, 120, 400))


class SimHooks:
    """The hooks of a world.

    What is said before a tool call depends on the call alone, so that what is
    blocked once is blocked for ever, in every process.

    Args:
        seed: of the world.
        wild: names of what may go wrong.
    """

    def __init__(self, seed: int, random: Random, ledger: Ledger, wild: Collection[str]) -> None:
        self._seed = seed
        self._random = random
        self._ledger = ledger
        self._wild = wild

    def register(self, hooks: Hooks) -> None:
        """Stand in all sessions of a process."""
        for event, handler in (
            (HookEvent.PRE_PROMPT, self.before_prompt),
            (HookEvent.PRE_TOOL_USE, self.before_tool),
            (HookEvent.POST_TOOL_USE, self.after_tool),
            (HookEvent.GENERATE_END, self.after_model),
        ):
            hooks.everywhere.register(
                Hook(id=f"sim-{event.value}", event=event, handler=handler, timeout_ms=HOOK_MS)
            )

    def said(self, tool: str, arguments: Mapping[str, object]) -> HookAnswer:
        """What is always said of a call."""
        key = f"hook {self._seed} {tool} {json.dumps(dict(arguments))}"
        chance = Random(key).random()  # noqa: S311 - a simulation wants to be predictable
        if chance < 0.15:
            return block("not this one")
        if chance < 0.3:
            return modify(args={"n": int(chance * 100) % 5})
        return skip() if chance < 0.35 else HookAnswer()

    async def before_tool(self, call: HookCall) -> HookAnswer | None:
        """Judge a call, now and then badly."""
        data = call.data
        tool, arguments = str(data["tool"]).casefold(), data["args"]
        assert isinstance(arguments, Mapping), "a hook is told the arguments"
        await asyncio.sleep(self._random.random() * 0.1)
        if BAD_HOOKS in self._wild and (trouble := await self._fail()) is not None:
            return trouble
        answer = self.said(tool, arguments)
        for name, value in answer.changes:
            if name == "args" and isinstance(value, Mapping):
                arguments = value
        if not answer.reason:
            self._ledger.passed.add((call.session_id, tool, json.dumps(dict(arguments))))
        return answer

    async def _fail(self) -> HookAnswer | None:
        chance = self._random.random()
        if chance < 0.05:
            await asyncio.sleep(HANG_S)
        if chance < 0.1:
            raise RuntimeError("a bug in the hook")
        return retry(50) if chance < 0.2 else None

    async def before_prompt(self, call: HookCall) -> HookAnswer | None:
        """Refuse a message now and then."""
        await asyncio.sleep(self._random.random() * 0.05)
        return block("not today") if self._random.random() < 0.05 else None

    async def after_tool(self, call: HookCall) -> HookAnswer | None:
        """Change or withhold a result now and then."""
        chance = self._random.random()
        if chance < 0.05:
            return block("nobody is to see it")
        return modify(output="what a hook made of it") if chance < 0.15 else None

    async def after_model(self, call: HookCall) -> HookAnswer | None:
        """Ask for another answer, change it, or block it, now and then."""
        chance = self._random.random()
        if chance < 0.08:
            return retry(50)
        if chance < 0.16:
            return modify(response_text=f"hooked {len(str(call.data['response_text']))}")
        return block("not that") if chance < 0.19 else None
