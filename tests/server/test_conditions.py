"""Conditional changes: of all who hold one version, in whatever process, one is the first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest

from holdfast.server.app import create_app
from serverkit import listening, served
from sessionhelp import on_file, run
from streamkit import Nursery, killable

API = "/api/v1/sessions"
ROUNDS = 4


def test_one_of_many_wins() -> None:
    """However many come at once."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "a"})
            held = {"If-Match": (await made.call("GET", f"{API}/a")).headers["etag"]}
            found = await asyncio.gather(
                *(
                    made.call("PATCH", f"{API}/a", {"title": str(number)}, headers=held)
                    for number in range(20)
                )
            )
            assert [200, *[412] * 19] == sorted(one.status_code for one in found)
            await made.ok("PATCH", f"{API}/a", {"title": "x"}, headers={"If-Match": "*"})
            odd = await made.call("PATCH", f"{API}/a", {}, headers={"If-Match": "12"})
            assert 422 == odd.status_code

    run(work())


def test_all_that_is_named_or_nothing() -> None:
    """One wrong value among many changes nothing, and one change is one version."""

    async def work() -> None:
        async with served() as made:
            before = await made.ok("POST", API, {"id": "a", "config": {"name": "old"}})
            wanted = {"title": "new", "tags": ["t"], "custom": {"k": 1}, "thinking": True}
            too_much = {**wanted, "custom": {"k": "x" * 20_000}}
            assert 422 == (await made.call("PATCH", f"{API}/a", too_much)).status_code
            assert before == await made.ok("GET", f"{API}/a")
            after = await made.ok("PATCH", f"{API}/a", wanted)
            assert ("new", ["t"], {"k": 1}) == (after["title"], after["tags"], after["metadata"])
            assert before["version"] + 1 == after["version"]

    run(work())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"title": "x"}),
        ("PATCH", "", {}),
        ("PUT", "/permissions", {"policy": {"allow": ["read"]}}),
        ("PUT", "/confirmation", {"policy": {}}),
        ("PUT", "/budget", {"limits": {"usd": "1"}}),
        ("PUT", "/plan", {"steps": [{"tool": "read"}]}),
        ("DELETE", "", None),
        ("DELETE", "?hidden=true", None),
    ],
)
def test_every_conditional_route(method: str, path: str, body: Mapping[str, object] | None) -> None:
    """An older version, one that never was and 0 are all refused, and nothing is changed."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "a"})
            old = (await made.call("GET", f"{API}/a")).headers["etag"]
            await made.ok("PATCH", f"{API}/a", {"title": "now"})
            now = await made.call("GET", f"{API}/a")
            for tag in (old, '"0"', '"999999999999999999"'):
                late = await made.call(method, f"{API}/a{path}", body, headers={"If-Match": tag})
                assert (412, "version_mismatch") == (late.status_code, late.json()["reason"])
            assert now.content == (await made.call("GET", f"{API}/a")).content
            held = {"If-Match": now.headers["etag"]}
            await made.ok(method, f"{API}/a{path}", body, headers=held)

    run(work())


def test_two_processes_on_one_store(tmp_path: Path) -> None:
    """Both change the same version at once: one does, whichever of them leads the session."""

    async def work() -> None:
        nursery = Nursery()
        try:
            async with on_file(tmp_path) as sessions, killable(nursery, tmp_path) as other:
                issued = await sessions.tokens.create("user:ann", "operator", session="")
                ann = {"Authorization": f"Bearer {issued.guard_token}"}
                async with (
                    listening(create_app(sessions)) as url,
                    httpx2.AsyncClient(timeout=20, headers=ann) as http,
                ):
                    sites = [url, other.url]
                    for leader in (0, 1):
                        id = f"led-by-{leader}"
                        made = await http.post(f"{sites[leader]}{API}", json={"id": id})
                        assert 201 == made.status_code, made.text
                        await _race(http, [f"{site}{API}/{id}" for site in sites])
        finally:
            nursery.close()

    run(work())


async def _race(http: httpx2.AsyncClient, paths: list[str]) -> None:
    """Change the same session at two places, again and again."""
    for number in range(ROUNDS):
        tag = (await http.get(paths[number % 2])).headers["etag"]
        told = {"If-Match": tag}
        found = await asyncio.gather(
            *(
                http.patch(path, json={"title": f"{number} by {place}"}, headers=told)
                for place, path in enumerate(paths)
            )
        )
        assert [200, 412] == sorted(one.status_code for one in found), [one.text for one in found]
        won = next(place for place, one in enumerate(found) if one.status_code == 200)
        for path in paths:
            seen = await http.get(path)
            assert f"{number} by {won}" == seen.json()["title"]
            assert f'"{seen.json()["version"]}"' == found[won].headers["etag"]
            stale = await http.patch(path, json={"title": "stale"}, headers=told)
            assert 412 == stale.status_code
