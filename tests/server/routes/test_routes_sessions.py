"""The sessions API: create, list, read, change under a condition, control."""

from __future__ import annotations

from typing import Any

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


def asked_for(document: Any, shape: Any, seen: set[str]) -> set[str]:
    """The names of all fields of a shape, of those within it too."""
    if isinstance(shape, list):
        return {name for one in shape for name in asked_for(document, one, seen)}
    if not isinstance(shape, dict):
        return set()
    name = str(shape.get("$ref", "")).rpartition("/")[2]
    if name in seen:
        return set()
    if name:
        return asked_for(document, document["components"]["schemas"][name], seen | {name})
    return set(shape.get("properties", {})) | asked_for(document, [*shape.values()], seen)


def test_nobody_marks_a_session_as_one_of_an_enclave() -> None:
    """No request has a field for it, and a file that says so is not believed."""

    async def work() -> None:
        async with served() as made:
            document = (await made.http.get("/openapi.json")).json()
            fields = {
                name
                for path in document["paths"].values()
                for one in path.values()
                for name in asked_for(document, one.get("requestBody", {}), set())
            }
            assert {"system_prompt", "base_url", "sensitivity"} <= fields
            assert not {name for name in fields if "tee" in name.split("_")}
            for id in ("one", "two"):
                await made.ok("POST", API, {"id": id})
            body = {"tee_active": True}
            for method, path in (("PATCH", f"{API}/one"), ("POST", API)):
                assert 422 == (await made.call(method, path, body, by=made.admin)).status_code
            assert not (await made.ok("GET", f"{API}/one"))["tee_active"]
            marked = await made.sessions.get_session("two")
            assert await marked.mark_tee_active()
            assert (await made.ok("GET", f"{API}/two"))["tee_active"]
            for form in ("jsonl", "session_data", "serializable_session"):
                file = await made.call("GET", f"{API}/two/export?format={form}")
                name = form.replace("_", "-")
                told = await made.http.request(
                    "POST", f"{API}/import?new_id={name}", headers=made.ann, content=file.content
                )
                assert 201 == told.status_code, told.text
                assert not (await made.ok("GET", f"{API}/{name}"))["tee_active"]

    run(work())
