"""Complete mediation, judged from the log: nothing runs that nobody permitted.

Written a second time on purpose, from the events alone: which calls need a yes,
which yes there was, for what, under which label, and how often it was used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from holdfast.core.events import Answered, Asked, EffectStarted, Granted, Lapsed, Revoked
from holdfast.core.grants import GrantScope
from holdfast.core.rules import Policy, PolicyMode
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature
from holdfast.core.view import Recorded, SessionView
from holdfast.testing.sim.observer import Log

SAID_YES = frozenset({"approve", "once", "session", "workspace", "always"})
BY_TIMEOUT = "runtime:timeout"
Said = Literal["allow", "ask", "grant", "deny"]
"""What the rules say: run, ask a person, only with a grant, never."""


@dataclass(frozen=True, slots=True)
class Yes:
    """A person's yes to one call: where it was asked and where answered.

    Args:
        also: it is to an identical call; what the first brought in may change the label.
    """

    asked: int
    answered: int
    question: Asked
    also: bool


@dataclass(frozen=True, slots=True)
class Files:
    """All that a world's sessions recorded.

    Args:
        order: place of each event, by stream and version, among all commits.
    """

    logs: Sequence[Log] = ()
    order: Mapping[tuple[int, int], int] = field(default_factory=dict)

    def place(self, log: Log, version: int) -> int:
        """Where an event is among all commits; within one log without them."""
        return self.order.get((log.stream, version), version)

    def then(self, log: Log, version: int, stream: int) -> SessionView | None:
        """Another session as it was when an event was committed."""
        other = next((one for one in self.logs if one.stream == stream), None)
        if other is None:
            return None
        at = self.place(log, version)
        before = [r.version for r in other.events if self.place(other, r.version) < at]
        return other.views[max(before, default=0)]


# --- what the rules say, a second time ------------------------------------------------------


def policies_at(log: Log, version: int, files: Files) -> tuple[Policy | None, ...]:
    """The session's own policy before an event, and those of the sessions above it."""
    found: list[Policy | None] = [log.views[version - 1].settings.permission]
    for ancestor in log.view.lineage:
        view = files.then(log, version, ancestor.stream)
        if view is not None:
            policy = view.settings.permission or Policy()
            if view.settings.unsafe_auto_approve:
                policy = replace(policy, mode=PolicyMode.UNSAFE_PERMISSIVE)
            found.append(policy)
    return tuple(found)


def rules_say(
    tool: str, nature: Nature | None, settings: Settings, policies: Sequence[Policy | None]
) -> Said:
    """What the rules come to for a tool, whatever its arguments; the worlds know no others.

    Args:
        policies: the session's own, and those above it.
    """
    own, outer = policies[0], [one for one in policies[1:] if one is not None]
    every = [one for one in (own, *outer) if one is not None]
    effects = [effect for one in every for effect in _effects(one, tool)]
    if "deny" in effects:
        return "deny"
    if "always" in effects:
        return "ask"
    strictest = max((_STRICT[one.mode] for one in outer), default=_STRICT[PolicyMode.DEFAULT])
    mode = strictest if own is None else _STRICT[own.mode]
    if settings.unsafe_auto_approve:
        mode = 0
    found = [_layers([[own], outer] if own is not None else [outer], tool, mode, nature)]
    if own is not None and own.mode is PolicyMode.STRICT:
        found.append(_layers([[own]], tool, 2, nature))
    for number, one in enumerate(outer):
        above = [] if one.mode is PolicyMode.STRICT else outer[:number]
        found.append(_layers([[one], above], tool, _STRICT[one.mode], nature))
    return max(found, key=_WORSE.index)


_STRICT = {PolicyMode.UNSAFE_PERMISSIVE: 0, PolicyMode.DEFAULT: 1, PolicyMode.STRICT: 2}
_WORSE: tuple[Said, ...] = ("allow", "ask", "grant", "deny")


def _effects(policy: Policy, tool: str) -> list[str]:
    return [
        "always" if rule.always_ask else rule.effect.value
        for rule in policy.rules
        if rule.tool == tool.casefold() and rule.pattern is None
    ]


def _layers(
    layers: Sequence[Sequence[Policy]], tool: str, mode: int, nature: Nature | None
) -> Said:
    for layer in layers:
        effects = [effect for one in layer for effect in _effects(one, tool)]
        if "allow" in effects:
            return "allow"
        if "ask" in effects:
            return "ask"
    if mode == 2:
        return "grant"
    return "allow" if mode == 0 or nature is Nature.READ_ONLY else "ask"


# --- who permitted what ----------------------------------------------------------------------


def permitted(
    log: Log,
    ref: tuple[int, int],
    name: str,
    starts: list[Recorded],
    *,
    nature: Nature | None,
    asked_by: Sequence[Callable[[SessionView, str], str]] = (),
    files: Files | None = None,
) -> Iterator[str]:
    """Each start of a call has what it needs: a rule, a grant, or a yes of its own.

    Args:
        asked_by: the world's own guards: each says for a session and a tool under which
            code it asks, or "".
        files: all sessions; without them, this one is alone.
    """
    files = files or Files((log,))
    yes = list(_yes(log, ref))
    for start in starts:
        event = start.event
        assert isinstance(event, EffectStarted)
        view = log.views[start.version - 1]
        mine = [one for one in yes if one.answered < start.version]
        yes = [one for one in yes if one not in mine]  # each is good for one start
        good = [one for one in mine if _holds(log, one, start, event.digest, files)]
        codes = {code for one in good for code in one.question.codes}
        for asks in asked_by:
            code = asks(view, name)
            if code and code not in codes:
                yield f"it started although nobody had approved it: {code}"
        said = rules_say(name, nature, view.settings, policies_at(log, start.version, files))
        if said == "deny":
            yield "it started although a rule denies it"
        answered = said == "ask" and any(code.startswith("permission.") for code in codes)
        if said in ("ask", "grant") and not answered and not _granted(log, name, start, files):
            yield "it started although nobody had permitted it"


def _holds(log: Log, yes: Yes, start: Recorded, digest: str, files: Files) -> bool:
    """Whether a yes is to this very call, under the rules and the label of its start."""
    then, now = log.views[yes.asked - 1].label, log.views[start.version - 1].label
    same = yes.also or (then.sensitivity, then.integrity) == (now.sensitivity, now.integrity)
    rules = policies_at(log, yes.asked, files) == policies_at(log, start.version, files)
    return yes.question.digest == digest and same and rules


def _yes(log: Log, ref: tuple[int, int]) -> Iterator[Yes]:
    """Every yes to a call, in the order of the answers."""
    asked = {r.version: r.event for r in log.of(Asked) if isinstance(r.event, Asked)}
    for recorded in log.of(Answered):
        event = recorded.event
        assert isinstance(event, Answered)
        question = asked.get(event.question)
        if question is None or event.decision not in SAID_YES or question.about == "in_doubt":
            continue
        if question.cause == ref[0] and ref[1] in (question.ordinal, *event.also):
            also = ref[1] != question.ordinal
            yield Yes(event.question, recorded.version, question, also)


def _granted(log: Log, name: str, start: Recorded, files: Files) -> bool:
    """Whether the intent rests on a grant that a log shows, for this tool and in time."""
    event = start.event
    assert isinstance(event, EffectStarted)
    above = {ancestor.stream for ancestor in log.view.lineage}
    now = files.place(log, start.version)
    for other in {one.stream: one for one in (*files.logs, log)}.values():
        for recorded in other.of(Granted):
            assert isinstance(recorded.event, Granted)
            grant = recorded.event.grant
            if grant.id not in event.grants or grant.rule.tool != name.casefold():
                continue
            mine = other is log or other.stream in above
            reaches = mine or grant.scope is GrantScope.ALWAYS
            ended = grant.expires_ms is not None and start.time_ms >= grant.expires_ms
            early = files.place(other, recorded.version) < now
            if reaches and early and not ended and not _revoked(grant.id, now, files):
                return True
    return False


def _revoked(id: str, now: int, files: Files) -> bool:
    """Whether a grant was taken back before an event."""
    return any(
        isinstance(recorded.event, Revoked)
        and recorded.event.id == id
        and files.place(log, recorded.version) < now
        for log in files.logs
        for recorded in log.of(Revoked)
    )


def approvals(log: Log) -> Iterator[str]:
    """An answer holds for what was asked, in time; what lapses had its time."""
    asked: dict[int, Recorded] = {}
    answers: Counter[int] = Counter()
    for recorded in log.events:
        event = recorded.event
        if isinstance(event, Asked):
            asked[recorded.version] = recorded
        elif isinstance(event, Answered):
            yield from _answer(log, recorded, asked[event.question])
            answers[event.question] += 1
        elif isinstance(event, Lapsed) and event.why == "expired":
            due_ms = _due(asked[event.question])
            if due_ms is None or recorded.time_ms < due_ms:
                yield f"question {event.question} lapsed before its time"
    for question, count in answers.items():
        if count > 1:
            yield f"question {question} was answered {count} times"


def _due(recorded: Recorded) -> int | None:
    assert isinstance(recorded.event, Asked)
    return recorded.event.due_ms


def _answer(log: Log, recorded: Recorded, question: Recorded) -> Iterator[str]:
    event, asked = recorded.event, question.event
    assert isinstance(event, Answered) and isinstance(asked, Asked)
    late = asked.due_ms is not None and recorded.time_ms >= asked.due_ms
    settings = log.views[recorded.version - 1].settings.confirmation
    if event.by == BY_TIMEOUT:
        if not late or settings.timeout_action != "unsafe_auto_approve":
            yield f"answer {recorded.version} was given for nobody"
        return
    if late:
        yield f"answer {recorded.version} came after the question's time"
    if asked.about == "in_doubt" or event.decision not in SAID_YES:
        return
    before, then = log.views[question.version - 1].label, log.views[recorded.version - 1].label
    if (before.sensitivity, before.integrity) != (then.sensitivity, then.integrity):
        yield f"answer {recorded.version} is for what the session had seen before"
