"""Allowances and budgets over the app."""

from __future__ import annotations

from serverkit import served
from sessionhelp import echo, memory, run, tool

API = "/api/v1/sessions"


def look(text: str = "") -> str:
    """A tool."""
    return text


def test_a_grant_is_made_once_and_taken_back() -> None:
    """The same key grants once, though time has passed."""

    async def work() -> None:
        async with served(sessions=memory(echo(), tool(look, params=["text"]))) as made:
            path = f"{API}/{(await made.ok('POST', API, {}))['id']}/allowances"
            wanted = {"rule": "look(*)", "max_uses": 3, "expires_in_s": 60}
            first = await made.ok("POST", path, wanted)
            assert (3, True) == (first["uses_left"], first["active"])
            assert [first["id"]] == [one["id"] for one in await made.ok("GET", path)]
            await made.ok("DELETE", f"{path}/{first['id']}")
            assert [] == await made.ok("GET", path)
            gone = await made.call("DELETE", f"{path}/{first['id']}")
            assert (404, "grant_not_found") == (gone.status_code, gone.json()["reason"])

    run(work())


def test_budgets() -> None:
    """Limits of a session and of its user."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {"user_id": "u"}))["id"]
            limits = {"limits": {"usd": "2.00"}}
            found = await made.ok("PUT", f"{API}/{id}/budget", limits)
            assert 2_000_000 in [one["limit"] for one in found]
            assert found == await made.ok("GET", f"{API}/{id}/budget")
            shared = await made.ok("PUT", "/api/v1/budgets/user?who=u", limits)
            assert [2_000_000] == [one["limit"] for one in shared]
            assert shared == await made.ok("GET", "/api/v1/budgets/user?who=u")
            wrong = await made.call("PUT", f"{API}/{id}/budget", {"limits": {"usd": "lots"}})
            assert 422 == wrong.status_code

    run(work())
