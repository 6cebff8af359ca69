"""A world: one seed, from its first second to its judgement."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.events import Event
from holdfast.core.judge import Guard
from holdfast.core.lifecycle import SessionState
from holdfast.core.settings import ConfirmationPolicy, Limits, QueuePolicy, TimeoutAction
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.host import CANCEL_GRACE_S
from holdfast.testing.sim.disk import GRACE_S, SimDisk, SimStore, Weather
from holdfast.testing.sim.gate import (
    APPROVALS,
    GATE,
    LONG,
    SECOND_LOOKS,
    PricedModel,
    SimHooks,
    drawn,
    second_look,
    some_budget,
)
from holdfast.testing.sim.invariants import Evidence, judge_engines, judge_logs
from holdfast.testing.sim.judging import judge
from holdfast.testing.sim.loop import SimClock, Stuck, VirtualLoop
from holdfast.testing.sim.nodes import Node, SimManager, ask_guard, surroundings
from holdfast.testing.sim.observer import Log, Observer
from holdfast.testing.sim.outside import NATURES, Ledger, SimModel, SimRegistry, SimTool
from holdfast.testing.sim.people import Person, Told

FEATURES = (
    "asks",
    "bad_models",
    "broken_tools",
    "busy",
    "clock_jumps",
    "crashes",
    "dead_stores",
    "doubled_reports",
    "full_disk",
    "hanging_models",
    "lost_acks",
    "quick_eviction",
    "slow_models",
    "slow_store",
    "slow_tools",
    "steps",
    "stubborn_tools",
    "theft",
    "two_nodes",
    "vague_tools",
    "wipes",
)
"""What may be switched on in a world beside the features of the gate (`sim.gate`).

Each seed draws its own subset, in this order.
"""

ALL_FEATURES = (*FEATURES, APPROVALS, *GATE)
"""Everything that may be switched on."""

WILD = frozenset(
    [
        "bad_hooks",
        "bad_models",
        "broken_tools",
        "hanging_models",
        "slow_models",
        "slow_tools",
        "stubborn_tools",
        "vague_tools",
    ]
)
RACE_DRAWN = ("grants", "lost_acks", "quick_eviction", "rules", "slow_store", "steps", "theft")
"""What may come along in a world of races."""

SOON_OVER = ("budgets", "grants", "rules")
"""What leaves little to run after a while; most `LONG` worlds go without."""

LONG_TIMES = 8
"""How many times as much people do in a `LONG` world."""

END_S = 3_000.0
"""Virtual seconds within which everything ends once the faults are off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a world.

    Args:
        digest: of the whole history; the same for the same seed.
        problems: what is wrong, in words; empty if all is well.
        performed: tools that ran and models that were asked.
    """

    seed: int
    features: frozenset[str]
    digest: str
    problems: tuple[str, ...]
    trace: tuple[str, ...]
    events: int
    virtual_s: float
    performed: int


@dataclass(slots=True)
class _Record:
    trace: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def long_features(seed: int) -> frozenset[str]:
    """A world in which much happens, with some faults and what the gate has."""
    chance = Random(f"long {seed}")  # noqa: S311 - a simulation wants to be predictable
    found = {name for name in FEATURES if chance.random() < 0.15}
    if chance.random() < 0.4:
        found.add(APPROVALS)
    gate = set(drawn(seed))
    for name in SOON_OVER:
        if chance.random() < 0.7:
            gate.discard(name)
    return frozenset({LONG, *found, *gate})


def race_features(seed: int) -> frozenset[str]:
    """A world in which approving, cancelling, expiring and restarting race."""
    chance = Random(f"race {seed}")  # noqa: S311 - a simulation wants to be predictable
    more = {name for name in RACE_DRAWN if chance.random() < 0.3}
    return frozenset({APPROVALS, "crashes", "two_nodes", *more})


def basic_features(seed: int) -> frozenset[str]:
    """What a seed draws without the features of the gate, as it did before there were any."""
    return _basic(Random(seed), seed)  # noqa: S311 - a simulation wants to be predictable


def _basic(random: Random, seed: int) -> frozenset[str]:
    found = frozenset(name for name in FEATURES if random.random() < 0.4)
    # Drawn apart, so that the histories of old seeds stay what they are.
    chance = Random(f"approvals {seed}")  # noqa: S311 - a simulation wants to be predictable
    return found | {APPROVALS} if chance.random() < 0.5 else found


class World:
    """One world.

    Args:
        seed: makes everything; the same seed is the same history.
        features: switch on exactly these instead of a drawn subset.
    """

    def __init__(self, seed: int, features: Collection[str] | None = None) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - a simulation wants to be predictable
        basic = _basic(self.random, seed)
        self.features = basic | drawn(seed) if features is None else frozenset(features)
        self.loop = VirtualLoop()
        self.clock = SimClock(self.loop, self.random)
        self.disk = SimDisk()
        self.keys = MemoryKeys(self.random.randbytes, monotonic=self.clock.monotonic)
        self.observer = Observer(self.disk, self.keys, self.clock)
        self.ledger = Ledger()
        self.told = Told()
        self.sessions: list[str] = []
        self.nodes: list[Node] = []
        self.all_nodes: list[Node] = []
        self._record = _Record()
        self._weather = Weather()
        self._wild = set(WILD & self.features)
        self._over = False

    # --- for people --------------------------------------------------------------------

    def node(self) -> Node:
        """Some node, dead or alive."""
        return self.random.choice(self.nodes)

    def say(self, who: str, what: str) -> None:
        """Note for the trace."""
        self._record.trace.append(f"{self.loop.time():9.3f} {who}: {what}")

    def problem(self, what: str) -> None:
        """Something is wrong."""
        self._record.problems.append(what)
        self.say("judge", what)

    def length_of(self, session_id: str) -> int:
        """How long a session's log durably is."""
        return self.observer.length_of(session_id)

    def _lengths_of(self, session_id: str) -> tuple[int, int]:
        return self.observer.length_of(session_id), self.observer.acked_of(session_id)

    # --- the story ---------------------------------------------------------------------

    def run(self) -> Outcome:
        """Live through the world and judge it."""
        self.loop.set_exception_handler(self._unhandled)
        try:
            try:
                self.loop.run_until_complete(self._story())
            except Stuck as error:
                self.problem(f"no end: {error}")
            self._over = True
            logs = tuple(self.observer.all())
            evidence = Evidence(
                logs=logs,
                ledger=self.ledger,
                told=self.told,
                asks="asks" in self.features,
                stale=bool({"theft", "dead_stores"} & self.features),
                offered=tuple(self.disk.offered),
                steady="clock_jumps" not in self.features,
                features=self.features,
                order=self.disk.order(),
                counters=dict(self.disk.counters),
            )
            for problem in (*judge_logs(evidence), *judge(evidence)):
                self.problem(problem)
        finally:
            self._over = True
            self._end()
        return self._outcome(logs)

    def _end(self) -> None:
        try:
            self.loop.run_until_complete(self._unwind())
        except Stuck as error:
            self.problem(f"it does not unwind: {error}")
        self.loop.close()

    def _outcome(self, logs: tuple[Log, ...]) -> Outcome:
        digest = hashlib.sha256("\n".join(self._record.trace).encode())
        for log in logs:
            digest.update(log.head)
        return Outcome(
            seed=self.seed,
            features=self.features,
            digest=digest.hexdigest(),
            problems=tuple(self._record.problems),
            trace=tuple(self._record.trace),
            events=sum(len(log.events) for log in logs),
            virtual_s=self.loop.time(),
            performed=len(self.ledger.dispatches) + len(self.ledger.requests),
        )

    async def _story(self) -> None:
        for name in ("one", "two") if "two_nodes" in self.features else ("one",):
            self.nodes.append(self._new_node(name))
        await self._create("s1")
        if self.random.random() < 0.25:
            await self._create("s2")
        self._storm()
        gremlin = asyncio.ensure_future(self._gremlin())
        people = [Person(f"person{n}", self) for n in range(self.random.choice((1, 2, 2, 3)))]
        acts = self.random.randrange(2, 6) * (LONG_TIMES if LONG in self.features else 1)
        await asyncio.gather(*(person.live(acts) for person in people))
        gremlin.cancel()
        self._calm()
        for node in self.nodes:
            await node.call(lambda manager: manager.resume_interrupted(), 60.0)
        for _ in range(2):  # what was still on its way may owe something once more
            await self._settle(people[0])
            await asyncio.sleep(2 * CANCEL_GRACE_S)
        self._check_engines()
        lengths = [len(log.events) for log in self.observer.all()]
        for node in self.nodes:
            await node.close()
        if lengths != [len(log.events) for log in self.observer.all()]:
            self.problem("closing a manager wrote to a log")

    def _new_node(self, name: str) -> Node:
        idle_s = 0.5 if "quick_eviction" in self.features else 30.0
        tools = [
            SimTool(tool, self.random, self.ledger, lengths_of=self._lengths_of, wild=self._wild)
            for tool in NATURES
        ]
        kind = PricedModel if "budgets" in self.features else SimModel
        model = kind(self.random, self.ledger, self._wild, eager=LONG in self.features)
        hooks = Hooks(self.clock)
        if "hooks" in self.features:
            SimHooks(self.seed, self.random, self.ledger, self._wild).register(hooks)
        manager = SimManager(
            surroundings(self.clock, SimRegistry(tools), model, idle_s, hooks),
            guards=self._guards(),
            twice=self.random if "doubled_reports" in self.features else None,
        )
        node = Node(
            name,
            self.loop,
            store=self._store,
            keys=self.keys.reopen(),
            clock=self.clock,
            manager=manager,
            say=self.say,
        )
        self.all_nodes.append(node)
        node.start()
        return node

    def _guards(self) -> tuple[tuple[str, Guard], ...]:
        found: list[tuple[str, Guard]] = [("sim", ask_guard)] if "asks" in self.features else []
        if SECOND_LOOKS in self.features:
            found.append(("look", second_look))
        return tuple(found)

    def _store(self, node: Node) -> SimStore:
        shaky = {"theft", "dead_stores"} & self.features
        return SimStore(
            self.disk,
            node.name,
            self.clock,
            random=self.random,
            weather=self._weather,
            crash=node.kill,
            born=self.observer.born,
            grace_s=GRACE_S if shaky else 0.0,
        )

    async def _create(self, name: str) -> None:
        random = self.random
        tools = None if random.random() < 0.7 else ("look", "put", "fire")
        asking = APPROVALS in self.features and random.random() < 0.8
        config = SessionConfig(
            system_prompt=random.choice((None, "be brief")),
            tools=tools,
            unsafe_auto_approve=random.random() < 0.85 and not asking,
            confirmation_policy=_confirmation(random) if asking else None,
            budget=some_budget(random) if "budgets" in self.features else None,
            queue_policy=random.choice(tuple(QueuePolicy)),
            limits=Limits(
                max_rounds=random.randrange(2, 7),
                turn_s=random.choice((20, 60)),
                tool_s=random.choice((3, 10)),
                parallel_tools=random.choice((1, 2, 4)),
            ),
        )

        async def work(manager: SimManager) -> Any:
            return await manager.create_session(name, config)

        await self.nodes[0].call(work, 10.0)
        self.sessions.append(name)

    # --- faults ------------------------------------------------------------------------

    def _storm(self) -> None:
        features, weather = self.features, self._weather
        weather.crash = 0.03 if "crashes" in features else 0.0
        weather.busy = 0.03 if "busy" in features else 0.0
        weather.lost_ack = 0.05 if "lost_acks" in features else 0.0
        weather.slow = 0.4 if "slow_store" in features else 0.0

    async def _gremlin(self) -> None:
        """Do harm, and start dead nodes again."""
        harms: list[Callable[[], None]] = [self._restart]
        if "steps" in self.features:
            harms.append(self._kill_soon)
        if "full_disk" in self.features:
            harms.append(self._toggle_full)
        if "theft" in self.features:
            harms.append(self._steal)
        if "dead_stores" in self.features:
            harms.append(self._close_store)
        if "clock_jumps" in self.features:
            harms.append(self._jump)
        while True:
            await asyncio.sleep(self.random.random() * 3)
            self.random.choice(harms)()

    def _kill_soon(self) -> None:
        owner = self.node().owner
        owner.die_at = owner.steps + self.random.randrange(1, 200)

    def _toggle_full(self) -> None:
        self.disk.full = not self.disk.full
        self.say("disk", "full" if self.disk.full else "has room")

    def _steal(self) -> None:
        node = self.node()
        self.say("gremlin", f"the leases of {node.name} can be stolen")
        self.disk.stolen.add(node.store.node)

    def _close_store(self) -> None:
        node = self.node()
        if node.alive:
            self.say("gremlin", f"the store of {node.name} is gone, its process lives")
            self.disk.kill(node.store.node)

    def _jump(self) -> None:
        self.clock.jump_ms = self.random.randrange(-300_000, 300_000)
        self.say("clock", f"is off by {self.clock.jump_ms} ms")

    def _restart(self) -> None:
        for place, node in enumerate(self.nodes):
            if node.alive and not self.disk.is_open(node.store.node):
                node.kill("because its store is gone")
            if not node.alive:
                self.say("gremlin", f"{node.name} starts again")
                self.nodes[place] = self._new_node(node.name)

    def _calm(self) -> None:
        self.say("world", "the faults are off")
        self._weather.calm()
        self._wild.clear()
        self.disk.full = False
        for node in self.nodes:
            node.owner.die_at = 0
        self.disk.stolen.clear()
        self._restart()

    # --- the end -----------------------------------------------------------------------

    async def _settle(self, person: Person) -> None:
        """Wait, as a patient person would, until nothing is owed any more."""
        end = self.loop.time() + END_S
        weary = end - END_S / 2
        while busy := [log for log in self.observer.all() if self._owes(log)]:
            if self.loop.time() > end:
                self.problem(f"no end: {[_state(log) for log in busy]}")
                return
            for log in busy:
                paused = log.view.state is SessionState.PAUSED
                await person.tidy_up(
                    log.session_id,
                    log.view.questions,
                    paused=paused,
                    weary=self.loop.time() > weary,
                )
            await asyncio.sleep(0.5 + (self.loop.time() - end + END_S) / 20)

    def _owes(self, log: Log) -> bool:
        view = log.view
        if log.damage:
            return False
        waiting = any(key[0] == log.stream for key in self.disk.pending)
        open_ = view.turn or view.open or view.questions or view.host_open
        return bool(open_ or waiting or view.state is SessionState.TERMINATING)

    def _check_engines(self) -> None:
        logs = {log.stream: log for log in self.observer.all()}
        for node in self.all_nodes:
            for engine in node.manager.engines:
                leads = node.alive and node.manager.live(engine.journal.stream) is engine
                log = logs[engine.journal.stream]
                row = self.disk.streams[log.stream].row
                current = leads and row.epoch == engine.journal.epoch
                for problem in judge_engines(engine, log, current=current):
                    self.problem(problem)

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._over:
            error = context.get("exception")
            self.problem(f"unhandled: {context.get('message')}: {error!r}")

    async def _unwind(self) -> None:
        """Let every task end, dead processes' too, so that nothing is left over."""
        self._calm_for_good()
        self.loop.count_anew()
        current = asyncio.current_task()
        for _ in range(50):
            tasks = [task for task in asyncio.all_tasks() if task is not current]
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=30.0)

    def _calm_for_good(self) -> None:
        self._weather.calm()
        for node in self.all_nodes:
            node.kill("at the end")
            node.owner.exhume(self.loop)


def _confirmation(random: Random) -> ConfirmationPolicy:
    """How the people of a session want to be asked."""
    return ConfirmationPolicy(
        attended_s=random.choice((1, 5, 20)),
        unattended_s=random.choice((None, 3, 15, 600)),
        timeout_action=random.choice((*TimeoutAction, TimeoutAction.REJECT)),
        unsafe_auto_approve=(),
    )


def _state(log: Log) -> str:
    view = log.view
    open_ = [f"{one.name or one.effect}@{one.version}" for one in view.open]
    return f"{log.session_id} {view.state.title} turn={view.turn} open={open_}"


def describe(event: Event) -> str:
    """An event in one short line, for reading traces."""
    text = repr(event)
    return text if len(text) <= 220 else text[:217] + "..."


def run_seed(seed: int, features: Collection[str] | None = None) -> Outcome:
    """Run one seed."""
    return World(seed, features).run()
