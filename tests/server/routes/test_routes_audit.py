"""Audit over the app: one's own sessions; the whole store is the administrator's."""

from __future__ import annotations

import itertools

from holdfast.core.auditing import Severity, Vector
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"
AUDIT = "/api/v1/audit"


def test_who_may_verify_what() -> None:
    """A workspace's operator proves its own sessions only."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {}))["id"]
            path = f"/api/v1/audit/verify?session_id={id}"
            assert (await made.ok("GET", path))["ok"]
            assert 404 == (await made.call("GET", path, by=made.bob)).status_code
            whole = await made.call("GET", "/api/v1/audit/verify")
            assert (403, "scope_denied") == (whole.status_code, whole.json()["reason"])
            found = await made.ok("GET", "/api/v1/audit/verify", by=made.admin)
            assert (True, 1) == (found["ok"], found["sessions"])

    run(work())


def test_events_stats_and_alerts() -> None:
    """What a guard refused is listed, counted and alerted of; nothing that was said is told."""

    async def work() -> None:
        turns = itertools.cycle([call("read", {"file_path": "/s3cret/file"}), say("no")])
        async with served(ScriptedModel(turns)) as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", API, {"id": "two"}, by=made.bob)
            for _ in range(11):
                await made.ok("POST", f"{API}/one/messages", {"content": "read s3cret"})
            found = await made.ok("GET", f"{AUDIT}/events?severity=warning&limit=500")
            first = found["events"][0]
            assert [
                "id", "cursor", "session_id", "event", "time_ms",
                "severity", "vector", "kind", "reason", "count",
            ] == list(first)  # fmt: skip
            assert ("one", "warning", "tool_call", "tool_refused") == (
                first["session_id"],
                first["severity"],
                first["vector"],
                first["kind"],
            )
            assert (11, False) == (len(found["events"]), found["more"])
            rest = f"cursor={first['cursor']}&vector=tool_call&vector=enclave&kind=tool_refused"
            assert found["events"][1:] == (await made.ok("GET", f"{AUDIT}/events?{rest}"))["events"]
            stats = await made.ok("GET", f"{AUDIT}/stats")
            assert (11, 0) == (stats["by_severity"]["warning"], stats["by_severity"]["critical"])
            assert stats["total"] == sum(stats["by_vector"].values())
            alerts = await made.ok("GET", f"{AUDIT}/alerts")
            assert [("rate_exceeded", 11)] == [
                (one["kind"], one["count"]) for one in alerts["alerts"]
            ]
            assert found["events"][-1] == alerts["alerts"][0]["event"]
            for name in ("events", "stats", "alerts"):
                whole = await made.call("GET", f"{AUDIT}/{name}")
                assert "s3cret" not in whole.text

    run(work())


def test_workspaces_and_sessions_are_apart() -> None:
    """Foreign ids are 404, without the scope it is 403, and a bound token names its session."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", API, {"id": "two"}, by=made.bob)
            made.sessions.incident(Severity.HIGH, Vector.ENCLAVE, "enclave_refused")
            agent = await made.token("bot", "agent", session="one")
            bound = await made.token("user:cat", "operator", session="one")
            for name in ("events", "stats", "alerts"):
                path = f"{AUDIT}/{name}"
                foreign = await made.call("GET", f"{path}?session_id=one", by=made.bob)
                unknown = await made.call("GET", f"{path}?session_id=eno", by=made.bob)
                assert 404 == foreign.status_code
                assert foreign.text == unknown.text.replace("eno", "one")
                scope = await made.call("GET", path, by=agent)
                assert (403, "scope_denied") == (scope.status_code, scope.json()["reason"])
                assert 403 == (await made.call("GET", path, by=bound)).status_code
                assert (await made.call("GET", f"{path}?session_id=one", by=bound)).is_success
                for odd in (
                    "limit=0",
                    "severity=odd",
                    "cursor=-1",
                    f"cursor={2**60}",
                    "since_ms=x",
                ):
                    known = name == "events" or not odd.startswith("limit")
                    if known and (name != "alerts" or not odd.startswith("severity")):
                        assert 422 == (await made.call("GET", f"{path}?{odd}")).status_code
            ids = {}
            for who in ("ann", "bob", "admin"):
                found = await made.ok("GET", f"{AUDIT}/events", by=getattr(made, who))
                ids[who] = {one["session_id"] for one in found["events"]}
            assert {"ann": {"one"}, "bob": {"two"}, "admin": {"one", "two"}} == ids
            there = {"Holdfast-Workspace": "other"}
            found = await made.ok("GET", f"{AUDIT}/events", by=made.admin, headers=there)
            assert {"two"} == {one["session_id"] for one in found["events"]}
            told = await made.ok("GET", f"{AUDIT}/alerts", by=made.admin)
            assert ["enclave_refused"] == [one["kind"] for one in told["incidents"]]
            assert [] == (await made.ok("GET", f"{AUDIT}/alerts"))["incidents"]

    run(work())
