"""Audit over the app: one's own sessions; the whole store is the administrator's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from holdfast.core.auditing import Severity, Vector
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.principals import Principal
from holdfast.ports.store import StreamRow
from holdfast.runtime import audit, audit_export
from holdfast.runtime.audit import find_stream
from holdfast.runtime.audit_file import FileReport, verify_answer
from holdfast.runtime.backend import Backend
from holdfast.runtime.manager import Core
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


def test_who_may_have_which_export() -> None:
    """One's own sessions, as the answer to one's question; all of them the administrator's."""
    nonce = bytes(range(32))
    path = f"{AUDIT}/export?nonce={nonce.hex()}"

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", API, {"id": "two"}, by=made.bob)
            key = made.sessions.distinct_backends()[0][1].keys.audit_public_key

            async def verified(question: AuditQuestion, **more: Any) -> FileReport:
                query = f"&session_id={question.session_id}" if question.session_id else ""
                found = await made.call("GET", path + query, **more)
                assert (200, "application/x-ndjson") == (
                    found.status_code,
                    found.headers["content-type"].partition(";")[0],
                )
                assert "no-store" in found.headers["cache-control"]
                return await verify_answer(found.aiter_bytes(), key, question)

            one = AuditQuestion(nonce=nonce, session_id="one")
            assert (await verified(one)).ok
            agent = await made.token("bot", "agent", session="one")
            bound = await made.token("user:cat", "operator", session="one")
            local = await made.token("user:dan", "admin")
            assert (await verified(one, by=bound)).ok
            whole = await verified(AuditQuestion(nonce=nonce), by=made.admin)
            assert (True, 2) == (whole.ok, whole.sessions)
            there = {"Holdfast-Workspace": "other"}
            asked = AuditQuestion(nonce=nonce, session_id="two", workspace="other")
            assert (await verified(asked, by=made.admin, headers=there)).ok
            other = AuditQuestion(nonce=nonce, session_id="two")
            assert not (await verified(other, by=made.admin, headers=there)).ok
            foreign = await made.call("GET", f"{path}&session_id=one", by=made.bob)
            unknown = await made.call("GET", f"{path}&session_id=eno", by=made.bob)
            assert (404, foreign.text) == (
                foreign.status_code,
                unknown.text.replace("eno", "one"),
            )
            for by in (made.ann, bound, local, agent):
                assert 403 == (await made.call("GET", path, by=by)).status_code
            assert 403 == (await made.call("GET", f"{path}&session_id=one", by=agent)).status_code
            assert 401 == (await made.call("GET", path, by={})).status_code
            for odd in ("", "?nonce=", "?nonce=00", f"?nonce={'G' * 64}", f"?nonce={'0' * 65}"):
                assert 422 == (await made.call("GET", f"{AUDIT}/export{odd}")).status_code

    run(work())


def test_a_wiped_session_is_exported_by_its_stream_for_an_administrator_alone() -> None:
    """Nobody knows any more whose it was; and a stream of another workspace is no way around."""
    path = f"{AUDIT}/export?nonce={'0' * 64}&session_id=stream-"

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", API, {"id": "two"}, by=made.bob)
            root = Principal(id="user:root", workspace="*", scopes=frozenset("*"))
            streams = [
                (await made.sessions.acting_as(root, workspace=name).get_session(id)).where.stream
                for id, name in (("one", "default"), ("two", "other"))
            ]
            await made.ok("DELETE", f"{API}/one")
            bound = await made.token("user:eve", "admin", "other", session="two")
            for stream in streams:
                for by in (made.ann, made.bob, bound):
                    found = await made.call("GET", f"{path}{stream:016x}", by=by)
                    assert 404 == found.status_code
                found = await made.call("GET", f"{path}{stream:016x}", by=made.admin)
                assert (200, True) == (found.status_code, f"{stream:016x}" in found.text)

    run(work())


def test_what_is_refused_holds_no_place_among_the_streams() -> None:
    """Neither a session that is not there nor an export that was read to its end."""
    path = f"{AUDIT}/export?nonce={'0' * 64}"

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            for _ in range(3):
                assert 404 == (await made.call("GET", f"{path}&session_id=none")).status_code
                assert 403 == (await made.call("GET", path)).status_code
                assert (await made.call("GET", f"{path}&session_id=one")).is_success
            assert 0 == len(made.app.api.state.streams)

    run(work())


@pytest.mark.parametrize("path", ["export?nonce=" + "0" * 64 + "&", "verify?"])
def test_a_session_with_the_name_of_anothers_log_is_not_a_way_to_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if it is wiped after it was found and before the log is read."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "theirs"}, by=made.bob)
            other = Principal(id="user:bob", workspace="other")
            where = await made.sessions.acting_as(other).locate("theirs")
            name = f"stream-{where.stream:016x}"
            await made.ok("POST", API, {"id": name})

            async def late(core: Core, session_id: str) -> tuple[Backend, StreamRow]:
                await made.ok("DELETE", f"{API}/{name}")
                return await find_stream(core, session_id)

            monkeypatch.setattr(audit, "find_stream", late)
            monkeypatch.setattr(audit_export, "find_stream", late)
            found = await made.call("GET", f"{AUDIT}/{path}session_id={name}")
            assert (404, "session_not_found") == (found.status_code, found.json()["reason"])

    run(work())
