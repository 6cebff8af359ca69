"""The audit log by pages: who sees what, and that a page costs no more than its stretch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.auditing import AuditEvent, Severity, Vector
from holdfast.core.errors import InvalidInput, ScopeDenied, SessionNotFound
from holdfast.core.principals import EVERY_WORKSPACE, Principal
from holdfast.runtime import auditviews
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run

ALL = frozenset({"*"})
ROOT = Principal(id="user:root", workspace=EVERY_WORKSPACE, role="admin", scopes=ALL)
ANN = Principal(id="user:ann", workspace="default", scopes=ALL)
BOB = Principal(id="user:bob", workspace="other", scopes=ALL)


def _turns() -> Iterator[object]:
    while True:
        yield call("read", {"file_path": "/s3cret/file"})
        yield say("no luck")


def _model() -> ScriptedModel:
    return ScriptedModel(_turns())  # type: ignore[arg-type]  # turns without an end


async def _whole(view: SessionManager, **wanted: object) -> list[AuditEvent]:
    """All audit events that a view has, by small pages."""
    found: list[AuditEvent] = []
    after, more = 0, True
    while more:
        page = await view.audit_events(after=after, limit=2, **wanted)  # type: ignore[arg-type]  # as the tests name them
        assert page.cursor > after or not page.more
        found += page.events
        after, more = page.cursor, page.more
    return found


def test_who_sees_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workspaces are apart; what no workspace has is the administrator's of all."""
    monkeypatch.setattr(auditviews, "STRETCH", 3)

    async def work() -> None:
        async with memory(_model()) as sessions:
            views = {who.id: sessions.acting_as(who) for who in (ROOT, ANN, BOB)}
            mine = await views["user:ann"].create_session("one")
            theirs = await views["user:bob"].create_session("two")
            gone = await views["user:bob"].create_session("gone")
            await mine.generate("read s3cret please")
            await theirs.generate("read s3cret please")
            await views["user:bob"].terminate_session(gone.id)
            sessions.incident(Severity.HIGH, Vector.ENCLAVE, "enclave_refused")
            whole = await _whole(sessions)
            seen = {name: await _whole(view) for name, view in views.items()}
            assert whole == seen["user:root"]
            assert {"one"} == {one.session for one in seen["user:ann"]}
            assert {"two"} == {one.session for one in seen["user:bob"]}
            wiped = [one for one in whole if one.session.startswith("stream-")]
            assert {"wiped", "ended"} <= {one.mark.kind for one in wiped}
            assert len(whole) == len(wiped) + sum(map(len, list(seen.values())[1:]))
            assert seen["user:ann"] == await _whole(sessions, session_id="ONE")
            in_other = sessions.acting_as(ROOT, workspace="other")
            assert seen["user:bob"] == await _whole(in_other)
            with pytest.raises(SessionNotFound):
                await views["user:bob"].audit_events(session_id="one")
            bound = sessions.acting_as(
                Principal(id="agent:x", workspace="default", session="one", scopes=ALL)
            )
            assert seen["user:ann"] == await _whole(bound, session_id="one")
            with pytest.raises(SessionNotFound):
                await bound.audit_stats(session_id="two")
            for refused in (bound.audit_events(), bound.audit_stats(), bound.audit_alerts()):
                with pytest.raises(ScopeDenied):
                    await refused
            assert ["enclave_refused"] == [
                one.mark.kind for one in (await views["user:root"].audit_alerts()).incidents
            ]
            for view in (views["user:ann"], in_other):
                assert () == (await view.audit_alerts()).incidents
            assert "s3cret" not in repr(whole)

    run(work())


def test_filters_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are those of the events, whatever the size of the stretch."""

    async def work() -> None:
        async with memory(_model()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("read please")
            await session.set_permission_policy({"deny": ["read"]})
            whole = await _whole(sessions)
            grave = await _whole(sessions, severity="WARNING")
            assert grave == [one for one in whole if one.mark.severity >= Severity.WARNING]
            assert 2 == len(grave) < len(whole)
            calls = await _whole(sessions, vectors=["tool_call"], kinds=["tool_refused"])
            assert ["tool_refused"] == [one.mark.kind for one in calls]
            last = whole[-1].time_ms
            assert [] == await _whole(sessions, since_ms=last + 1)
            once = await sessions.audit_stats()
            assert (len(whole), False) == (once.total, once.more)
            assert {"info", "warning", "high", "critical"} == set(once.by_severity)
            assert once.total == sum(once.by_severity.values()) == sum(once.by_vector.values())
            counts = (await sessions.audit_stats(severity="warning")).by_vector
            assert {"policy": 1, "tool_call": 1} == counts
            monkeypatch.setattr(auditviews, "STRETCH", 2)
            total, after, more = 0, 0, True
            while more:
                part = await sessions.audit_stats(after=after)
                total, after, more = total + part.total, part.cursor, part.more
            assert once.total == total

    run(work())


def test_alerts_over_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the pages fall, what happens too often is one alert."""

    async def work() -> None:
        async with memory(_model()) as sessions:
            session = await sessions.create_session("one")
            for _ in range(12):
                await session.generate("read please")
            once = await sessions.audit_alerts()
            assert ["rate_exceeded"] == [one.kind for one in once.alerts]
            assert 11 == once.alerts[0].count
            for stretch in (1, 7, 50):
                monkeypatch.setattr(auditviews, "STRETCH", stretch)
                found, after, more = [], 0, True
                while more:
                    page = await sessions.audit_alerts(after=after, limit=1)
                    found += page.alerts
                    assert page.cursor > after or not page.more
                    after, more = page.cursor, page.more
                assert list(once.alerts) == found, stretch
            assert () == (await sessions.audit_alerts(since_ms=2**50)).alerts

    run(work())


@pytest.mark.parametrize(
    "wrong",
    [
        {"severity": "odd"},
        {"severity": 1},
        {"vectors": ["odd"]},
        {"since_ms": "1"},
        {"since_ms": True},
        {"after": -1},
        {"after": 2**60},
        {"after": "1"},
        {"limit": 0},
        {"limit": 501},
        {"limit": True},
    ],
)
def test_what_is_no_question(wrong: dict[str, object]) -> None:
    """It is refused, whatever it is."""

    async def work() -> None:
        async with memory(_model()) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.audit_events(**wrong)  # type: ignore[arg-type]  # what is tried

    run(work())
