"""Workers: the effects that run, compared with what is owed.

The pre-start check is here: an effect starts only if its intent is durable and
this engine's own, if it is still owed, and while the lease has margin left
(contract 1.6). A cancelled effect that does not report back in time is written
off truthfully; its late report is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

from holdfast.core.actions import Action
from holdfast.core.commands import GitSeen, ModelEnded, Tick, ToolEnded
from holdfast.core.decide.doubt import in_doubt
from holdfast.core.errors import HoldfastError
from holdfast.core.facts import Facts, Found
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import WORKING, SessionState
from holdfast.core.owed import Owed, owed
from holdfast.core.tools import Nature
from holdfast.core.view import OpenEffect, SessionView
from holdfast.ports.tool import ReconcilableTool
from holdfast.runtime.acting import actions_of, edited_action
from holdfast.runtime.asides import Asides
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.batch import Batch
from holdfast.runtime.bearers import Bearers
from holdfast.runtime.content import Content
from holdfast.runtime.finding import found_of
from holdfast.runtime.hooking import Hooking
from holdfast.runtime.host import CANCEL_GRACE_S, Mail
from holdfast.runtime.making import Led, Maker, cancelled
from holdfast.runtime.normalise import Prepared, destination_of, model_action
from holdfast.runtime.placing import place_of
from holdfast.runtime.pricing import Pricing

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """One effect that runs. `version` is its intent's place in the log."""

    effect: OpenEffect
    task: asyncio.Task[None]
    cancelled: bool = False
    written_off: bool = False
    begun: bool = False


class Workers:
    """The running effects and timers of one engine."""

    def __init__(self, engine: Led) -> None:
        self.authority = AuthorityReader(engine.journal, engine.host.trust)
        self.bearers = Bearers(engine.journal.store)
        self.make = Maker(engine, self)
        self.hooking = self.make.hooking = Hooking(
            engine, engine.host.hooks, self.authority, self.make, self._spawn
        )
        self.content = self.make.content = Content(engine, self.make, self._spawn)
        self.hooking.calls.look_through(self.content.result)
        self.hooking.speak(self.content.words)
        self._pricing = Pricing(engine.host.registry.specs)
        self._engine = engine
        self._running: dict[EffectRef, Running] = {}
        self._found: dict[EffectRef, Found] = {}
        self._asking: set[EffectRef] = set()
        self._side: dict[asyncio.Task[None], None] = {}  # in the order they began
        self.asides = Asides(engine.observing.within)
        self._timer: tuple[int, asyncio.Task[None]] | None = None
        self._destroying = self._finalising = False
        self._finalised: int | None = None if engine.host.finalises else 0
        self._looked = False
        self.stopping = False
        last = engine.view.last_turn
        self._below = (last.id if last else 0, engine.view.state not in WORKING)
        self._waiting_grace = False

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return bool(self._running or self._side or self.asides)

    # --- facts -------------------------------------------------------------------

    async def read_authority(self, batch: list[Mail]) -> None:
        """Read what holds above the session anew, if it may have changed."""
        view = self._engine.view
        beside = self.asides.bearers
        await self.bearers.read(view, batch, anew=self.authority.dirty, beside=beside)
        await self._engine.host.turn_model.read(view, anew=self.authority.dirty)
        await self.authority.refresh(view)

    def facts(self, draft: Batch, mail: Mail, *, kept: tuple[int, int], behind: bool) -> Facts:
        """Read what deciding the next of a batch needs beside the fold; see `Facts`."""
        view = draft.view
        authority = draft.charged(
            self.authority.current(view, self.hooking.events, self.hooking.engines)
        )
        attended = self._engine.hub.attended
        if attended != authority.attended:
            authority = replace(authority, attended=attended)
        if self.bearers.revoked:
            authority = replace(authority, revoked=self.bearers.revoked)
        facts = Facts(
            now_ms=draft.now_ms,
            engine=self._engine.id,
            model=self._model_action(view),
            actions=actions_of(self.make, draft, self._engine.bodies),
            found=dict(self._found),
            grace_over=self._engine.tenure.grace_over,
            revisions=self.authority.revisions,
            authority=authority,
            led_ms=self._engine.tenure.led_ms,
            stopping=self.stopping,
            kept=kept,
            queued=mail.seq > 0,
            behind=behind,
            edited=edited_action(self.make, draft, self._engine.bodies, mail.command),
            private=self._engine.host.private,
            finalised=self._finalised,
        )
        return self.content.facts(facts, view, mail)

    def _model_action(self, view: SessionView) -> Action:
        try:
            client = self._engine.host.model_for(view)
        except HoldfastError:
            client = None
        if client is None:
            return model_action("", known=False)
        cost = self._pricing.next_call(client, view, self._engine.bodies.prompt)
        host = self._engine.host
        enclave = host.enclave_for(view)
        to = destination_of(client, enclave=enclave, wanted=host.enclave_wanted)
        return model_action(client.model, known=True, cost=cost, to=to)

    # --- reconciling ---------------------------------------------------------------

    def reconcile(self) -> None:
        """Start what is missing and cancel what is surplus."""
        self._looked = True
        view = self._engine.view
        due = owed(view)
        wanted = {effect.ref: effect for effect in due.run}
        for ref, run in tuple(self._running.items()):
            current = view.open_at(ref)
            gone = current is None or current.version != run.effect.version
            if gone and run.task.done():
                del self._running[ref]
            elif (gone or ref not in wanted) and not run.cancelled:
                self._cancel(run)
        for ref, effect in wanted.items():
            if effect.engine == self._engine.id and ref not in self._running:
                self._start(effect)
        self._end_unstarted(view)
        self.asides.stop(self.bearers.revoked, whole=view.state not in WORKING)
        owed_now = (*due.start, *self._left_over(view))
        for looks in (self.hooking, self.content):
            looks.look(owed_now)
        self._stop_below(view)
        self._ask_tools(view)
        self._set_timer(due)
        if due.start_wipe and self._finalised is None and not (self._finalising or self.stopping):
            self._finalising = True
            self._spawn(self._finalise())
        if due.destroy_key and not (self._destroying or self.stopping):
            self._destroying = True
            self._spawn(self._engine.destroy_key())

    async def _finalise(self) -> None:
        """End what is below, then have where the log stands signed; then the wipe begins."""
        engine, finalise = self._engine, self._engine.host.finalise
        if engine.host.end_below is not None:
            await engine.host.end_below(engine.journal.stream, lambda: engine.view)
        self._finalised = 0 if finalise is None else await finalise()
        self._engine.report(Tick())

    def _left_over(self, view: SessionView) -> tuple[EffectRef, ...]:
        """Calls that another engine started: hooks look at them before they are repeated."""
        if view.state not in WORKING or view.turn is None or view.turn.cancel:
            return ()
        return tuple(effect.ref for effect in view.open if effect.engine != self._engine.id)

    def look_again(self) -> None:
        """Reconcile after a batch, unless its append has led to that already."""
        if not self._looked:
            self.reconcile()
        self._looked = False

    def _start(self, effect: OpenEffect) -> None:
        if self.stopping or not self._engine.tenure.margin_ok:
            return
        work: Coroutine[Any, Any, ModelEnded | ToolEnded] = (
            self.make.model(effect)
            if effect.effect == "model"
            else self.make.tool(effect, lambda: self.may_start(effect))
        )
        run = Running(effect, asyncio.create_task(self._report(effect, work)))
        run.task.add_done_callback(lambda _: work.close())  # it may end before its first step
        self._running[effect.ref] = run

    def may_start(self, effect: OpenEffect) -> bool:
        """Check immediately before the act: nothing made it surplus, the lease is good."""
        view = self._engine.view
        wanted = (*owed(view).run, *(view.host_open if view.state in WORKING else ()))
        still = any(one.version == effect.version for one in wanted)
        starts = still and not self.stopping and self._engine.tenure.margin_ok
        run = self._running.get(effect.ref)
        if starts and run is not None:
            run.begun = True
        return starts

    def _end_unstarted(self, view: SessionView) -> None:
        """Report for intents that a cancel in the same append made surplus at once."""
        if view.turn is not None and not view.turn.cancel:
            return
        for effect in view.open:
            if effect.engine == self._engine.id and effect.ref not in self._running:
                self._report_cancelled(effect, never=True)

    async def _report(
        self, effect: OpenEffect, work: Coroutine[Any, Any, ModelEnded | ToolEnded]
    ) -> None:
        with self._engine.observing.within(effect.ref):
            outcome = replace(await work, intent=effect.version)
        run = self._running.get(effect.ref)
        if run is None or run.task is not asyncio.current_task():
            return
        if not run.written_off:  # else it is known as one that ran until its end is on record
            self._engine.report(outcome)

    def _cancel(self, run: Running) -> None:
        run.cancelled = True
        run.task.cancel()
        self._spawn(self._write_off(run))

    async def _write_off(self, run: Running) -> None:
        """Report for an effect that was cancelled and does not come back."""
        grace = self._aside(self._engine.host.clock.sleep(CANCEL_GRACE_S))
        await asyncio.wait({run.task, grace}, return_when="FIRST_COMPLETED")
        if run.task.done() and not run.task.cancelled():
            return
        run.written_off = True
        self._report_cancelled(run.effect, never=run.task.cancelled() and not run.begun)

    def _report_cancelled(self, effect: OpenEffect, *, never: bool) -> None:
        call = self._engine.view.call(effect.ref.ordinal)
        self._engine.report(cancelled(effect, call.id if call else "", never=never))

    def _stop_below(self, view: SessionView) -> None:
        """A turn that is cancelled, or a session that ends, takes what it started below along."""
        turn, last = view.turn, view.last_turn
        cancelled = turn.id if turn and turn.cancel else 0
        if last is not None and last.outcome == "cancelled":
            cancelled = max(cancelled, last.id)
        over = view.state in (SessionState.COMPLETED, SessionState.ERROR, SessionState.TERMINATING)
        now = (cancelled, over)
        if now != self._below and (cancelled > self._below[0] or over):
            self._spawn(self._engine.host.stop_below(self._engine.journal.stream))
        self._below = now

    # --- what was left open ----------------------------------------------------------

    async def clear_leftovers(self) -> None:
        """Kill processes an earlier runtime left, before anything is judged."""
        engine = self._engine
        for effect in in_doubt(engine.view, engine.id):
            if effect.effect == "tool":
                await engine.host.kill_leftovers(self.make.effect_id(effect.ref))

    def _ask_tools(self, view: SessionView) -> None:
        """Ask reconcilable tools about calls in doubt; wait for a former holder's end."""
        if view.state not in WORKING:
            return
        for effect in in_doubt(view, self._engine.id):
            if effect.effect != "tool" or effect.ref in self._asking:
                continue
            if not self._engine.tenure.grace_over:
                self._wait_for_grace()
                continue
            prepared = self.make.prepared_of(effect)
            if prepared is not None and prepared.action.nature is Nature.RECONCILABLE:
                self._asking.add(effect.ref)
                self._spawn(self._ask_tool(effect, prepared))

    async def _ask_tool(self, effect: OpenEffect, prepared: Prepared) -> None:
        found = Found(None)
        tool = prepared.tool
        as_begun = prepared.action.digest == effect.digest  # else only a person can tell
        if isinstance(tool, ReconcilableTool) and as_begun:
            try:
                given = (await self.content.performed(prepared)).arguments
                said = await tool.reconcile(given, self.make.context(effect, prepared))
                found = await found_of(effect.ref, prepared, said, self.content.result)
            except Exception as error:  # a tool's bug tells nothing: a person decides
                _log.error("a tool could not say what became of its call: %s", place_of(error))
        self._found[effect.ref] = found
        self._engine.report(Tick())

    def _wait_for_grace(self) -> None:
        if not self._waiting_grace:
            self._waiting_grace = True
            self._spawn(self._tick_after_grace())

    async def _tick_after_grace(self) -> None:
        await self._engine.host.clock.sleep(self._engine.tenure.grace_s)
        self._waiting_grace = False  # a clock may round: then it waits once more
        self._engine.report(Tick())

    # --- timers and side work ----------------------------------------------------------

    def _set_timer(self, due: Owed) -> None:
        limit_ms = self._engine.view.settings.limits.turn_s * 1000
        ends = due.turn_ends_ms and max(due.turn_ends_ms, self._engine.tenure.led_ms + limit_ms)
        dues = [t for t in (ends, due.question_lapses_ms) if t is not None]
        at = min(dues, default=None)
        if self._timer is not None:
            if self._timer[0] == at and not self._timer[1].done():
                return
            self._timer[1].cancel()
            self._timer = None
        if at is not None:
            wait_s = max(0.0, (at - self._engine.host.clock.now_ms()) / 1000)
            self._timer = (at, asyncio.create_task(self._tick_after(wait_s)))

    async def _tick_after(self, seconds: float) -> None:
        await self._engine.host.clock.sleep(seconds)
        self._engine.report(Tick())

    def look_at_git(self) -> None:
        """Read the workspace's git state off the loop, at a turn's end (seed E10)."""
        if self._engine.view.settings.workspace:
            self._spawn(self._git())

    async def _git(self) -> None:
        engine = self._engine
        git = await engine.host.git_state(engine.view.settings.workspace)
        if git != engine.view.git:
            engine.report(GitSeen(git=git))

    def _aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._side[task] = None
        task.add_done_callback(lambda done: self._side.pop(done, None))
        return task

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._aside(self._watched(work))
        task.add_done_callback(lambda _: work.close())  # it may end before its first step

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """Side work that fails ends the engine's lead; it is never lost in silence."""
        try:
            await work
        except HoldfastError as error:
            self._engine.fail(error)

    async def stop(self) -> None:
        """Cancel everything. Effects stay in doubt, but for those nobody may repeat.

        A call that is neither read-only nor idempotent reports how far it came, so
        that a clean stop leaves no question to a person.
        """
        self.stopping = True
        tasks: list[asyncio.Future[Any]] = [run.task for run in self._running.values()]
        tasks += [*self._side, *self.asides.tasks]
        if self._timer is not None:
            tasks.append(self._timer[1])
        for run in self._running.values():
            # What is surplus already will not be repeated: it reports how far it came.
            repeated = not run.cancelled and self._repeatable(run.effect)
            run.written_off = run.written_off or repeated
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2 * CANCEL_GRACE_S)
        self._running.clear()

    def _repeatable(self, effect: OpenEffect) -> bool:
        prepared = self.make.prepared_of(effect)
        nature = prepared.action.nature if prepared else Nature.ONCE
        return effect.effect == "model" or nature in (Nature.READ_ONLY, Nature.IDEMPOTENT)
