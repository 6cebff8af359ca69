"""What must hold of every history, judged from the logs and the ground truth.

Each check takes the evidence of one world and yields what is wrong, in words.
The table of the lifecycle stands here a second time on purpose: a judge that
asked the code under test what is legal would believe anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from holdfast.core.errors import HoldfastError
from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    EffectEnded,
    EffectStarted,
    Ended,
    Lapsed,
    Outcome,
    StateSet,
    Wiped,
    WipeStarted,
)
from holdfast.core.lifecycle import SessionState as S
from holdfast.core.view import Recorded
from holdfast.ports.store import Counter as StoreCounter
from holdfast.runtime.engine import Engine
from holdfast.testing.sim.accounting import balances
from holdfast.testing.sim.mediation import approvals
from holdfast.testing.sim.observer import Log
from holdfast.testing.sim.outside import Ledger
from holdfast.testing.sim.people import Told

MAY_MOVE: dict[S, set[S]] = {
    S.CREATING: {S.ACTIVE, S.ERROR, S.TERMINATING},
    S.ACTIVE: {S.PROCESSING, S.PAUSED, S.COMPLETED, S.ERROR, S.TERMINATING},
    S.PROCESSING: {S.ACTIVE, S.PAUSED, S.COMPLETED, S.ERROR, S.TERMINATING},
    S.PAUSED: {S.ACTIVE, S.PROCESSING, S.COMPLETED, S.ERROR, S.TERMINATING},
    S.COMPLETED: {S.ACTIVE, S.TERMINATING},
    S.ERROR: {S.ACTIVE, S.TERMINATING},
    S.TERMINATING: {S.TERMINATED},
    S.TERMINATED: set(),
}
"""Ruling R3; resuming a paused turn goes straight on processing."""

WORKS = {S.ACTIVE, S.PROCESSING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a world left behind.

    Args:
        asks: people had to approve one tool.
        stale: a node may have gone on without its lease; what it refuses may be old.
        offered: every ciphertext ever handed to the disk.
        steady: no wall clock jumped, so that time limits mean what they say.
        features: of the world.
        order: place of each event, by stream and version, among all commits.
        counters: of the store, at the end; None if there was none to look at.
    """

    logs: tuple[Log, ...]
    ledger: Ledger
    told: Told
    asks: bool
    stale: bool
    offered: tuple[tuple[int, int, bytes], ...]
    steady: bool
    features: frozenset[str] = frozenset()
    order: Mapping[tuple[int, int], int] = field(default_factory=dict)
    counters: Mapping[str, StoreCounter] | None = None


def judge_engines(engine: Engine, log: Log, *, current: bool) -> Iterator[str]:
    """Compare what an engine believes with the log; `current` if it leads now."""
    if type(engine.lost) is HoldfastError:
        yield f"{log.session_id}: {engine.lost.message}"
    if engine.journal.crypto is None:
        return  # the session is wiped; there is nothing to believe in
    version = engine.view.version
    if version >= len(log.views) or engine.view != log.views[version]:
        yield f"{log.session_id}: an engine's view of version {version} is not the fold"
        return
    if not current:
        return
    if engine.view != log.view:
        yield f"{log.session_id}: the leader is at {version}, the log at {log.view.version}"
    elif engine.bodies.visible() != log.bodies_at(version).visible():
        yield f"{log.session_id}: the leader's window is not the log's"


def judge_logs(evidence: Evidence) -> Iterator[str]:
    """Judge a finished world."""
    yield from _nonces(evidence)
    if evidence.counters is not None:
        yield from balances(evidence.logs, evidence.counters)
    for log in evidence.logs:
        if log.damage:
            yield f"{log.session_id}: {log.damage}"
            continue
        for check in CHECKS:
            for problem in check(log):
                yield f"{log.session_id}: {problem}"


def _nonces(evidence: Evidence) -> Iterator[str]:
    seen: set[tuple[int, int, bytes]] = set()
    for stream, key, body in evidence.offered:
        nonce = (stream, key, body[:12])
        if nonce in seen:
            yield f"stream {stream}: a nonce was used twice"
        seen.add(nonce)


# --- one log ----------------------------------------------------------------------------


def _steps(log: Log) -> Iterator[tuple[Recorded, S, S]]:
    for recorded in log.events:
        yield recorded, log.views[recorded.version - 1].state, log.views[recorded.version].state


def lifecycle(log: Log) -> Iterator[str]:
    """The state only walks along the edges; time never goes back."""
    time_ms = 0
    for recorded, before, after in _steps(log):
        if before != after and after not in MAY_MOVE[before]:
            yield f"event {recorded.version} moved {before.title} to {after.title}"
        if recorded.time_ms < time_ms:
            yield f"event {recorded.version} is older than the one before"
        time_ms = recorded.time_ms


def ended(log: Log) -> Iterator[str]:
    """Only a working session takes messages and starts effects; an ended one nothing."""
    for recorded, before, _ in _steps(log):
        event = recorded.event
        starts = isinstance(event, (EffectStarted, Asked))
        if (starts or (isinstance(event, Admitted) and event.turn)) and before not in WORKS:
            yield f"event {recorded.version} {type(event).__name__} while {before.title}"
        judged = isinstance(event, EffectEnded) and event.outcome is Outcome.REFUSED
        if judged and before not in WORKS:
            yield f"event {recorded.version} was judged while {before.title}"
        if before is S.TERMINATED:
            yield f"event {recorded.version} after the end"
        wiping = log.views[recorded.version - 1].wiping
        if wiping and not isinstance(event, (Wiped, Ended)):
            yield f"event {recorded.version} {type(event).__name__} after the wipe began"
    view = log.view
    if view.open or view.calls or view.questions or view.turn or view.host_open:
        yield f"at the end something is open: {view.turn} {view.open} {view.calls}"
    if view.state is S.TERMINATING or view.wiping != view.wiped:
        yield "the wipe was begun and not ended"


def effects(log: Log) -> Iterator[str]:
    """Each effect that started has one outcome, and each call of an answer one result."""
    outcomes: Counter[tuple[int, int]] = Counter()
    attempts: dict[tuple[int, int], int] = {}
    paused: dict[tuple[int, int], bool] = {}
    for recorded in log.events:
        event = recorded.event
        if isinstance(event, EffectStarted):
            ref = (event.cause, event.ordinal)
            if event.effect == "model" and paused.pop(ref, False):
                outcomes[ref] = attempts[ref] = 0
            if outcomes[ref]:
                yield f"event {recorded.version} starts {ref} after its outcome"
            if event.attempt != attempts.get(ref, 0) + 1:
                yield f"event {recorded.version} is attempt {event.attempt} of {ref}"
            attempts[ref] = event.attempt
        elif isinstance(event, EffectEnded):
            ref = (event.cause, event.ordinal)
            if event.outcome is Outcome.REFUSED and paused.pop(ref, False):
                outcomes[ref] = 0  # a person denied it when the session went on
            outcomes[ref] += 1
            # A model call that a pause cut short starts anew when the session resumes.
            paused[ref] = event.outcome is Outcome.CANCELLED
    for ref in attempts:
        if outcomes[ref] != 1:
            yield f"effect {ref} has {outcomes[ref]} outcomes"
    yield from _results(log, outcomes)


def _results(log: Log, outcomes: Counter[tuple[int, int]]) -> Iterator[str]:
    for recorded in log.of(EffectEnded):
        event = recorded.event
        assert isinstance(event, EffectEnded)
        if event.effect != "model" or event.message is None or event.outcome is not Outcome.DONE:
            continue
        for ordinal, use in enumerate(event.message.tool_uses, start=1):
            if outcomes[(recorded.version, ordinal)] != 1:
                yield f"call {use.id} of answer {recorded.version} has no single result"


def order(log: Log) -> Iterator[str]:
    """Read-only calls run side by side, all others alone and in order."""
    for recorded in log.of(EffectStarted):
        event = recorded.event
        assert isinstance(event, EffectStarted)
        before = log.views[recorded.version - 1]
        if event.effect == "model":
            others = [one for one in before.open if one.ref != (event.cause, event.ordinal)]
            if before.calls or others:
                yield f"model call {recorded.version} while calls are open"
        if event.effect != "tool" or event.attempt > 1:
            continue
        call = before.call(event.ordinal)
        if call is None:
            yield f"tool call {recorded.version} is none of the answer's"
            continue
        earlier = [one for one in before.calls if one.ordinal < event.ordinal]
        if any(not one.parallel for one in earlier) or (earlier and not call.parallel):
            yield f"tool call {recorded.version} overtakes an earlier one"
        if len(before.open) >= max(1, before.settings.limits.parallel_tools):
            yield f"tool call {recorded.version} is one too many at once"


def limits(log: Log) -> Iterator[str]:
    """No turn has more rounds than it may; model calls are not repeated for ever."""
    for recorded, view in zip(log.events, log.views, strict=False):
        event = recorded.event
        if not isinstance(event, EffectStarted) or event.effect != "model":
            continue
        if view.turn and event.attempt == 1 and view.turn.rounds >= view.settings.limits.max_rounds:
            yield f"model call {recorded.version} is over the limit of rounds"
        if event.attempt > 5:
            yield f"model call {recorded.version} is attempt {event.attempt}"


def questions(log: Log) -> Iterator[str]:
    """A question is answered at most once, while it is open, with one of its choices."""
    open_: dict[int, Asked] = {}
    for recorded in log.events:
        event = recorded.event
        if isinstance(event, Asked):
            open_[recorded.version] = event
        elif isinstance(event, Answered):
            asked = open_.pop(event.question, None)
            if asked is None:
                yield f"answer {recorded.version} is to no open question"
            elif event.decision not in asked.choices:
                yield f"answer {recorded.version} is {event.decision}"
        elif isinstance(event, Lapsed):
            open_.pop(event.question, None)
        elif isinstance(event, EffectEnded):
            ref = (event.cause, event.ordinal)
            open_ = {id: one for id, one in open_.items() if (one.cause, one.ordinal) != ref}


def by_hand(log: Log) -> Iterator[str]:
    """What ends by hand has nothing running that is not being cancelled."""
    for recorded in log.of(StateSet):
        view = log.views[recorded.version]
        if view.turn is not None and not view.turn.cancel:
            yield f"event {recorded.version} ended the session and not its turn"
        if view.questions:
            yield f"event {recorded.version} left questions open"


def wiped(log: Log) -> Iterator[str]:
    """A log that ends in `Ended` says that the key is gone, in this order."""
    kinds = [type(recorded.event) for recorded in log.events[-3:]]
    if log.view.wiped and kinds != [WipeStarted, Wiped, Ended]:
        yield f"the wipe is told as {[kind.__name__ for kind in kinds]}"


CHECKS: tuple[Callable[[Log], Iterable[str]], ...] = (
    lifecycle,
    ended,
    effects,
    order,
    limits,
    questions,
    by_hand,
    wiped,
    approvals,
)


def admitted_by(log: Log) -> dict[str, list[Recorded]]:
    """The admissions of each command id."""
    found: dict[str, list[Recorded]] = defaultdict(list)
    for recorded in log.of(Admitted):
        assert isinstance(recorded.event, Admitted)
        if recorded.event.command:
            found[recorded.event.command].append(recorded)
    return found
