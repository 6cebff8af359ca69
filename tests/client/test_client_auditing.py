"""The audit log of a server: the values of the library, or a bad answer."""

from __future__ import annotations

import copy
import itertools

import pytest

from clienthelp import pair
from holdfast.client.auditing import alerts_of, event_of, page_of, stats_of
from holdfast.core.auditing import Severity, Vector
from holdfast.core.errors import BadAnswer, InvalidInput, SessionNotFound
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import run

EVENT = {
    "id": "00000000000000ff/3", "cursor": 7, "session_id": "one", "event": 3, "time_ms": 5,
    "severity": "high", "vector": "file_exfil", "kind": "tool_refused", "reason": "x", "count": 1,
}  # fmt: skip


def test_what_a_server_tells_is_what_its_library_tells() -> None:
    """Events, counts and alerts, value by value."""

    async def main() -> None:
        turns = itertools.cycle([call("read", {"file_path": "/s3cret"}), say("no")])
        async with pair(ScriptedModel(turns)) as found:
            client, there = found.client, found.served.sessions
            await client.create_session("one")
            for _ in range(11):
                await client.generate("one", "read")
            assert await there.audit_events(limit=500) == await client.audit_events(limit=500)
            asked = {
                "severity": "warning",
                "vectors": [Vector.TOOL_CALL],
                "kinds": ["tool_refused"],
            }
            grave = await client.audit_events(session_id="one", **asked)
            assert 11 == len(grave.events)
            assert {Severity.WARNING} == {one.mark.severity for one in grave.events}
            assert await there.audit_stats(**asked) == await client.audit_stats(**asked)
            alerts = await client.audit_alerts(session_id="one")
            assert 1 == len(alerts.alerts)
            assert await there.audit_alerts() == alerts
            with pytest.raises(SessionNotFound):
                await client.audit_stats(session_id="none")
            with pytest.raises(InvalidInput):
                await client.audit_events(limit=501)

    run(main())


def test_what_is_no_answer() -> None:
    """A part that is missing or of another kind is told, whatever else there is."""
    assert 255 == event_of(EVENT).stream
    page = {"events": [EVENT], "cursor": 7, "more": False}
    stats = {"total": 1, "by_severity": {"high": 1}, "by_vector": {}, "cursor": 7, "more": False}
    alert = {"kind": "critical_event", "count": 1, "event": EVENT}
    alerts = {"alerts": [alert], "cursor": 7, "more": False, "incidents": [EVENT]}
    for whole, reads in ((page, page_of), (stats, stats_of), (alerts, alerts_of)):
        reads(whole)
        for name in whole:
            for wrong in (None, object, "x"):
                odd: dict[str, object] = {**copy.deepcopy(whole), name: wrong}
                if wrong is object:
                    del odd[name]
                with pytest.raises(BadAnswer):
                    reads(odd)
    for name, odd_value in (("severity", "odd"), ("vector", "odd"), ("id", "x/1"), ("event", "1")):
        with pytest.raises(BadAnswer):
            event_of({**EVENT, name: odd_value})
