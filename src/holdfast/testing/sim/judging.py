"""Judging what happened outside against the logs: tools, models, people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from holdfast.core.commands import Answer, Cancel, MoveTo, Pause, Resume, SetContext
from holdfast.core.context import render
from holdfast.core.errors import InvalidInput
from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    ContextSet,
    EffectEnded,
    EffectStarted,
    Event,
    Modified,
    Outcome,
    Paused,
    Refused,
    Resumed,
    StateSet,
)
from holdfast.core.lifecycle import SessionState as S
from holdfast.core.messages import Text, ToolUse
from holdfast.core.settings import QueuePolicy, Settings
from holdfast.core.tools import Nature
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.normalise import prepare
from holdfast.testing.sim.gate import LOOKED_AT, SECOND_LOOK, SECOND_LOOKS
from holdfast.testing.sim.invariants import MAY_MOVE, Evidence, admitted_by
from holdfast.testing.sim.mediation import Files, permitted
from holdfast.testing.sim.nodes import ASKED_TOOL
from holdfast.testing.sim.observer import Log
from holdfast.testing.sim.outside import (
    NATURES,
    Dispatch,
    Ledger,
    SimRegistry,
    SimTool,
    checked_arguments,
)
from holdfast.testing.sim.people import Done, Refusal, Sent


@dataclass(slots=True)
class Effect:
    """One effect: where it is in which log, and what really happened."""

    log: Log
    ref: tuple[int, int]
    kind: str
    name: str
    starts: list[Recorded] = field(default_factory=list)
    end: EffectEnded | None = None
    use: ToolUse | None = None
    dispatches: list[Dispatch] = field(default_factory=list)

    @property
    def nature(self) -> Nature | None:
        """The tool's nature, or None for a model call or an unknown tool."""
        return NATURES.get(self.name.casefold()) if "tool" in self.kind else None

    def run_again(self) -> int:
        """How often a person said to run it again."""
        asked = {
            recorded.version
            for recorded in self.log.of(Asked)
            if isinstance(recorded.event, Asked)
            and (recorded.event.cause, recorded.event.ordinal) == self.ref
        }
        return sum(
            isinstance(recorded.event, Answered)
            and recorded.event.question in asked
            and recorded.event.decision == "run_again"
            for recorded in self.log.of(Answered)
        )


def judge(evidence: Evidence) -> Iterator[str]:
    """Judge everything that people, tools and models saw."""
    found = _effects(evidence)
    files, guards = Files(evidence.logs, evidence.order), _guards(evidence)
    for id, effect in found.items():
        where = f"{effect.log.session_id} {effect.kind} {effect.name} {effect.ref}"
        for problem in (
            *_performed(effect),
            *_allowed(effect, files, guards),
            *(_passed(effect, evidence.ledger) if "hooks" in evidence.features else ()),
            *_truth(effect),
            *_repeated(effect),
            *(_asked_in_time(effect) if evidence.steady else ()),
        ):
            yield f"{where} ({id[:6]}): {problem}"
    for dispatch in evidence.ledger.dispatches:
        if dispatch.effect_id not in found:
            yield f"{dispatch.tool} ran as {dispatch.effect_id[:6]}, which no log knows"
    yield from _requests(evidence)
    yield from _people(evidence)


def _effects(evidence: Evidence) -> dict[str, Effect]:
    found: dict[str, Effect] = {}
    for log in evidence.logs:
        uses: dict[tuple[int, int], ToolUse] = {}
        for recorded in log.events:
            event = recorded.event
            if isinstance(event, Modified) and (use := uses.get((event.cause, event.ordinal))):
                uses[event.cause, event.ordinal] = replace(use, arguments=event.arguments)
            if not isinstance(event, (EffectStarted, EffectEnded)):
                continue
            ref = (event.cause, event.ordinal)
            id = log.crypto.effect_id(log.stream, *ref)
            effect = found.setdefault(id, Effect(log, ref, event.effect, ""))
            effect.use = uses.get(ref)
            if isinstance(event, EffectStarted):
                effect.name = event.name
                effect.starts.append(recorded)
                continue
            effect.end = event
            if event.effect == "model" and event.message is not None:
                for ordinal, use in enumerate(event.message.tool_uses, start=1):
                    uses[(recorded.version, ordinal)] = use
    for dispatch in evidence.ledger.dispatches:
        if dispatch.effect_id in found:
            found[dispatch.effect_id].dispatches.append(dispatch)
    return found


# --- tools ------------------------------------------------------------------------------


def _performed(effect: Effect) -> Iterator[str]:
    """Every act has an earlier, durable intent of the same digest, its own, and once."""
    count: Counter[tuple[int, int]] = Counter()
    for act in effect.dispatches:
        count[(act.attempt, act.epoch)] += 1
        start = _intent(effect, act)
        if start is None:
            yield f"attempt {act.attempt} ran in epoch {act.epoch} without an intent of its own"
            continue
        assert isinstance(start.event, EffectStarted)
        if start.event.digest != _digest(effect.log, act):
            yield f"attempt {act.attempt} ran with other arguments than were judged"
        yield from _still_owed(effect, act)
    if any(times > 1 for times in count.values()):
        yield "one attempt ran twice"
    engines: dict[int, set[str]] = {}
    for start in effect.starts:
        assert isinstance(start.event, EffectStarted)
        engines.setdefault(start.epoch, set()).add(start.event.engine)
    if any(len(ids) > 1 for ids in engines.values()):
        yield "two engines wrote in one epoch"


def _intent(effect: Effect, act: Dispatch) -> Recorded | None:
    for start in effect.starts:
        event = start.event
        assert isinstance(event, EffectStarted)
        if (event.attempt, start.epoch) == (
            act.attempt,
            act.epoch,
        ) and start.version <= act.lengths[0]:
            return start
    return None


def _still_owed(effect: Effect, act: Dispatch) -> Iterator[str]:
    """While the performer leads, the log it had written still wanted the act."""
    known = act.lengths[1]
    before = effect.log.views[known]
    if known < effect.starts[0].version or effect.log.events[known - 1].epoch != act.epoch:
        return  # somebody else leads; a fenced holder may act until it is told
    open_ = (*before.open, *before.host_open)
    wanted = [one for one in open_ if (one.ref, one.attempt) == (effect.ref, act.attempt)]
    if not wanted:
        yield f"attempt {act.attempt} ran although it was not open any more"
    elif before.state not in (S.ACTIVE, S.PROCESSING):
        yield f"attempt {act.attempt} ran while {before.state.title}"
    elif effect.kind == "tool" and (before.turn is None or before.turn.cancel):
        yield f"attempt {act.attempt} ran for a turn that was over or being cancelled"


def _digest(log: Log, act: Dispatch) -> str:
    use = ToolUse("", act.tool, act.arguments)
    return prepare(use, _REGISTRY, "", log.crypto).action.digest


def _nowhere(session_id: str) -> tuple[int, int]:
    return 0, 0


_REGISTRY = SimRegistry(
    [SimTool(name, Random(0), Ledger(), lengths_of=_nowhere, wild=set()) for name in NATURES]  # noqa: S311 - never run
)


def _guards(evidence: Evidence) -> list[Callable[[SessionView, str], str]]:
    """The world's own guards, written a second time: under which code each asks."""
    found: list[Callable[[SessionView, str], str]] = []
    if evidence.asks:
        found.append(lambda view, name: "sim.asked" if name == ASKED_TOOL else "")
    if SECOND_LOOKS in evidence.features:
        found.append(_looks)
    return found


def _looks(view: SessionView, name: str) -> str:
    steers = view.settings.queue_policy is QueuePolicy.STEER
    return SECOND_LOOK if steers and name in LOOKED_AT else ""


def _passed(effect: Effect, ledger: Ledger) -> Iterator[str]:
    """Nothing runs that the hooks before it did not let through in just this form."""
    for act in effect.dispatches:
        if (act.session_id, act.tool, act.arguments) not in ledger.passed:
            yield f"attempt {act.attempt} ran although no hook had let it through"


def _allowed(
    effect: Effect, files: Files, guards: Sequence[Callable[[SessionView, str], str]]
) -> Iterator[str]:
    """What ran was allowed; what was refused was to be refused."""
    if effect.kind == "model":
        return
    for start in effect.starts:
        event = start.event
        assert isinstance(event, EffectStarted)
        view = effect.log.views[start.version - 1]
        arguments = effect.use.arguments if effect.use else '{"n": 1}'
        why = _forbidden(effect.name, arguments, view.settings.tools, view.settings)
        if why:
            yield f"it started although {why}"
    if effect.kind == "tool":
        yield from permitted(
            effect.log,
            effect.ref,
            effect.name,
            effect.starts,
            nature=effect.nature,
            asked_by=guards,
            files=files,
        )
    end = effect.end
    if end is None or end.outcome is not Outcome.REFUSED or effect.use is None:
        return
    if effect.dispatches:
        yield "it ran although it was refused"
    if end.reason.startswith(("offer.", "boundary.", "judge.")):
        versions = [r.version for r in effect.log.events if r.event is end]
        view = effect.log.views[versions[0] - 1]
        use = effect.use
        if not _forbidden(use.name, use.arguments, view.settings.tools, view.settings):
            yield f"it was refused for no reason: {end.reason}"


def _forbidden(
    name: str, arguments: str, listed: tuple[str, ...] | None, settings: Settings
) -> str:
    """Why a call may not run, written a second time."""
    nature = NATURES.get(name.casefold())
    if nature is None:
        return "there is no such tool"
    if listed is not None and name.casefold() not in listed:
        return "the session's list does not have it"
    try:
        checked_arguments(arguments)
    except InvalidInput:
        return "its arguments are wrong"
    return ""


def _truth(effect: Effect) -> Iterator[str]:
    """What a result says is what happened."""
    end = effect.end
    if end is None or effect.kind != "tool":
        return
    happened = any(act.happened for act in effect.dispatches)
    if end.outcome is Outcome.DONE and end.reason != "confirmed_by_person" and not happened:
        yield "its result says done, and nothing happened"
    text = ""
    if end.message is not None:
        text = "".join(getattr(part, "content", "") for part in end.message.parts)
        ids = {getattr(part, "tool_use_id", "") for part in end.message.parts}
        if effect.use is not None and ids != {effect.use.id}:
            yield f"its result is for {ids}"
    if "not run" in text and effect.dispatches:
        yield f"its result says {text!r}, and it ran"
    if "before it started" in text and effect.dispatches:
        yield f"its result says {text!r}, and it ran"
    if end.message is None:
        yield "it has no result"


def _repeated(effect: Effect) -> Iterator[str]:
    """No effect that must not happen twice does so by the runtime's own decision."""
    if effect.nature is Nature.ONCE:
        if len(effect.dispatches) > 1 + effect.run_again():
            yield f"it was dispatched {len(effect.dispatches)} times"
        if len(effect.starts) > 1 + effect.run_again():
            yield f"it has {len(effect.starts)} intents"
    if effect.nature is Nature.RECONCILABLE:
        times = sum(act.happened for act in effect.dispatches)
        if times > 1 + effect.run_again():
            yield f"it happened {times} times"


def _asked_in_time(effect: Effect) -> Iterator[str]:
    """Nobody lets a turn run out of time over a call in doubt without asking a person.

    Only the time of a leader counts, and a turn has more of it than any grace lasts.
    """
    end = effect.end
    if effect.nature is not Nature.ONCE or end is None or end.reason != "lost":
        return
    events = effect.log.events
    version = next(r.version for r in events if r.event is end)
    why = [r.event.why for r in events[:version] if isinstance(r.event, CancelAsked)]
    asked = any(
        (r.event.cause, r.event.ordinal, r.event.about) == (*effect.ref, "in_doubt")
        for r in effect.log.of(Asked)
        if isinstance(r.event, Asked)
    )
    if why and why[-1] == "turn_time" and not asked:
        yield "its turn ran out of time and nobody was asked what became of it"


# --- models -----------------------------------------------------------------------------


def _requests(evidence: Evidence) -> Iterator[str]:
    """Every request was valid, came from an open call, and said what the log says."""
    calls: dict[str, tuple[Log, list[int]]] = {}
    for log in evidence.logs:
        for recorded in log.of(EffectStarted):
            event = recorded.event
            assert isinstance(event, EffectStarted)
            if event.effect == "model":
                id = log.crypto.effect_id(log.stream, event.cause, event.ordinal)
                calls.setdefault(id, (log, []))[1].append(recorded.version)
    windows: dict[tuple[int, int], list[tuple[object, ...]]] = {}
    sent = Counter(seen.session_key for seen in evidence.ledger.requests)
    for id, (log, versions) in calls.items():
        if sent[id] > len(versions):  # each attempt that may be charged is reserved for
            yield f"{log.session_id}: {sent[id]} requests for the intents {versions}"
    for seen in evidence.ledger.requests:
        for problem in seen.problems:
            yield f"a model was sent an invalid conversation: {problem}"
        if seen.session_key not in calls:
            yield "a model was called without an intent"
            continue
        log, versions = calls[seen.session_key]
        if not _was_window(log, versions, seen.request.messages, windows):
            yield f"{log.session_id}: the request of {versions} is not what the log shows"


def _was_window(
    log: Log,
    versions: list[int],
    messages: tuple[object, ...],
    windows: dict[tuple[int, int], list[tuple[object, ...]]],
) -> bool:
    """Whether a request shows the window as it was while its call was open."""
    for version in versions:
        key = (log.stream, version)
        if key not in windows:
            windows[key] = [tuple(render(log.bodies_at(version).visible(), None))]
        if messages in windows[key]:
            return True
    for version in versions:
        for later in range(version + 1, min(version + 12, len(log.events) + 1)):
            if messages == tuple(render(log.bodies_at(later).visible(), None)):
                return True
    return False


# --- people -----------------------------------------------------------------------------


def _people(evidence: Evidence) -> Iterator[str]:
    logs = {log.session_id: log for log in evidence.logs}
    admitted = {id: admitted_by(log) for id, log in logs.items()}
    for sent in evidence.told.sent:
        for problem in _sent(logs[sent.session_id], sent, admitted[sent.session_id]):
            yield f"{sent.session_id} message {sent.text}: {problem}"
    for done in evidence.told.done:
        for problem in _done(logs[done.session_id], done):
            yield f"{done.session_id} {done.command}: {problem}"
    for refusal in () if evidence.stale else evidence.told.refusals:
        for problem in _refusal(logs[refusal.session_id], refusal):
            yield f"{refusal.session_id} {refusal.command}: {problem}"
    yield from _queue_order(evidence, admitted)


def _sent(log: Log, sent: Sent, admitted: Mapping[str, list[Recorded]]) -> Iterator[str]:
    """Acknowledged messages are in the log exactly once, refused ones are not."""
    found = admitted.get(sent.id, [])
    refused = any(
        isinstance(r.event, Refused) and r.event.command == sent.id for r in log.of(Refused)
    )
    if len(found) > 1:
        yield f"admitted {len(found)} times"
    if sent.acked and not found:
        yield "acknowledged and not admitted"
    if sent.queued and not (found or refused or log.view.wiped):
        yield "queued and lost"
    if sent.waited and not (found or refused or sent.refused or log.view.wiped):
        yield "it waited its turn and was lost"
    told = sent.acked or sent.queued or sent.uncertain
    if sent.refused and found and not told:
        yield f"refused ({sent.refused}) and admitted all the same"
    for recorded in found:
        yield from _steered(log, sent, recorded)
    yield from _answered(log, sent, found)


def _steered(log: Log, sent: Sent, recorded: Recorded) -> Iterator[str]:
    """A message joins a running turn only where the policy is to steer."""
    before = log.views[recorded.version - 1]
    policy = sent.policy or before.settings.queue_policy
    if before.turn is not None and policy is not QueuePolicy.STEER:
        yield f"joined a running turn under the policy {policy.value}"
    event = recorded.event
    assert isinstance(event, Admitted)
    texts = [part.text for part in event.message.parts if isinstance(part, Text)]
    if texts != [sent.text]:
        yield f"admitted as {texts}"


def _answered(log: Log, sent: Sent, found: list[Recorded]) -> Iterator[str]:
    """The answer a sender got is the one of the turn with their message."""
    for result in sent.results:
        if not found or not found[0].version < result.version < len(log.views):
            yield f"its answer is of version {result.version}"
            continue
        finished = log.views[result.version].last_turn
        if finished is None or finished.version != result.version:
            yield f"no turn ended at {result.version}"
        elif finished.id > found[0].version:
            yield f"its answer is of a later turn, {finished.id}"
        else:
            event = log.events[finished.answer - 1].event
            message = event.message if isinstance(event, EffectEnded) else None
            if message is None or message.text != result.text:
                yield f"its answer is not the one of {finished.answer}"


_EVENTS_OF: dict[type, tuple[type[Event], ...]] = {
    Pause: (Paused,),
    Resume: (Resumed,),
    Answer: (Answered,),
    Cancel: (CancelAsked,),
    SetContext: (ContextSet,),
    MoveTo: (StateSet, Paused, Resumed, CancelAsked),
}


def _done(log: Log, done: Done) -> Iterator[str]:
    """A command that was acknowledged is in the log where its sender was told."""
    wanted = _EVENTS_OF.get(type(done.command))
    handled = done.handled
    if wanted is None or handled.first == 0 or handled.duplicate:
        return
    events = [r.event for r in log.events[handled.first - 1 : handled.last]]
    if not any(isinstance(event, wanted) for event in events):
        yield f"events {handled.first} to {handled.last} do not show it"
    if isinstance(done.command, Answer):
        said = done.command
        decisions = {said.decision, "once" if said.decision == "approve" else said.decision}
        given = [event for event in events if isinstance(event, Answered)]
        if not any(one.question == said.question and one.decision in decisions for one in given):
            yield "another answer is on record"


def _refusal(log: Log, refusal: Refusal) -> Iterator[str]:
    """A move that was legal all the time was not refused."""
    command = refusal.command
    if refusal.reason != "illegal_transition" or not isinstance(command, MoveTo):
        return
    if command.state not in ("Active", "Paused", "Completed", "Error"):
        return
    there = S[command.state.upper()]
    states = {view.state for view in log.views[refusal.before : refusal.after + 1]}
    if refusal.before and all(there in MAY_MOVE[here] for here in states):
        yield f"refused from {[state.title for state in states]}"


def _queue_order(
    evidence: Evidence, admitted: Mapping[str, Mapping[str, list[Recorded]]]
) -> Iterator[str]:
    """Messages that wait in the inbox are admitted in the order of their arrival."""
    for session_id, found in admitted.items():
        waited = [
            sent
            for sent in evidence.told.sent
            if sent.session_id == session_id
            and sent.queued_order[1]
            and sent.policy is QueuePolicy.ENQUEUE
            and found.get(sent.id)
        ]
        for one in waited:
            for other in waited:
                first = one.queued_order[1] < other.queued_order[0]
                if first and found[one.id][0].version > found[other.id][0].version:
                    yield f"{session_id}: {other.text} overtook {one.text} in the inbox"
