"""A conversation with the core: a command goes in, events come out.

`Talk` plays the shell: it keeps the log and the bodies, normalises the calls of
the model's answer from a small table of tools, and checks after each command
that the fold of the events is the view that was decided.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import Command, ModelEnded, Recover, Send, ToolEnded
from holdfast.core.context import Entry
from holdfast.core.decide import Decision, Guards, decide
from holdfast.core.events import (
    EffectEnded,
    EffectStarted,
    Event,
    Opened,
    Outcome,
)
from holdfast.core.facts import Facts, Found
from holdfast.core.flows import Flow, Sink
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import NOTHING
from holdfast.core.judge import GUARDS
from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    ToolUse,
    estimate_tokens,
    tool_result,
    user,
)
from holdfast.core.quantities import Usage
from holdfast.core.routing import Destination
from holdfast.core.security import Zone
from holdfast.core.session import evolve, fold
from holdfast.core.settings import Settings
from holdfast.core.tools import Lane, Nature
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.window import Bodies

ENGINE = "e" * 16
OTHER = "f" * 16
START_MS = 1_000_000

NATURES = {
    "look": Nature.READ_ONLY,
    "put": Nature.IDEMPOTENT,
    "sync": Nature.RECONCILABLE,
    "pay": Nature.ONCE,
}
"""The tools this world offers."""

UNASKED = Settings(name="talk", workspace="/w", unsafe_auto_approve=True)


def opened(settings: Settings = UNASKED, **fields: object) -> Opened:
    """A birth with the fields nobody cares about filled in."""
    facts = {"session_id": "one", "tenant": "t", "user_id": "u", "installation": "", **fields}
    return Opened(commitment="", settings=settings, **facts)


def action_of(use: ToolUse) -> Action:
    """What the shell would make of a call."""
    digest = hashlib.sha256(f"{use.name}\0{use.arguments}".encode()).hexdigest()
    known = use.name in NATURES
    return Action(
        kind=ActionKind.TOOL,
        name=use.name,
        digest=digest,
        known=known,
        nature=NATURES.get(use.name, Nature.ONCE),
        has_workspace=True,
        flow=NO_SINK,
    )


NO_SINK = Flow(sink=Sink.NONE)
MODEL = Action(
    kind=ActionKind.MODEL,
    name="m",
    nature=Nature.IDEMPOTENT,
    lane=Lane.GENERATE,
    digest="d-m",
    to=Destination(zone=Zone.LOCAL),
)


def answer(*calls: str | tuple[str, str], text: str = "") -> Message:
    """An assistant's message that calls tools: "look" or ("look", "the call's id")."""
    parts: list[Part] = [Text(text)] if text else []
    for place, call in enumerate(calls, start=1):
        name, id = (call, f"c{place}") if isinstance(call, str) else call
        parts.append(ToolUse(id=id, name=name))
    return Message(Role.ASSISTANT, tuple(parts))


def ask_first(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard that wants every `once` tool asked about."""
    if action.kind is ActionKind.TOOL and action.nature is Nature.ONCE:
        return Ask("asker", "careful", f"may {action.name} run?")
    return Allow()


ASKING: Guards = (*GUARDS, ("asker", ask_first))


class Talk:
    """One session and the shell's part of it."""

    def __init__(
        self,
        settings: Settings = UNASKED,
        *,
        guards: Guards = GUARDS,
        birth: Opened | None = None,
    ) -> None:
        self.guards = guards
        self.flows: dict[str, Flow] = {}
        self.to = MODEL.to
        self.engine = ENGINE
        self.now_ms = self.led_ms = START_MS
        self.log: list[Recorded] = []
        self.view = SessionView()
        self.bodies = Bodies()
        self.decision = Decision((), self.view)
        self.take(birth or opened(settings))

    # --- the shell's part ----------------------------------------------------------

    def take(self, event: Event) -> None:
        """Append one event as it is."""
        recorded = Recorded(version=len(self.log) + 1, time_ms=self.now_ms, event=event)
        self.log.append(recorded)
        self.view = evolve(self.view, recorded)
        self.bodies.take(recorded, self.view.window)

    @property
    def entries(self) -> list[Entry]:
        """The visible messages, as the shell orders them."""
        return self.bodies.entries

    def facts(self, **changes: object) -> Facts:
        """What the shell would read now."""
        facts = Facts(
            now_ms=self.now_ms,
            engine=self.engine,
            led_ms=self.led_ms,
            model=replace(MODEL, to=self.to),
            actions=self.actions(self.view),
            inspected=NOTHING,
        )
        return replace(facts, **changes)

    def actions(self, view: SessionView) -> dict[EffectRef, Action]:
        """The normalised calls of the answer that is being worked on."""
        if view.turn is None:
            return {}
        found = [e.message for e in self.entries if e.version == view.turn.answer]
        uses = found[-1].tool_uses if found else ()
        return {
            EffectRef(view.turn.answer, call.ordinal): self.action_of(uses[call.ordinal - 1])
            for call in view.calls
            if call.ordinal <= len(uses)
        }

    def action_of(self, use: ToolUse) -> Action:
        """A call as it is normalised here; most tools of this world have no consequences."""
        return replace(action_of(use), flow=self.flows.get(use.name, NO_SINK))

    def say(self, command: Command, *, by: str = "", id: str = "", **facts: object) -> list[Event]:
        """Decide a command, append what it came to, and return that.

        The report of an effect is about the intent that is open, if it names none.
        """
        decision = decide(
            self.view,
            self.facts(**facts),
            self._of_intent(command),
            by=by,
            command_id=id,
            guards=self.guards,
        )
        before = self.view
        for event in decision.events:
            self.take(event)
        again = fold(self.log[before.version :], before)
        assert decision.view == again, "the decided view is the fold of the decided events"
        assert again == self.view
        self.decision = decision
        return list(decision.events)

    # --- what happens often -----------------------------------------------------------

    def send(self, text: str = "hello", **facts: object) -> list[Event]:
        """A user speaks."""
        return self.say(Send(message=user(text)), **facts)

    def model(
        self,
        message: Message | None = None,
        *,
        outcome: Outcome = Outcome.DONE,
        ref: EffectRef | None = None,
        usage: Usage | None = None,
        facts: dict[str, object] | None = None,
        **fields: object,
    ) -> list[Event]:
        """The open model call comes back."""
        if ref is None:
            ref = next(one.ref for one in self.view.open if one.effect == "model")
        uses = message.tool_uses if message else ()
        command = ModelEnded(
            ref=ref,
            outcome=outcome,
            message=message,
            usage=usage,
            actions=tuple(self.action_of(use) for use in uses),
            **fields,
        )
        return self.say(command, **(facts or {}))

    def _of_intent(self, command: Command) -> Command:
        if isinstance(command, ModelEnded | ToolEnded) and not command.intent:
            effect = self.view.open_at(command.ref)
            return replace(command, intent=effect.version if effect else 0)
        return command

    def tool(
        self, ordinal: int = 1, text: str = "fine", outcome: Outcome = Outcome.DONE
    ) -> list[Event]:
        """An open tool call comes back."""
        effect = next(one for one in self.view.open if one.ref.ordinal == ordinal)
        return self.say(ended(effect.ref, self.call_id(ordinal), effect.name, text, outcome))

    def call_id(self, ordinal: int) -> str:
        """The provider's id of an unfinished call."""
        call = self.view.call(ordinal)
        return call.id if call else ""

    def crash(self, **facts: object) -> list[Event]:
        """The engine dies; another one takes over and recovers."""
        self.engine = hashlib.sha256(self.engine.encode()).hexdigest()[:16]
        self.led_ms = self.now_ms
        return self.say(Recover(), **facts)


def ended(
    ref: EffectRef, id: str, name: str, text: str = "fine", outcome: Outcome = Outcome.DONE
) -> ToolEnded:
    """A tool's report."""
    message = tool_result(id, name, text, is_error=outcome is not Outcome.DONE)
    return ToolEnded(ref=ref, outcome=outcome, message=message)


def kept(talk: Talk, to_version: int) -> tuple[int, int]:
    """Tokens and number of the messages a rewind keeps."""
    left = [e.message for e in talk.entries if e.version <= to_version]
    return sum(estimate_tokens(message) for message in left), len(left)


def kinds(events: list[Event]) -> list[str]:
    """The names of the events."""
    return [type(event).__name__ for event in events]


def started(events: list[Event]) -> list[tuple[str, int, int]]:
    """(name, ordinal, attempt) of every effect that starts."""
    return [(e.name, e.ordinal, e.attempt) for e in events if isinstance(e, EffectStarted)]


def results(events: list[Event]) -> list[tuple[int, Outcome, str]]:
    """(ordinal, outcome, reason) of every effect that ends."""
    return [(e.ordinal, e.outcome, e.reason) for e in events if isinstance(e, EffectEnded)]


def found(done: bool | None, message: Message | None = None) -> Found:
    """What a reconcilable tool says."""
    return Found(done, message, estimate_tokens(message) if message else 0)
