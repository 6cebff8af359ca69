"""The sessions API: create, list, read, change under a condition, control."""

from __future__ import annotations

from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"


def test_a_session_is_created_once() -> None:
    """The same key is the same session; with another body it is refused."""

    async def work() -> None:
        async with served() as made:
            key = {"Idempotency-Key": "k1"}
            first = await made.call("POST", API, {"user_id": "u"}, headers=key)
            again = await made.call("POST", API, {"user_id": "u"}, headers=key)
            assert (201, 201) == (first.status_code, again.status_code)
            assert first.json()["id"] == again.json()["id"]
            other = await made.call("POST", API, {"user_id": "v"}, headers=key)
            assert (422, "command_mismatch") == (other.status_code, other.json()["reason"])
            theirs = await made.call("POST", API, {"user_id": "u"}, headers=key, by=made.admin)
            assert first.json()["id"] != theirs.json()["id"]
            taken = await made.call("POST", API, {"id": first.json()["id"]})
            assert (409, "session_exists") == (taken.status_code, taken.json()["reason"])

    run(work())


def test_unknown_fields_are_refused_and_not_repeated() -> None:
    """422 with the place, and without what was sent."""

    async def work() -> None:
        async with served() as made:
            found = await made.call("POST", API, {"config": {"sekret": "hunter2hunter2"}})
            assert 422 == found.status_code
            assert "application/problem+json" == found.headers["content-type"]
            assert ["body.config.sekret"] == [one["where"] for one in found.json()["errors"]]
            assert "hunter2" not in found.text

    run(work())


def test_changes_hold_for_a_version() -> None:
    """If-Match with an old version is 412; the list filters by what was set."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {}))["id"]
            before = (await made.call("GET", f"{API}/{id}")).headers["etag"]
            change = {"title": "Blue whale", "tags": ["sea"], "custom": {"a": 1}}
            held = {"If-Match": before}
            changed = await made.call("PATCH", f"{API}/{id}", change, headers=held)
            assert (200, "Blue whale") == (changed.status_code, changed.json()["title"])
            assert {"a": 1} == changed.json()["metadata"]
            stale = await made.call("PATCH", f"{API}/{id}", {"title": "x"}, headers=held)
            assert (412, "version_mismatch") == (stale.status_code, stale.json()["reason"])
            page = await made.ok("GET", f"{API}?title=whale&tag=sea")
            assert [id] == [one["id"] for one in page["sessions"]]
            assert [] == (await made.ok("GET", f"{API}?tag=land"))["sessions"]

    run(work())


def test_control() -> None:
    """Pause, resume, end, reopen, clear, rewind; what is no change says so."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {"id": "one"}))["id"]
            path = f"{API}/{id}"
            assert {"changed": False} == await made.ok("POST", f"{path}/resume")
            key = {"Idempotency-Key": "p"}
            paused = [await made.ok("POST", f"{path}/pause", headers=key) for _ in range(2)]
            assert [{"changed": True}] * 2 == paused
            assert ["it is paused"] == (await made.ok("GET", f"{path}/waiting"))["reasons"]
            assert {"changed": True} == await made.ok("POST", f"{path}/resume")
            assert {"changed": False} == await made.ok("POST", f"{path}/cancel")
            assert "Completed" == (await made.ok("POST", f"{path}/end"))["state"]
            assert "Active" == (await made.ok("POST", f"{path}/reopen"))["state"]
            await made.ok("POST", f"{path}/clear")
            await made.ok("POST", f"{path}/rewind", {"to_version": 1})
            assert 0 == (await made.ok("GET", f"{path}/context"))["used_tokens"]
            assert 0 == (await made.ok("GET", f"{path}/cost"))["total"]["calls"]
            receipt = await made.ok("DELETE", f"{path}?hidden=true")
            assert "one" == receipt["session_id"]

    run(work())
