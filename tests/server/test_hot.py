"""Reads past the framework say what the framework says, whatever they are asked."""

from __future__ import annotations

from holdfast.server.hot import Hot
from serverkit import Served, served
from sessionhelp import run

API = "/api/v1/sessions"


async def _both(made: Served, path: str, **told: str) -> tuple[object, object]:
    """The answer as it is, and as it is without the short way."""
    found = []
    for hot in (True, False):
        reads = made.app.hot._reads
        made.app.hot._reads = reads if hot else {}
        answer = await made.call("GET", path, headers=told)
        made.app.hot._reads = reads
        names = ("content-type", "x-content-type-options", "cache-control")
        kept = {name: answer.headers.get(name) for name in names}
        found.append((answer.status_code, answer.content, kept))
    return found[0], found[1]


def test_the_same_answers() -> None:
    """Of every such route: a session's, an unknown one's, another workspace's, too long ones."""

    async def work() -> None:
        async with served() as made:
            assert isinstance(made.app.hot, Hot)
            names = made.app.hot.names
            assert {"label", "risk", "budget", "allowances", "permissions"} <= set(names)
            await made.ok("POST", API, {"id": "one", "config": {"budget": {"usd": "1"}}})
            await made.ok("POST", f"{API}/one/messages", {"content": "hi"})
            await made.ok("POST", API, {"id": "theirs"}, by=made.bob)
            for name in names:
                for id in ("one", "ONE", "none", "theirs", "a" * 129, "%2e%2e", ""):
                    hot, slow = await _both(made, f"{API}/{id}/{name}")
                    assert hot == slow, (id, name)
                hot, slow = await _both(made, f"{API}/one/{name}", **{"Holdfast-Workspace": "x"})
                assert hot == slow
            viewer = await made.token("user:eve", "approver")
            made.ann = {"Authorization": viewer["Authorization"]}
            for name in names:
                hot, slow = await _both(made, f"{API}/one/{name}")
                assert hot == slow

    run(work())


def test_routes_are_counted() -> None:
    """Under their own names."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("GET", f"{API}/one/label")
            text = (await made.call("GET", "/metrics")).text
            assert 'route="/api/v1/sessions/{session_id}/label",status="200"} 1' in text

    run(work())
