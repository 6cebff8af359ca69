"""Policies and approvals over the app."""

from __future__ import annotations

from serverkit import served
from sessionhelp import echo, memory, run, tool

API = "/api/v1/sessions"


def look(text: str = "") -> str:
    """A tool."""
    return text


def test_rules_and_what_they_say() -> None:
    """A rule is added, explained and replaced."""

    async def work() -> None:
        async with served(sessions=memory(echo(), tool(look, params=["text"]))) as made:
            path = f"{API}/{(await made.ok('POST', API, {}))['id']}/permissions"
            asked = {"tool": "look", "arguments": {"text": "x"}}
            assert "ask" == (await made.ok("POST", f"{path}/explain", asked))["decision"]
            added = {"effect": "allow", "rule": "look"}
            policy = (await made.ok("POST", f"{path}/rules", added))["policy"]
            assert ["look"] == policy["allow"]
            assert "allow" == (await made.ok("POST", f"{path}/explain", asked))["decision"]
            await made.ok("PUT", path, {"policy": {"deny": ["look"]}})
            assert "deny" == (await made.ok("POST", f"{path}/explain", asked))["decision"]
            assert ["look"] == (await made.ok("GET", path))["policy"]["deny"]
            wrong = await made.call("PUT", path, {"policy": {"deny": ["("]}})
            assert 422 == wrong.status_code

    run(work())


def test_how_people_are_asked() -> None:
    """The confirmation policy is read and changed; nothing waits."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {}))["id"]
            path = f"{API}/{id}/confirmation"
            assert 120 == (await made.ok("GET", path))["attended_s"]
            changed = await made.ok("PUT", path, {"policy": {"attended_s": 7}})
            assert 7 == changed["attended_s"]
            assert [] == await made.ok("GET", "/api/v1/approvals")
            none = await made.call("POST", f"{API}/{id}/approvals/5", {"decision": "once"})
            assert 404 == none.status_code

    run(work())
