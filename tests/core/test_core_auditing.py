"""Audit events and alerts: what events mean, that no content gets through, when to alert."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_strategies import of
from holdfast.core.auditing import (
    CODE,
    READ,
    Alert,
    AlertRules,
    Alerts,
    AuditEvent,
    Mark,
    Severity,
    Vector,
    code_of,
    marks_of,
)
from holdfast.core.errors import InvalidInput
from holdfast.core.events import KIND_OF, EffectEnded, Event, Outcome, Refused, Unknown
from holdfast.core.findings import Threat
from holdfast.core.inspection import Inspected
from holdfast.core.judge import GUARDS


def ended(**more: object) -> EffectEnded:
    """The outcome of a tool call."""
    given: dict[str, object] = {"cause": 1, "ordinal": 1, "effect": "tool"}
    return EffectEnded(**{**given, "outcome": Outcome.DONE, **more})  # type: ignore[arg-type] - a test hands in what it likes


def test_every_guard_has_its_severity_and_vector() -> None:
    """No guard of the gate is one that is not known here; what is not known is high."""
    unknown = marks_of(Refused(action="admit", guard="nobody", reason="x"))
    assert [(Severity.HIGH, Vector.POLICY)] == [(one.severity, one.vector) for one in unknown]
    for name, _ in GUARDS:
        (mark,) = marks_of(Refused(action="admit", guard=name, reason="why"))
        assert mark.severity >= Severity.WARNING and f"{name}.why" == mark.reason
        (same,) = marks_of(ended(outcome=Outcome.REFUSED, reason=f"{name}.why"))
        assert (mark.severity, mark.vector, mark.reason) == (
            same.severity,
            same.vector,
            same.reason,
        )
        assert (Vector.POLICY == mark.vector) == (name in ("budget", "hooks", "permission"))


def test_what_the_firewall_and_the_enclave_refused_is_seen() -> None:
    """By the verdict and how often; hosts are not in it."""
    facts = {"network": {"verdicts": {"allow": 2, "block_domain": 3, "block_address": 1}}}
    facts["network"]["requests"] = [{"to": "s3cret.evil.example:443"}]  # type: ignore[assignment] - a test hands in what it likes
    found = marks_of(ended(metadata=json.dumps(facts)))
    assert [("block_address", 1), ("block_domain", 3)] == [(m.reason, m.count) for m in found]
    assert {(Severity.HIGH, Vector.NETWORK_EXFIL)} == {(m.severity, m.vector) for m in found}
    assert "s3cret" not in repr(found)
    for reason in ("network_blocked", "path_escape", "tee_unavailable", "attestation_failed"):
        (mark,) = marks_of(ended(outcome=Outcome.FAILED, reason=reason))
        assert mark.severity >= Severity.HIGH and reason == mark.reason
    for metadata in ("", "[]", "{", '{"network": 3}', '{"network": {"verdicts": [1]}}', "[" * 9999):
        assert () == marks_of(ended(metadata=metadata))


def test_what_detectors_found_is_seen() -> None:
    """An injection is prompt injection, critical when blocked; a clean text is nothing."""
    for threat, severity in ((Threat.SUSPICIOUS, "warning"), (Threat.BLOCKED, "critical")):
        (mark,) = marks_of(ended(found=Inspected(threat=threat)))
        assert (severity, Vector.PROMPT_INJECTION) == (mark.severity.word, mark.vector)
    assert () == marks_of(ended(found=Inspected()))
    (mark,) = marks_of(ended(found=Inspected(values=("aa", "bb"))))
    assert (Severity.INFO, 2) == (mark.severity, mark.count)


@settings(max_examples=100)
@given(st.one_of([of(kind) for kind in KIND_OF]))
def test_only_codes_get_through(event: Event) -> None:
    """Of any event at all; and what means something is among what is opened."""
    for mark in marks_of(event):
        assert CODE.fullmatch(mark.kind) and (not mark.reason or CODE.fullmatch(mark.reason))
        assert isinstance(event, Unknown) or KIND_OF[type(event)] in READ


@given(st.text())
def test_a_code_is_a_code(text: str) -> None:
    """What does not look like one is "other"."""
    assert code_of(text) in ("", "other") or CODE.fullmatch(code_of(text))


def event(
    at_s: float,
    *,
    severity: Severity = Severity.WARNING,
    kind: str = "tool_refused",
    reason: str = "",
    stream: int = 1,
) -> AuditEvent:
    """An audit event."""
    mark = Mark(severity=severity, vector=Vector.POLICY, kind=kind, reason=reason)
    return AuditEvent(
        cursor=1,
        session=f"s{stream}",
        stream=stream,
        version=1,
        time_ms=int(at_s * 1000),
        mark=mark,
    )


def test_a_critical_event_alerts_at_once_and_once_a_window() -> None:
    """Another reason, another session or a later time is another alert."""
    alerts = Alerts()
    first = event(0, severity=Severity.CRITICAL, reason="a")
    assert Alert(kind="critical_event", event=first) == alerts.take(first)
    assert None is alerts.take(event(1, severity=Severity.CRITICAL, reason="a"))
    assert alerts.take(event(2, severity=Severity.CRITICAL, reason="b"))
    assert alerts.take(event(3, severity=Severity.CRITICAL, reason="a", stream=2))
    assert alerts.take(event(61, severity=Severity.CRITICAL, reason="a"))


def test_too_many_of_a_kind_in_a_window_alert_once() -> None:
    """The eleventh within a minute, not the tenth; slower ones never; nothing below warning."""
    alerts = Alerts()
    told = [alerts.take(event(at)) for at in range(40)]
    assert [10] == [at for at, alert in enumerate(told) if alert]
    assert told[10] is not None and ("rate_exceeded", 11) == (told[10].kind, told[10].count)
    slow = Alerts()
    assert not any(slow.take(event(at * 6.1)) for at in range(100))
    quiet = Alerts()
    assert not any(quiet.take(event(at / 10, severity=Severity.INFO)) for at in range(100))


def test_many_sessions_together_alert_as_well() -> None:
    """An attack that is spread over sessions is seen, and memory stays bounded."""
    alerts = Alerts(AlertRules(rate_max=2, keys_max=50))
    told = [alerts.take(event(at / 1000, stream=at)) for at in range(1, 20_000)]
    kinds = {alert.kind for alert in told if alert}
    assert {"rate_exceeded_everywhere"} == kinds and 1 == sum(alert is not None for alert in told)
    assert 50 == len(alerts._windows) and 1 == len(alerts._everywhere)
    assert all(len(one.times) <= 21 for one in alerts._everywhere.values())


def test_rules_are_above_0() -> None:
    """Nothing else is a rule."""
    for wrong in ({"rate_max": 0}, {"window_s": 0.0}, {"keys_max": -1}):
        with pytest.raises(InvalidInput):
            AlertRules(**wrong)  # type: ignore[arg-type] - a test hands in what it likes
