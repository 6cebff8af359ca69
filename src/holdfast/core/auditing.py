"""What of the log is worth an auditor's look: events with severities, and alerts.

Rules
- An audit event holds codes and numbers, never content: no text, no argument, no
  host, no name that a model or a stranger chose. A code that does not look like
  one is "other".
- What a guard refused is at least a warning; a guard that is not known here is high.
- Alerts are a fold over audit events and their times, so a replay says the same.
  A critical event alerts at once, and so does more than so many of a kind in a
  window; the same alert comes once a window; memory is bounded.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from holdfast.core.errors import InvalidInput
from holdfast.core.events import (
    KIND_OF,
    Admitted,
    Answered,
    Asked,
    Configured,
    EffectEnded,
    Ended,
    Event,
    Exported,
    Granted,
    Imported,
    Lapsed,
    Modified,
    Opened,
    Outcome,
    Refused,
    Relabelled,
    Revoked,
    StateSet,
    Unknown,
    Warned,
    Wiped,
    WipeStarted,
)
from holdfast.core.findings import Threat
from holdfast.core.inspection import Inspected

CODE = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39})?")
COUNT_MAX = 1_000_000_000
WIDE = 10
"""How many times a session's rate all sessions together may have."""


class Severity(IntEnum):
    """How much it matters (seed A11)."""

    INFO = 0
    WARNING = 1
    HIGH = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """In small letters."""
        return self.name.lower()


class Vector(StrEnum):
    """The way something came or went (seed A11)."""

    OUTPUT_CHANNEL = "output_channel"
    TOOL_CALL = "tool_call"
    DANGEROUS_COMMAND = "dangerous_command"
    NETWORK_EXFIL = "network_exfil"
    FILE_EXFIL = "file_exfil"
    AUTH_FAILURE = "auth_failure"
    PROMPT_INJECTION = "prompt_injection"
    POLICY = "policy"
    SESSION = "session"
    ENCLAVE = "enclave"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one stored event means to an auditor.

    Args:
        kind: a code for what happened.
        reason: a code for why, or "".
        count: how often.
    """

    severity: Severity
    vector: Vector
    kind: str
    reason: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One mark at its place.

    Args:
        cursor: its place in the feed of all sessions, or 0 for what is not in the log.
        session: the session's id, "stream-<16 hex>" for one without, or "".
        stream, version: the event of the log, or 0.
        time_ms: when, milliseconds since 1970.
    """

    cursor: int
    session: str
    stream: int
    version: int
    time_ms: int
    mark: Mark

    @property
    def id(self) -> str:
        """Names the event of the log, as exports of the log do."""
        return f"{self.stream:016x}/{self.version}"


def code_of(text: str) -> str:
    """A code as it is, "" for none, and "other" for what is no code."""
    return text if not text or CODE.fullmatch(text) else "other"


_GUARDS: dict[str, tuple[Severity, Vector]] = {
    "authority": (Severity.HIGH, Vector.AUTH_FAILURE),
    "boundary": (Severity.HIGH, Vector.FILE_EXFIL),
    "budget": (Severity.WARNING, Vector.POLICY),
    "commands": (Severity.HIGH, Vector.DANGEROUS_COMMAND),
    "critical": (Severity.HIGH, Vector.DANGEROUS_COMMAND),
    "egress": (Severity.HIGH, Vector.NETWORK_EXFIL),
    "flow": (Severity.HIGH, Vector.TOOL_CALL),
    "hooks": (Severity.WARNING, Vector.POLICY),
    "injection": (Severity.CRITICAL, Vector.PROMPT_INJECTION),
    "lifecycle": (Severity.WARNING, Vector.SESSION),
    "offer": (Severity.WARNING, Vector.TOOL_CALL),
    "permission": (Severity.WARNING, Vector.POLICY),
    "restricted": (Severity.HIGH, Vector.DANGEROUS_COMMAND),
    "sensitivity": (Severity.HIGH, Vector.ENCLAVE),
}
_FAILURES: dict[str, tuple[Severity, Vector, str]] = {
    "network_blocked": (Severity.HIGH, Vector.NETWORK_EXFIL, "network_blocked"),
    "path_escape": (Severity.HIGH, Vector.FILE_EXFIL, "path_escape"),
    "tee_unavailable": (Severity.HIGH, Vector.ENCLAVE, "enclave_refused"),
    "attestation_failed": (Severity.CRITICAL, Vector.ENCLAVE, "enclave_refused"),
    "channel_broken": (Severity.CRITICAL, Vector.ENCLAVE, "enclave_refused"),
}
_THREATS = {
    Threat.SUSPICIOUS: (Severity.WARNING, "injection_suspected"),
    Threat.BLOCKED: (Severity.CRITICAL, "injection_found"),
}
_PLAIN: dict[type[Event], tuple[Severity, Vector, str]] = {
    Opened: (Severity.INFO, Vector.SESSION, "opened"),
    Answered: (Severity.INFO, Vector.POLICY, "answered"),
    Lapsed: (Severity.INFO, Vector.POLICY, "lapsed"),
    Granted: (Severity.INFO, Vector.POLICY, "granted"),
    Revoked: (Severity.INFO, Vector.POLICY, "revoked"),
    Modified: (Severity.INFO, Vector.POLICY, "modified"),
    Relabelled: (Severity.HIGH, Vector.POLICY, "relabelled"),
    Warned: (Severity.WARNING, Vector.POLICY, "limit_near"),
    Exported: (Severity.WARNING, Vector.SESSION, "exported"),
    WipeStarted: (Severity.INFO, Vector.SESSION, "wipe_started"),
    Wiped: (Severity.INFO, Vector.SESSION, "wiped"),
    Ended: (Severity.INFO, Vector.SESSION, "ended"),
    Unknown: (Severity.WARNING, Vector.AUDIT, "unknown_event"),
}
READ: frozenset[int] = frozenset(
    KIND_OF[kind]
    for kind in (*_PLAIN, Admitted, Asked, Configured, EffectEnded, Imported, Refused, StateSet)
    if kind is not Unknown
)
"""The stored kinds that can mean anything to an auditor; others need not be opened."""


def marks_of(event: Event) -> tuple[Mark, ...]:
    """What an event of the log means to an auditor; nothing for most of daily work."""
    return tuple(_marks(event))


def _marks(event: Event) -> Iterator[Mark]:
    match event:
        case Refused():
            yield _refused("message_refused", event.guard, f"{event.guard}.{event.reason}")
        case EffectEnded():
            yield from _ended(event)
        case Admitted():
            yield from _found(event.found)
        case Imported():
            yield Mark(severity=Severity.WARNING, vector=Vector.SESSION, kind="imported")
            yield from _found(event.found)
        case Asked():
            severity = Severity.WARNING if event.about == "escape" else Severity.INFO
            yield Mark(
                severity=severity, vector=Vector.POLICY, kind="asked", reason=code_of(event.about)
            )
        case Configured():
            if event.settings is not None:
                yield Mark(severity=Severity.WARNING, vector=Vector.POLICY, kind="settings_changed")
        case StateSet():
            bad = event.state.lower() == "error"
            severity = Severity.WARNING if bad else Severity.INFO
            reason = code_of(event.state.lower())
            yield Mark(
                severity=severity, vector=Vector.SESSION, kind="state_changed", reason=reason
            )
        case _:
            plain = _PLAIN.get(type(event))
            if plain is not None:
                yield Mark(severity=plain[0], vector=plain[1], kind=plain[2])


def _refused(kind: str, guard: str, reason: str) -> Mark:
    severity, vector = _GUARDS.get(guard, (Severity.HIGH, Vector.POLICY))
    return Mark(severity=severity, vector=vector, kind=kind, reason=code_of(reason))


def _ended(event: EffectEnded) -> Iterator[Mark]:
    if event.outcome is Outcome.REFUSED and event.reason not in _FAILURES:
        what = "model_refused" if event.effect == "model" else "tool_refused"
        yield _refused(what, event.reason.partition(".")[0], event.reason)
    elif event.reason in _FAILURES:
        severity, vector, kind = _FAILURES[event.reason]
        yield Mark(severity=severity, vector=vector, kind=kind, reason=event.reason)
    for verdict, count in sorted(_network(event.metadata).items()):
        yield Mark(
            severity=Severity.HIGH,
            vector=Vector.NETWORK_EXFIL,
            kind="network_blocked",
            reason=code_of(verdict),
            count=count,
        )
    yield from _found(event.found)


def _network(metadata: str) -> dict[str, int]:
    """How many requests of a tool the firewall blocked, by its verdict."""
    try:
        facts = json.loads(metadata)
    except (ValueError, RecursionError):
        return {}
    network = facts.get("network") if isinstance(facts, dict) else None
    verdicts = network.get("verdicts") if isinstance(network, dict) else None
    if not isinstance(verdicts, dict):
        return {}
    return {
        verdict: min(count, COUNT_MAX)
        for verdict, count in verdicts.items()
        if verdict != "allow" and isinstance(count, int) and count > 0
    }


def _found(found: Inspected | None) -> Iterator[Mark]:
    if found is None:
        return
    if found.threat in _THREATS:
        severity, kind = _THREATS[found.threat]
        yield Mark(severity=severity, vector=Vector.PROMPT_INJECTION, kind=kind)
    if found.values:
        count = len(found.values)
        yield Mark(
            severity=Severity.INFO, vector=Vector.OUTPUT_CHANNEL, kind="value_followed", count=count
        )


# --- alerts ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """When to alert.

    Args:
        rate_max: more events than these of a kind in a session alert, and ten times
            as many in all sessions together.
        window_s: within so many seconds; the same alert comes once in as long.
        min_severity: less than this never counts.
        keys_max: how many kinds of sessions are kept in mind, the latest.

    Raises:
        InvalidInput: a number is not above 0.
    """

    rate_max: int = 10
    window_s: float = 60.0
    min_severity: Severity = Severity.WARNING
    keys_max: int = 10_000

    def __post_init__(self) -> None:
        if not (self.rate_max > 0 and self.window_s > 0 and self.keys_max > 0):
            raise InvalidInput("rate_max, window_s and keys_max are above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Somebody should look.

    Args:
        kind: "critical_event", "rate_exceeded", or "rate_exceeded_everywhere".
        event: the event that made it.
        count: how many such events there were in the window up to it.
    """

    kind: str
    event: AuditEvent
    count: int = 1


@dataclass(slots=True)
class _Window:
    """The latest times of one kind, and when it was alerted of last."""

    times: deque[int]
    told_ms: int | None = None


@dataclass(slots=True)
class Alerts:
    """The fold that makes alerts; takes audit events in the order of the log."""

    rules: AlertRules = field(default_factory=AlertRules)
    _windows: OrderedDict[tuple[object, ...], _Window] = field(default_factory=OrderedDict)
    _everywhere: dict[str, _Window] = field(default_factory=dict)

    def take(self, event: AuditEvent) -> Alert | None:
        """Take the next event; returns the alert it makes, if it does."""
        mark, rules = event.mark, self.rules
        if mark.severity < rules.min_severity:
            return None
        where: tuple[object, ...] = (event.stream, event.session, mark.kind)
        wide = self._everywhere.setdefault(
            mark.kind, _Window(deque(maxlen=rules.rate_max * WIDE + 1))
        )
        spread = self._exceeded(wide, event)
        rate = self._exceeded(self._window(where, rules.rate_max + 1), event)
        if mark.severity is Severity.CRITICAL:
            once = self._window((*where, mark.reason), 1)
            if self._may_tell(once, event):
                return Alert(kind="critical_event", event=event)
        if rate:
            return Alert(kind="rate_exceeded", event=event, count=rate)
        if spread:
            return Alert(kind="rate_exceeded_everywhere", event=event, count=spread)
        return None

    def _window(self, key: tuple[object, ...], size: int) -> _Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(deque(maxlen=size))
            if len(self._windows) > self.rules.keys_max:
                self._windows.popitem(last=False)
        self._windows.move_to_end(key)
        return window

    def _exceeded(self, window: _Window, event: AuditEvent) -> int:
        """Count an event in; more than 0 if that is too many, and not told yet."""
        times = window.times
        times.append(event.time_ms)
        full = len(times) == times.maxlen
        if not full or event.time_ms - times[0] > self.rules.window_s * 1000:
            return 0
        return len(times) if self._may_tell(window, event) else 0

    def _may_tell(self, window: _Window, event: AuditEvent) -> bool:
        told = window.told_ms
        if told is not None and event.time_ms - told <= self.rules.window_s * 1000:
            return False
        window.told_ms = event.time_ms
        return True
