"""Forks, children, exports and imports over the app."""

from __future__ import annotations

from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"


def test_forks_and_children() -> None:
    """The same key forks once; a child is below its parent."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {"id": "up"}))["id"]
            key = {"Idempotency-Key": "f"}
            forks = [
                await made.ok("POST", f"{API}/{id}/fork", {"name": "f"}, headers=key)
                for _ in range(2)
            ]
            assert forks[0]["id"] == forks[1]["id"]
            child = await made.ok("POST", f"{API}/{id}/children", {"id": "down"}, headers=key)
            assert "down" == child["id"]
            await made.ok("POST", f"{API}/{id}/children", {"id": "down"}, headers=key)
            family = await made.ok("GET", f"{API}/{id}/children")
            assert {"parent": None, "children": ["down"]} == family
            assert "up" == (await made.ok("GET", f"{API}/down/children"))["parent"]

    run(work())


def test_out_and_in_again() -> None:
    """An export comes in under another id, with what was said."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", f"{API}/one/messages", {"content": "hi"})
            out = await made.call("GET", f"{API}/one/export")
            assert "application/x-ndjson" == out.headers["content-type"].partition(";")[0]
            taken = await made.http.post(
                f"{API}/import?new_id=two", content=out.content, headers=made.ann
            )
            assert (201, "two") == (taken.status_code, taken.json()["id"])
            found = await made.ok("GET", f"{API}/two/messages")
            assert "hi" == found["messages"][0]["text"]
            key = {**made.ann, "Idempotency-Key": "k"}
            came = [
                await made.http.post(f"{API}/import", content=out.content, headers=key)
                for _ in range(2)
            ]
            assert [201, 201] == [one.status_code for one in came]
            assert came[0].json() == came[1].json() and "one" != came[0].json()["id"]
            for path, content in ((f"{API}/import", b"x" + out.content),
                                  (f"{API}/import?new_id=three", out.content)):  # fmt: skip
                other = await made.http.post(path, content=content, headers=key)
                assert 422 == other.status_code
            assert 3 == len((await made.ok("GET", API))["sessions"])
            rubbish = await made.http.post(f"{API}/import", content=b"nothing", headers=made.ann)
            assert (422, "import_refused") == (rubbish.status_code, rubbish.json()["reason"])

    run(work())
