"""Reads past the framework say what the framework says, whatever they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from httpx2 import AsyncClient
from starlette.responses import Response

from holdfast.server import hot
from holdfast.server.hot import Hot
from serverkit import Served, listening, served
from sessionhelp import run

API = "/api/v1/sessions"


async def _both(made: Served, path: str, **told: str) -> tuple[object, object]:
    """The answer as it is, and as it is without the short way."""
    found = []
    for short in (True, False):
        reads = made.app.hot._reads
        made.app.hot._reads = reads if short else {}
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
                    short, slow = await _both(made, f"{API}/{id}/{name}")
                    assert short == slow, (id, name)
                short, slow = await _both(made, f"{API}/one/{name}", **{"Holdfast-Workspace": "x"})
                assert short == slow
            viewer = await made.token("user:eve", "approver")
            made.ann = {"Authorization": viewer["Authorization"]}
            for name in names:
                short, slow = await _both(made, f"{API}/one/{name}")
                assert short == slow

    run(work())


async def _opened(
    client: AsyncClient, path: str, ends: bytes, told: Mapping[str, str]
) -> tuple[object, ...]:
    """A stream as it begins, up to a text; or what it is refused with."""
    async with client.stream("GET", path, headers=told) as answer:
        names = ("content-type", "x-content-type-options", "cache-control", "x-accel-buffering")
        kept = {name: answer.headers.get(name) for name in names}
        if answer.status_code != 200:
            return answer.status_code, await answer.aread(), kept
        found = b""
        async for piece in answer.aiter_bytes():
            found += piece
            if ends in found:
                break
        return answer.status_code, found[: found.index(ends)], kept


ASKED = (
    ("one", "", b"agent_end", {}),
    ("one", "?after=0", b"agent_end", {}),
    ("one", "?after=2", b"agent_end", {}),
    ("one", "?after=latest", b"id: ", {}),
    ("one", "?after=99", b"", {}),
    ("one", "?after=01", b"", {}),
    ("one", "?after=-1", b"", {}),
    ("one", "?after=latest&after=0", b"agent_end", {}),
    ("one", "?other=1", b"agent_end", {}),
    ("ONE", "", b"agent_end", {}),
    ("none", "", b"", {}),
    ("theirs", "", b"", {}),
    ("a" * 129, "", b"", {}),
    ("%2e%2e", "", b"", {}),
    ("one", "", b"agent_end", {"Last-Event-ID": "2"}),
    ("one", "?after=latest", b"agent_end", {"Last-Event-ID": "2.all"}),
    ("one", "", b"agent_end", {"Last-Event-ID": ""}),
    ("one", "", b"", {"Last-Event-ID": "2.x"}),
    ("one", "", b"", {"Last-Event-ID": "9" * 65}),
    ("one", "", b"", {"Holdfast-Workspace": "x"}),
    ("one", "", b"", {"Holdfast-Workspace": "x" * 129}),
)


def test_the_same_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin alike, and are refused alike, whatever they are asked for."""
    taken: list[str] = []
    stream = hot._stream

    async def counted(*given: Any) -> Response:
        taken.append(given[3])
        return await stream(*given)

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "one"})
            await made.ok("POST", f"{API}/one/messages", {"content": "hi"})
            await made.ok("POST", API, {"id": "theirs"}, by=made.bob)
            issued = await made.sessions.tokens.create(
                "user:eve", "viewer", session="", workspace="default", scopes=("sessions:read",)
            )
            eve = {"Authorization": f"Bearer {issued.guard_token}"}
            async with (
                listening(made.app) as base,
                AsyncClient(base_url=base, timeout=30) as client,
            ):
                for id, query, ends, told in ASKED:
                    path = f"{API}/{id}/events{query}"
                    found = []
                    for name in ("events", "\0"):
                        monkeypatch.setattr(hot, "EVENTS", name)
                        found.append(await _opened(client, path, ends, {**made.ann, **told}))
                    assert found[0] == found[1], (id, query, told)
                monkeypatch.setattr(hot, "EVENTS", "events")
                assert len(taken) > 10
                assert 403 == (await _opened(client, f"{API}/one/events", b"", eve))[0]

    monkeypatch.setattr(hot, "_stream", counted)
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
