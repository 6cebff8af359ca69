"""A small world that does anything to a session, and what must hold whatever it does.

`World.act(op, number)` is one step: a person, the model, a tool, a crash, time.
After each step `World.check()` judges the whole history; it knows nothing of how
the core decides.
"""

from __future__ import annotations

from core_talk import ENGINE, NATURES, Talk, action_of, answer, ended, found, kept
from holdfast.core.actions import Action
from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    Command,
    Configure,
    GitSeen,
    HostCall,
    HostEnded,
    Import,
    KeyGone,
    MoveTo,
    Pause,
    Resume,
    Send,
    SetContext,
    Terminate,
    Tick,
)
from holdfast.core.context import render
from holdfast.core.errors import HoldfastError
from holdfast.core.events import Answered, Asked, EffectEnded, EffectStarted, Event, Outcome
from holdfast.core.facts import Facts
from holdfast.core.gitstate import GitState
from holdfast.core.ids import EffectRef
from holdfast.core.judge import judge
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, ToolUse, assistant, estimate_tokens, tool_result, user
from holdfast.core.owed import Owed, owed
from holdfast.core.quantities import Usage
from holdfast.core.settings import Limits, QueuePolicy, Settings
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import SessionView
from holdfast.testing.conversation import check_conversation

OPS = (
    *("send", "model", "tool", "crash", "tick") * 3,
    *("cancel", "pause", "resume", "answer", "steer", "interrupt", "cut", "fail") * 2,
    *("add", "move", "context", "host", "host_end", "configure", "import", "git"),
    *("terminate", "key_gone", "stale"),
)
TOOLS = (*NATURES, "nosuch")
STATES = ("Active", "Paused", "Completed", "Error")


class World:
    """One session and everybody around it."""

    def __init__(self, *, asks: bool = False, rounds: int = 50) -> None:
        self.judged: list[tuple[str, Verdict]] = []
        self.asks = asks
        settings = Settings(
            unsafe_auto_approve=True, limits=Limits(turn_s=60, max_rounds=rounds, parallel_tools=3)
        )
        self.talk = Talk(settings, guards=(("all", self._guard),))
        self.queue: list[Command] = []
        self.seen = 0
        self.starts: dict[EffectRef, int] = {}
        self.again: set[EffectRef] = set()
        self.approved: set[str] = set()
        self.questions: dict[int, Asked] = {}

    def _guard(self, view: SessionView, facts: Facts, action: Action) -> Verdict:
        verdict = judge(view, facts, action)
        if self.asks and isinstance(verdict, Allow) and action.nature is Nature.ONCE:
            verdict = Ask("asker", "careful", "may it?")
        self.judged.append((action.digest, verdict))
        return verdict

    # --- steps -------------------------------------------------------------------------

    def act(self, op: str, number: int) -> None:
        """Do one thing; a refusal is an answer like any other."""
        before = len(self.talk.log)
        self.judged.clear()
        self.talk.now_ms += number % 3_000
        try:
            getattr(self, f"_{op}")(number)
        except HoldfastError:
            assert before == len(self.talk.log), "a refusal records nothing"
        self.check()
        self._drain()

    def _drain(self) -> None:
        view = self.talk.view
        while self.queue and view.turn is None and view.state is not SessionState.PAUSED:
            command = self.queue.pop(0)
            self.judged.clear()
            try:
                self.talk.say(command, queued=True, **self._kept(command))
            except HoldfastError:
                pass
            self.check()
            view = self.talk.view

    def _say(self, command: Command, **facts: object) -> None:
        self.talk.say(command, **facts)
        if self.talk.decision.later:
            self.queue.append(command)

    def _kept(self, command: Command) -> dict[str, object]:
        if isinstance(command, SetContext) and command.to_version:
            return {"kept": kept(self.talk, command.to_version)}
        return {}

    def _send(self, number: int) -> None:
        self._say(Send(message=user(f"m{number}")), behind=bool(self.queue))

    def _steer(self, number: int) -> None:
        self._say(Send(message=user("s"), policy=QueuePolicy.STEER))

    def _interrupt(self, number: int) -> None:
        self._say(Send(message=user("i"), policy=QueuePolicy.INTERRUPT))

    def _add(self, number: int) -> None:
        self._say(AddMessage(message=(user, assistant)[number % 2]("added")))

    def _model_ref(self) -> EffectRef | None:
        return next((e.ref for e in self.talk.view.open if e.effect == "model"), None)

    def _model(self, number: int) -> None:
        if (ref := self._model_ref()) is None:
            return
        calls = [(TOOLS[(number >> n) % 5], f"c{n}") for n in range(number % 5)]
        text = "" if calls and number % 2 else "words"
        self.talk.model(
            answer(*calls, text=text), ref=ref, usage=Usage(input_tokens=number % 7, cost_micros=1)
        )

    def _cut(self, number: int) -> None:
        """The model call is cancelled, with what was said so far."""
        view = self.talk.view
        turn = view.turn
        stopped = turn is None or turn.cancel or view.state is not SessionState.PROCESSING
        if (ref := self._model_ref()) is None or not stopped:
            return
        said = answer("look", text="so f") if number % 2 else None
        self.talk.model(said, ref=ref, outcome=Outcome.CANCELLED)

    def _fail(self, number: int) -> None:
        if (ref := self._model_ref()) is not None:
            self.talk.model(ref=ref, outcome=Outcome.FAILED, reason="provider_failed")

    def _tool(self, number: int) -> None:
        effects = [e for e in self.talk.view.open if e.effect == "tool"]
        if effects:
            effect = effects[number % len(effects)]
            outcome = (Outcome.DONE, Outcome.FAILED, Outcome.CANCELLED)[number % 3]
            id = self.talk.call_id(effect.ref.ordinal)
            self.talk.say(ended(effect.ref, id, effect.name, f"r{number}", outcome))

    def _stale(self, number: int) -> None:
        """A report of something that is not open any more."""
        self.talk.say(ended(EffectRef(number % 50, 1 + number % 3), "c0", "look", "late"))

    def _crash(self, number: int) -> None:
        self.talk.engine = f"{number:x}".rjust(16, ENGINE[0])
        self.talk.led_ms = self.talk.now_ms
        self._tick(number)

    def _tick(self, number: int) -> None:
        said = (found(False), found(None), None)[number % 3]
        if number % 7 == 0:
            self.talk.now_ms += 70_000
        facts: dict[EffectRef, object] = {}
        for effect in self.talk.view.open:
            id = self.talk.call_id(effect.ref.ordinal)
            done = found(True, tool_result(id, effect.name, "it happened"))
            if effect.name == "sync" and (said or number % 2):
                facts[effect.ref] = said or done
        self.talk.say(Tick(), found=facts, grace_over=number % 5 != 0)

    def _cancel(self, number: int) -> None:
        self.talk.say(Cancel())

    def _pause(self, number: int) -> None:
        self.talk.say(Pause())

    def _resume(self, number: int) -> None:
        self.talk.say(Resume())

    def _answer(self, number: int) -> None:
        questions = self.talk.view.questions
        if questions:
            question = questions[number % len(questions)]
            decision = question.choices[number % len(question.choices)]
            self.talk.say(Answer(question=question.id, decision=decision))

    def _move(self, number: int) -> None:
        self.talk.say(MoveTo(state=STATES[number % 4], reason="r"))

    def _context(self, number: int) -> None:
        to = None if number % 3 == 0 else 1 + number % max(1, self.talk.view.version)
        command = SetContext(reason="rewind", to_version=to)
        self._say(command, **self._kept(command))

    def _host(self, number: int) -> None:
        use = ToolUse("h", ("look", "nosuch")[number % 2])
        action = action_of(use)
        self.talk.say(HostCall(action=Action(**{**_fields(action), "by_host": True})))

    def _host_end(self, number: int) -> None:
        for effect in self.talk.view.host_open[:1]:
            self.talk.say(HostEnded(ref=effect.ref, outcome=Outcome.DONE))

    def _configure(self, number: int) -> None:
        self.talk.say(Configure(title=f"t{number}", thinking=bool(number % 2)))

    def _import(self, number: int) -> None:
        messages = (user("old"), answer(("look", "c0")), tool_result("c0", "look", "x"))
        self.talk.say(Import(source="s", messages=messages[: number % 4]))

    def _git(self, number: int) -> None:
        self.talk.say(GitSeen(git=GitState("b", str(number % 2))))

    def _terminate(self, number: int) -> None:
        if number % 4 == 0:
            self.talk.say(Terminate())

    def _key_gone(self, number: int) -> None:
        self.talk.say(KeyGone(destroyed_at_ms=1, key_epoch=1))

    # --- what must hold ------------------------------------------------------------------

    def check(self) -> None:
        """Judge what has happened since the last look, and where the session stands."""
        view = self.talk.view
        for recorded in self.talk.log[self.seen :]:
            self._check_event(recorded.version, recorded.event)
        fresh = [r.event for r in self.talk.log[self.seen :]]
        self.seen = len(self.talk.log)
        refs = [effect.ref for effect in view.open]
        assert len(refs) == len(set(refs)), "no two open effects with one reference"
        visible = [entry.message for entry in self.talk.entries]
        assert len(visible) == view.window.count
        assert sum(map(estimate_tokens, visible)) == view.window.tokens
        if view.turn is None:
            assert not (view.calls or view.open or view.questions), "a turn leaves nothing open"
            self._check_results()
        due = owed(view)
        if view.state is SessionState.PAUSED:
            assert ((), ()) == (due.start, due.run), "a paused session owes no effect"
        if view.state is SessionState.TERMINATED:
            assert Owed() == due, "an ended session owes nothing"
        if any(isinstance(e, EffectStarted) and e.effect == "model" for e in fresh):
            self._check_request()

    def _check_event(self, version: int, event: Event) -> None:
        match event:
            case EffectStarted():
                self._check_start(event)
            case Asked():
                self.questions[version] = event
            case Answered(question=id, decision="run_again"):
                asked = self.questions[id]
                self.again.add(EffectRef(asked.cause, asked.ordinal))
            case Answered(question=id, decision="approve"):
                self.approved.add(self.questions[id].digest)
            case _:
                pass

    def _check_start(self, event: EffectStarted) -> None:
        """Nothing starts without its Allow, nothing that may happen once starts twice."""
        verdicts = [verdict for digest, verdict in self.judged if digest == event.digest]
        approved = event.digest in self.approved
        assert any(
            isinstance(verdict, Allow) or (approved and isinstance(verdict, Ask))
            for verdict in verdicts
        ), "an intent has its Allow in the same decision"
        if event.name != "pay" or event.effect != "tool":
            return
        ref = EffectRef(event.cause, event.ordinal)
        self.starts[ref] = self.starts.get(ref, 0) + 1
        if self.starts[ref] > 1:
            assert ref in self.again, "a once call starts again only on a person's word"
            self.again.discard(ref)

    def _check_results(self) -> None:
        """Each call of each answer has exactly one result."""
        calls: set[tuple[int, int]] = set()
        given: list[tuple[int, int]] = []
        for recorded in self.talk.log:
            event = recorded.event
            if not isinstance(event, EffectEnded):
                continue
            if event.effect == "model" and event.message is not None:
                uses = event.message.tool_uses
                calls |= {(recorded.version, n) for n in range(1, len(uses) + 1)}
            elif event.effect == "tool":
                given.append((event.cause, event.ordinal))
        assert sorted(calls) == sorted(given), "each call has exactly one result"

    def _check_request(self) -> None:
        """What is sent to the model is a conversation every provider accepts."""
        messages: tuple[Message, ...] = render(self.talk.entries)
        assert [] == check_conversation(messages)
        assert messages == self.talk.bodies.render(10**12), "what was settled stays settled"

    # --- the good end ----------------------------------------------------------------------

    def finish(self) -> None:
        """With no more faults every turn ends."""
        for number in range(2_000):
            view = self.talk.view
            if view.turn is None and not self.queue:
                return
            if view.state is SessionState.PAUSED:
                self.act("resume", 1)
            elif view.questions:
                question = view.questions[0]
                self.judged.clear()
                self.talk.say(Answer(question=question.id, decision=question.choices[-1]))
                self.check()
            elif any(e.engine != self.talk.engine for e in view.open):
                self.act("tick", 2 * 7 * 3 + 1 if number % 2 else 4)
            elif view.turn is not None and view.turn.cancel and self._model_ref():
                self.act("cut", 0)
            elif self._model_ref():
                self.act("model", 0)
            else:
                self.act("tool", 0)
            self._drain()
        raise AssertionError("a turn does not end")


def _fields(action: Action) -> dict[str, object]:
    return {name: getattr(action, name) for name in Action.__dataclass_fields__}
